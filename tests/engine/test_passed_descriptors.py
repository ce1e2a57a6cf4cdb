"""A Unix peer that passes descriptors along with its bytes, which nobody here asks for."""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress

import pytest

from netcore import Client, Engine, GivenListener
from netcore._platform import FACTS, pack_linger
from netcore.testing import RecordingHandler

pytestmark = [pytest.mark.posix, pytest.mark.unix_sockets]


def _forbids() -> bool:
    if FACTS.pass_rights is None:
        return False
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, FACTS.pass_rights, 0)
        except OSError:
            return False
    return True


forbids = pytest.mark.skipif(not _forbids(), reason="this kernel lets every peer pass descriptors")


def pass_one(sock):
    with open(os.devnull, "rb") as file:
        socket.send_fds(sock, [b"x"], [file.fileno()])


def echo():
    return RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)


def refuses(sock, before, open_descriptors):
    with pytest.raises(PermissionError):
        pass_one(sock)
    sock.sendall(b"bytes")
    assert sock.recv(9) == b"bytes"
    assert open_descriptors() == before


@pytest.fixture
def lingerer():
    """Makes sockets whose last close takes a minute: SO_LINGER, and a peer that does not read."""
    kept = []

    def make():
        with socket.create_server(("127.0.0.1", 0)) as server:
            sock = socket.create_connection(server.getsockname())
            kept.append(server.accept()[0])
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(bytes(1 << 16))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(60))
        return sock

    yield make
    for reader in kept:  # which ends the waiting, if there is any
        reader.close()


def refuse_to_start(self):
    raise RuntimeError("can't start new thread")


def serves_at_once(engine, dial):
    sock = dial(engine)
    sock.settimeout(10)
    sock.sendall(b"neighbour")
    assert sock.recv(9) == b"neighbour"
    sock.close()


@forbids
@pytest.mark.parametrize("name", ["path", "abstract", "given", "given with a backlog"])
def test_a_server_refuses_them(tmp_path, dial, open_descriptors, name):
    source = "unix://@netcore-passed" if name == "abstract" else f"unix://{tmp_path}/s"
    early = None
    if name.startswith("given"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        if "backlog" in name:
            early = socket.socket(socket.AF_UNIX)
            early.settimeout(30)
            early.connect(f"{tmp_path}/s")
        source = GivenListener(listener.detach())
    with Engine(echo(), source) as engine:
        sock = early or dial(engine)
        sock.sendall(b"hello")
        assert sock.recv(9) == b"hello"
        refuses(sock, open_descriptors(), open_descriptors)
        sock.close()


@forbids
def test_a_client_refuses_them(tmp_path, open_descriptors):
    with socket.socket(socket.AF_UNIX) as listener, Client(echo()) as client:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        client.dial(f"unix://{tmp_path}/s")
        with listener.accept()[0] as sock:
            sock.settimeout(30)
            refuses(sock, open_descriptors(), open_descriptors)


@forbids
def test_an_enrolled_socket_refuses_them(open_descriptors):
    near, far = socket.socketpair()
    with far, Client(echo()) as client:
        client.enroll(near)
        far.settimeout(30)
        refuses(far, open_descriptors(), open_descriptors)


@forbids
@pytest.mark.parametrize("edge", [False, pytest.param(True, marks=pytest.mark.edges)], ids=["level", "edge"])
def test_what_was_passed_before_is_closed_without_waiting(lingerer, receive, edge):
    """The passed socket would linger for a minute when it is closed, on the loop's thread."""
    lingering = lingerer()
    near, far = socket.socketpair()
    far.settimeout(30)
    handler = echo()
    with far, Client(handler, edge_triggered=edge) as client:
        far.sendall(b"one ")
        socket.send_fds(far, [b"two "], [lingering.fileno()])
        lingering.close()
        far.sendall(b"three")
        client.enroll(near).async_write(b"!")
        assert sorted(receive(far, 14)) == sorted(b"one two three!")
        far.sendall(b" four")
        assert receive(far, 5) == b" four"
        assert client.engine.metrics().bytes_received == 18


@forbids
def test_what_waited_in_the_backlog_of_a_given_listener_is_closed_without_waiting(tmp_path, dial, lingerer):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp_path}/s")
    listener.listen()
    with socket.socket(socket.AF_UNIX) as early, lingerer() as lingering:
        early.settimeout(30)
        early.connect(f"{tmp_path}/s")
        early.sendall(b"one ")
        socket.send_fds(early, [b"two"], [lingering.fileno()])
        lingering.close()
        with Engine(echo(), GivenListener(listener.detach())) as engine:
            serves_at_once(engine, dial)
            assert early.recv(9) == b"one two"
            early.sendall(b"three")
            assert early.recv(9) == b"three"
            assert engine.metrics().bytes_received == 21


@forbids
@pytest.mark.parametrize("threads", [True, False], ids=["", "without a thread"])
def test_a_passed_socket_that_holds_a_passed_one(lingerer, monkeypatch, threads):
    """Closing it closes what it holds, which nobody can have taken out of it before."""
    inner, holder = socket.socketpair()
    near, far = socket.socketpair()
    far.settimeout(10)
    with inner, far, lingerer() as lingering, Client(echo()) as client:
        if threads:
            socket.send_fds(inner, [b"x"], [lingering.fileno()])
        else:
            client.engine.loops[0].execute(monkeypatch.setattr, threading.Thread, "start", refuse_to_start)
            lingering.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0)
            )  # it is closed here
        lingering.close()
        socket.send_fds(far, [b"bytes"], [holder.fileno()])
        holder.close()
        client.enroll(near)
        assert far.recv(9) == b"bytes"
        far.sendall(b"more")
        assert far.recv(9) == b"more"
        inner.settimeout(10)
        with suppress(ConnectionResetError):  # since it had not read
            assert inner.recv(1) == b""
