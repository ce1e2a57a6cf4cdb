"""Sockets that come with an error queue, which is emptied rather than reported for ever."""

from __future__ import annotations

import errno
import os
import socket
import threading

import pytest

from netcore import Client, Engine, GivenListener
from netcore._platform import HERE
from netcore.testing import RecordingHandler

EMULATED = os.environ.get("NETCORE_POLLER") == "kqueue"  # of which no system has such a queue
pytestmark = pytest.mark.skipif(HERE.name != "Linux" or EMULATED, reason="of Linux alone")

IP_RECVERR, IPV6_RECVERR, SO_TIMESTAMPING = 11, 25, 37
EDGES = [False, pytest.param(True, marks=pytest.mark.edges)]


def nobody():
    """A port where nobody is."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()


def asks_for_errors():
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    return sock


def stays_calm(engine):
    """Whether the loop sleeps: a few turns of a task's own, and no more, while a timer is awaited."""
    loop = engine.loops[0]
    done = threading.Event()
    before = engine.metrics().turns
    loop.schedule(0.2, done.set)
    assert done.wait(30)
    return engine.metrics().turns - before < 50


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("paused", [False, True], ids=["receiving", "paused"])
def test_a_dialled_datagram_socket(edge, paused):
    sock = asks_for_errors()
    sock.connect(nobody())
    handler = RecordingHandler(
        on_open=lambda conn: conn.pause_reading() if paused else None, on_error=lambda conn, error: None
    )
    with Client(handler, edge_triggered=edge) as client:
        conn = client.enroll(sock)
        for number in range(3):
            conn.async_write(b"anybody?")
            assert handler.wait_for("on_error", number + 1).detail.errno == errno.ECONNREFUSED
        assert stays_calm(client.engine)
        assert handler.names().count("on_error") == 3
        assert not conn.closed


def test_a_server_hears_whom_the_error_is_about():
    target = nobody()
    sock = asks_for_errors()
    sock.bind(("127.0.0.1", 0))
    name = sock.getsockname()

    def on_traffic(conn):
        if conn.read() == b"send":
            conn.send_to(b"anybody?", f"udp://127.0.0.1:{target[1]}")
        else:
            conn.write(b"alive")

    handler = RecordingHandler(on_traffic=on_traffic, on_error=lambda conn, error: None)
    with (
        Engine(handler, GivenListener(sock.detach())) as engine,
        socket.socket(type=socket.SOCK_DGRAM) as peer,
    ):
        peer.settimeout(30)
        peer.sendto(b"send", name)
        told = handler.wait_for("on_error")
        assert told.detail.errno == errno.ECONNREFUSED
        assert told.conn.remote_address.port == target[1]
        assert stays_calm(engine)
        peer.sendto(b"ping", name)
        assert peer.recv(9) == b"alive"


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("paused", [False, True], ids=["receiving", "paused"])
def test_a_stream_whose_queue_has_news(edge, paused):
    """Time stamps of what was sent arrive in the error queue, and say nothing of an error."""
    handler = RecordingHandler(
        on_open=lambda conn: conn.pause_reading() if paused else None,
        on_traffic=lambda conn: conn.write(conn.read()) and None,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener, Client(handler, edge_triggered=edge) as client:
        sock = socket.create_connection(listener.getsockname())
        sock.setsockopt(
            socket.SOL_SOCKET, SO_TIMESTAMPING, 0x2 | 0x10 | 0x800
        )  # software stamps of what is sent
        with listener.accept()[0] as peer:
            peer.settimeout(30)
            conn = client.enroll(sock)
            for _ in range(3):
                conn.async_write(b"stamped")
                assert peer.recv(7) == b"stamped"
            assert stays_calm(client.engine)
            assert not conn.closed
            conn.resume_reading()
            peer.sendall(b"echo")
            assert peer.recv(9) == b"echo"
        assert handler.wait_for("on_close").detail is None
