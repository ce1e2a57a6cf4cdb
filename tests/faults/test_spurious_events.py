"""A poller that reports anything of anybody: readiness is a hint, and no more than that."""

from __future__ import annotations

import random
import socket

import pytest

from netcore import Client, Engine
from netcore.poll import Readiness, open_poller
from netcore.testing import RecordingHandler

EDGES = [False, pytest.param(True, marks=pytest.mark.edges)]


class SpuriousPoller:
    """Adds to what another poller reports every bit of every registered descriptor, at random."""

    def __init__(self) -> None:
        self._poller = open_poller()
        self.name = "spurious"
        self.supports_edge = self._poller.supports_edge
        self._fds: set[int] = set()
        self._random = random.Random(1)

    def register(self, fd: int, interest: int) -> None:
        self._poller.register(fd, interest)
        self._fds.add(fd)

    def modify(self, fd: int, interest: int) -> None:
        self._poller.modify(fd, interest)

    def unregister(self, fd: int) -> None:
        self._fds.discard(fd)
        self._poller.unregister(fd)

    def wait(self, timeout):
        found = dict(self._poller.wait(timeout))
        for fd in self._fds:
            bits = self._random.getrandbits(4)
            if bits:
                found[fd] = found.get(fd, 0) | bits
        return list(found.items())

    def wake(self) -> None:
        self._poller.wake()

    def close(self) -> None:
        self._poller.close()


def test_the_bits_are_all_there_are():
    assert sum(Readiness) == 15


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("scheme", ["tcp", pytest.param("unix", marks=pytest.mark.unix_sockets)])
def test_streams_are_echoed_all_the_same(serve, dial, receive, tmp_path, edge, scheme):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/s"
    engine = serve(handler, address, poller=SpuriousPoller, edge_triggered=edge)
    socks = [dial(engine) for _ in range(5)]
    for number in range(50):
        for sock in socks:
            data = b"%d" % number * 100
            sock.sendall(data)
            assert receive(sock, len(data)) == data
    assert "on_close" not in handler.names()
    assert "on_error" not in handler.names()
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(9) == b""
    for number in range(5):
        assert handler.wait_for("on_close", number + 1).detail is None


@pytest.mark.posix  # elsewhere there is no poll(2) to ask, and an error of a socket is taken for one
@pytest.mark.parametrize("edge", EDGES)
def test_a_connection_that_is_paused_stays(serve, dial, receive, edge):
    handler = RecordingHandler(
        on_open=lambda conn: conn.pause_reading(), on_traffic=lambda conn: conn.write(conn.read()) and None
    )
    engine = serve(handler, poller=SpuriousPoller, edge_triggered=edge)
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    for _ in range(50):
        conn.async_write(b"out")
        assert receive(sock, 3) == b"out"
    assert not conn.closed
    sock.sendall(b"in")
    conn.resume_reading()
    assert receive(sock, 2) == b"in"
    assert "on_error" not in handler.names()


@pytest.mark.parametrize("edge", EDGES)
def test_datagrams_and_dials_work_all_the_same(edge):
    echo = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    seen = RecordingHandler()
    options = {"poller": SpuriousPoller, "edge_triggered": edge}
    with (
        Engine(echo, "udp://127.0.0.1:0", "tcp://127.0.0.1:0", **options) as engine,
        Client(seen, **options) as client,
    ):
        conns = [client.dial(address, timeout=30) for address in engine.addresses]
        for number in range(30):
            for conn in conns:
                conn.async_write(b"%d" % (number % 10))
            seen.wait_for("on_traffic", 2 * number + 2)
        assert not any(conn.closed for conn in conns)
        assert "on_error" not in seen.names() + echo.names()
