"""One socket at a time: the same as a batch of one, and a batch wherever somebody has replaced that."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from netcore.sockets import Chunk, NativeSockets, PureSockets, receive_one_of, send_one_of
from netcore.testing import check_sockets
from netcore.testing.conformance.sockets_bench import SocketsBench

KINDS = [pytest.param(NativeSockets, marks=pytest.mark.native), PureSockets]


@pytest.fixture
def attach() -> Iterator[Callable[[Any], tuple[int, socket.socket]]]:
    """Hands one end of a pair over to sockets; returns its descriptor and the other end."""
    benches: list[SocketsBench] = []

    def hand_over(sockets: Any) -> tuple[int, socket.socket]:
        benches.append(SocketsBench(sockets))
        return benches[-1].pair()

    yield hand_over
    for bench in benches:
        bench.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_received(kind: Callable[[], Any], attach: Any) -> None:
    sockets = kind()
    fd, far = attach(sockets)
    receive_one = receive_one_of(sockets)
    assert receive_one(fd) in (-errno.EAGAIN, -errno.EWOULDBLOCK)
    far.sendall(b"hello")
    assert receive_one(fd) == 5
    assert sockets.arena[:5] == b"hello"
    far.close()
    assert receive_one(fd) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_received_into_the_arena_of_now(kind: Callable[[], Any], attach: Any) -> None:
    sockets = kind()
    fd, far = attach(sockets)
    receive_one = receive_one_of(sockets)
    before = sockets.arena
    sockets.renew_arena()
    far.sendall(b"hello")
    assert receive_one(fd) == 5
    assert (bytes(before[:5]), sockets.arena[:5]) == (bytes(5), b"hello")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [bytes, memoryview])
def test_what_is_left_unsent(kind: Callable[[], Any], form: Callable[[bytes], Chunk], attach: Any) -> None:
    sockets = kind()
    fd, far = attach(sockets)
    send_one = send_one_of(sockets)
    data = bytes(range(256)) * 65536
    assert send_one(fd, form(b"first")) == 0
    left = send_one(fd, form(data))
    assert 0 < left < len(data)
    sockets.shutdown_write(fd)
    received = b"".join(iter(lambda: far.recv(1 << 20), b""))
    assert received == b"first" + data[: len(data) - left]


class Inheriting(NativeSockets):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def receive(self, fds: list[int]) -> list[int]:
        self.calls.append("receive")
        return super().receive(fds)

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        self.calls.append("send")
        return super().send(fds, chunks)


class Wrapping:
    def __init__(self) -> None:
        self.inner = NativeSockets()
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def receive(self, fds: list[int]) -> list[int]:
        self.calls.append("receive")
        return self.inner.receive(fds)

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        self.calls.append("send")
        return self.inner.send(fds, chunks)


@pytest.mark.native
@pytest.mark.parametrize("factory", [Inheriting, Wrapping])
def test_a_batch_of_ones_own_is_called(factory: Callable[[], Any], attach: Any) -> None:
    sockets = factory()
    fd, far = attach(sockets)
    assert send_one_of(sockets)(fd, b"there") == 0
    assert far.recv(10) == b"there"
    far.sendall(b"back")
    assert receive_one_of(sockets)(fd) == 4
    assert sockets.calls == ["send", "receive"]


class ReceivesMore(NativeSockets):
    def receive_one(self, fd: int) -> int:
        n = super().receive_one(fd)
        return n + 1 if n > 0 else n

    def receive(self, fds: list[int]) -> list[int]:
        return [super().receive_one(fds[0])] if len(fds) == 1 else super().receive(fds)


class HidesShortWrites(NativeSockets):
    def send_one(self, fd: int, chunk: Chunk) -> int:
        return min(super().send_one(fd, chunk), 0)

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        if len(fds) != 1:
            return super().send(fds, chunks)
        n = super().send_one(fds[0], chunks[0])
        return [(0, n)] if n else []


@pytest.mark.native
@pytest.mark.once
@pytest.mark.parametrize(
    ("factory", "complaint"),
    [(ReceivesMore, "receive"), (HidesShortWrites, r"send\(\)")],
)
@pytest.mark.usefixtures("known_to_wine")
def test_check_sockets_looks_at_single_sockets_too(factory: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_sockets(factory)
