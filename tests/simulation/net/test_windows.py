"""Buffers that fill: partial sends, the receiver's window, and when there is room again."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from simulated import Yard

from netcore._platform import pack_linger
from netcore.poll import Readiness
from netcore.testing.simulation.net.sockets import socketpair

_SEND_BUFFER, _WINDOW = 87_040, 131_072


@pytest.fixture
def yard() -> Yard:
    return Yard(latency=0.01)


def fill(yard: Yard, sock: Any) -> int:
    """Sends until nothing more fits, whatever has arrived meanwhile."""
    total = 0
    for _ in range(100):
        try:
            while True:
                total += sock.send(bytes(65536))
        except BlockingIOError:
            before = total
            yard.run(0.1)
            try:
                total += sock.send(b"x")
            except BlockingIOError:
                return before
    raise AssertionError("the buffers are never full")


def drain(sock: Any, size: int = 1 << 20) -> int:
    total = 0
    while total < size:
        try:
            piece = sock.recv(min(65536, size - total))
        except BlockingIOError:
            break
        if not piece:
            break
        total += len(piece)
    return total


def writable(yard: Yard, sock: Any) -> bool:
    fd = sock.fileno()
    return bool(yard.network.descriptors.get(fd).endpoint.readiness() & Readiness.WRITABLE)


def test_a_send_takes_what_fits(yard: Yard) -> None:
    client, server = yard.pair()
    assert client.send(bytes(200_000)) == _SEND_BUFFER
    with pytest.raises(BlockingIOError):
        client.send(b"x")
    assert not writable(yard, client)
    yard.run(0.019)
    assert not writable(yard, client)
    yard.run(0.002)
    assert writable(yard, client)
    assert drain(server) == _SEND_BUFFER
    client.close()
    server.close()


def test_a_peer_that_does_not_read_stops_the_sender(yard: Yard) -> None:
    client, server = yard.pair()
    assert fill(yard, client) == _SEND_BUFFER + _WINDOW
    assert drain(server) == _WINDOW
    yard.run(1)
    assert drain(server) == _SEND_BUFFER
    assert writable(yard, client)
    client.close()
    server.close()


def test_a_writer_is_told_of_room_once_a_third_is_free(yard: Yard) -> None:
    client, server = yard.pair()
    fill(yard, client)
    told: list[float] = []
    with yard.on("client") as kernel:
        kernel.watch(client.fileno(), lambda fd: told.append(yard.scheduler.now))
    assert not writable(yard, client)
    began = yard.scheduler.now
    assert drain(server, 5_000) == 5_000  # too little for the window to be told
    yard.run(0.05)
    assert not told
    assert drain(server) == _WINDOW - 5_000
    yard.run(1)
    assert told
    assert told[0] == pytest.approx(began + 0.05 + 0.01 + 0.02)
    assert writable(yard, client)
    client.close()
    server.close()


def test_a_window_update_that_is_lost_is_asked_for(yard: Yard) -> None:
    client, server = yard.pair()
    fill(yard, client)
    yard.losing["server", "client"].next = 1
    drain(server)
    yard.run(1)
    assert drain(server) == _SEND_BUFFER
    client.close()
    server.close()


def test_a_peer_that_never_reads_is_asked_ever_more_seldom_and_kept(yard: Yard) -> None:
    client, server = yard.pair()
    size = fill(yard, client)
    happened = yard.scheduler.happened
    yard.run(86_400)
    assert yard.scheduler.happened - happened < 2_500
    total = drain(server)
    yard.run(200)
    assert total + drain(server) == size
    client.close()
    server.close()


def test_a_peer_that_crashes_with_a_full_window_is_given_up(yard: Yard) -> None:
    client, _server = yard.pair()
    fill(yard, client)
    yard.host("server").crash()
    yard.run(3_000)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.close()


def test_closing_goes_on_to_send_what_is_buffered(yard: Yard) -> None:
    client, server = yard.pair()
    size = fill(yard, client)
    client.close()
    total = 0
    for _ in range(20):
        total += drain(server)
        yard.run(1)
    assert total == size
    assert server.recv(1) == b""
    server.close()


@pytest.mark.parametrize(("option", "size"), [(socket.SO_SNDBUF, 10_000), (socket.SO_RCVBUF, 10_000)])
def test_buffers_have_the_size_that_was_asked_for(yard: Yard, option: int, size: int) -> None:
    listener = yard.listener("server")
    if option == socket.SO_RCVBUF:
        listener.setsockopt(socket.SOL_SOCKET, option, size)
    client = yard.socket("client")
    if option == socket.SO_SNDBUF:
        client.setsockopt(socket.SOL_SOCKET, option, size)
    client.connect_ex((yard.network.addresses("server")[0], 7000))
    yard.run(0.1)
    with yard.on("server"):
        accepted, _ = listener.accept()
        accepted.setblocking(False)
    other = _WINDOW if option == socket.SO_SNDBUF else _SEND_BUFFER
    assert fill(yard, client) == 2 * size + other
    for sock in (client, accepted, listener):
        sock.close()


def test_a_unix_socket_is_full_and_has_room_again(yard: Yard) -> None:
    with yard.on("one") as kernel:
        near, far = socketpair()
        for sock in (near, far):
            sock.setblocking(False)
        size = fill(yard, near)
        assert size == 212_992
        told: list[int] = []
        kernel.watch(near.fileno(), told.append)
        assert not writable(yard, near)
        assert drain(far, 100_000) == 100_000
        assert not told
        assert not writable(yard, near)
        assert drain(far) == size - 100_000
        assert told == [near.fileno()]
        assert writable(yard, near)
        near.close()
        far.close()


@pytest.mark.parametrize(("cut", "takes"), [(False, 0.02), (True, 5.0)])
def test_a_close_that_lingers_waits_for_the_peer(yard: Yard, cut: bool, takes: float) -> None:
    client, server = yard.pair()
    client.setblocking(True)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(5))
    client.send(b"x")
    if cut:
        yard.cut()
    began = yard.scheduler.now
    with yard.on("client"):
        client.close()
    assert yard.scheduler.now - began == pytest.approx(takes)
    server.close()


def test_a_blocking_send_takes_everything(yard: Yard) -> None:
    client, server = yard.pair()
    total: list[int] = []
    with yard.on("server") as kernel:
        kernel.watch(server.fileno(), lambda fd: total.append(drain(server)))
    client.setblocking(True)
    with yard.on("client"):
        assert client.send(bytes(1_000_000)) == 1_000_000
        client.sendall(bytes(500_000))
    yard.run(1)
    assert sum(total) == 1_500_000
    client.close()
    server.close()
