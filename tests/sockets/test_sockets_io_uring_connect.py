"""Sockets of a ring that connect: polled until they have, and read by the ring after that."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from netcore.poll import Interest, IoUringPoller, Readiness
from netcore.sockets import Endpoint, IoUringSockets, NativeSockets, SocketOptions

pytestmark = pytest.mark.poller("io_uring")

READ, WRITE, EDGE = Interest.READ, Interest.WRITE, Interest.EDGE


class Ring:
    """A poller and its sockets."""

    def __init__(self, mode: int) -> None:
        self.poller = IoUringPoller(mode)
        self.sockets = IoUringSockets(self.poller.ring)

    def connect(self, name: tuple[str, int]) -> int:
        """Begins to connect a stream, and watches it."""
        endpoint = Endpoint(socket.AF_INET, name)
        fd, code = self.sockets.connect(endpoint, socket.SOCK_STREAM, SocketOptions())
        assert code in (0, -errno.EINPROGRESS)
        self.poller.register(fd, WRITE)
        return fd

    def until(self, fd: int, flags: int) -> None:
        for _ in range(50):
            if dict(self.poller.wait(5)).get(fd, 0) & flags:
                return
        raise AssertionError(f"descriptor {fd} is not reported with {flags}")


@pytest.fixture(params=range(4))
def ring(request: pytest.FixtureRequest) -> Iterator[Ring]:
    made = Ring(request.param)
    yield made
    made.poller.close()


@pytest.mark.parametrize("interest", [READ, READ | EDGE])
@pytest.mark.parametrize("anew", [True, False])
def test_what_has_connected_is_read_by_the_ring(ring: Ring, interest: int, anew: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = ring.connect(listener.getsockname())
        ring.until(fd, Readiness.WRITABLE)
        assert ring.sockets.connected(fd) == 0
        peer = listener.accept()[0]
    if anew:
        ring.poller.unregister(fd)
        ring.poller.register(fd, interest)
    else:
        ring.poller.modify(fd, interest)
    with peer:
        peer.settimeout(5)
        for data in (b"first", b"second"):
            peer.sendall(data)
            ring.until(fd, Readiness.READABLE)
            assert NativeSockets().receive([fd]) == [-errno.EAGAIN], "the ring has not fetched it"
            assert ring.sockets.receive([fd]) == [len(data)]
            assert ring.sockets.arena[: len(data)] == data
        ring.sockets.close([fd])
        assert peer.recv(1) == b"", "the ring holds back the FIN"


@pytest.mark.parametrize("registered", [True, False])
def test_what_is_being_connected_can_be_closed(ring: Ring, registered: bool) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fds = [ring.connect(listener.getsockname()) for _ in range(4)]
        ring.poller.wait(0)
        assert ring.sockets.connected(fds[-1]) == -errno.EINPROGRESS, "the backlog is not full"
        if not registered:
            for fd in fds:
                ring.poller.unregister(fd)
        ring.sockets.close(fds)
        assert ring.poller.wait(0) == []
        assert not ring.poller.ring.attached.intersection(fds)


def test_a_refusal_is_reported(ring: Ring) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name = listener.getsockname()
    fd = ring.connect(name)
    ring.until(fd, Readiness.WRITABLE | Readiness.ERROR)
    assert ring.sockets.connected(fd) == -errno.ECONNREFUSED
    ring.sockets.close([fd])


def test_datagrams_are_polled_for(ring: Ring) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        endpoint = Endpoint(socket.AF_INET, peer.getsockname())
        fd, code = ring.sockets.connect(endpoint, socket.SOCK_DGRAM, SocketOptions())
        assert code == 0
        ring.poller.register(fd, READ)
        with ring.sockets.borrow(fd) as sock:
            peer.sendto(b"letter", sock.getsockname())
        ring.until(fd, Readiness.READABLE)
        assert [data for data, _ in ring.sockets.receive_datagrams(fd, 8)[0]] == [b"letter"]
        ring.sockets.close([fd])
