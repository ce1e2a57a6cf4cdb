"""Waiting in columns: the same answers as ``wait``, and ``wait`` itself wherever somebody has replaced it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from netcore.poll import EpollPoller, Interest, Readiness, SelectPoller, columns_of
from netcore.testing.conformance.check_poller import check_poller

READABLE, WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
pytestmark = pytest.mark.poller("epoll")


@pytest.fixture
def wires() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    pairs = [socket.socketpair() for _ in range(3)]
    yield pairs
    for near, far in pairs:
        near.close()
        far.close()


@pytest.fixture(params=[EpollPoller, SelectPoller])
def poller(request: pytest.FixtureRequest) -> Iterator[Any]:
    opened = request.param()
    yield opened
    opened.close()


def test_all_readable_needs_no_second_column(poller: Any, wires: Any) -> None:
    wait_columns = columns_of(poller)
    for count, (near, far) in enumerate(wires, 1):
        poller.register(near.fileno(), Interest.READ)
        far.send(b"!")
        fds, readiness = wait_columns(5)
        assert sorted(fds) == sorted(near.fileno() for near, _ in wires[:count])
        assert readiness is None


def test_a_mixture_is_told_apart(poller: Any, wires: Any) -> None:
    for near, far in wires:
        poller.register(near.fileno(), Interest.READ | Interest.WRITE)
        if near is not wires[0][0]:
            far.send(b"!")
    fds, readiness = columns_of(poller)(5)
    assert readiness is not None
    first, *others = (near.fileno() for near, _ in wires)
    expected = {first: WRITABLE, **dict.fromkeys(others, READABLE | WRITABLE)}
    assert dict(zip(fds, readiness, strict=True)) == expected


def test_one_that_is_not_readable_is_told(poller: Any, wires: Any) -> None:
    near, _ = wires[0]
    poller.register(near.fileno(), Interest.WRITE)
    assert columns_of(poller)(5) == ([near.fileno()], [WRITABLE])


def test_nothing_ready_is_an_empty_column(poller: Any) -> None:
    assert columns_of(poller)(0) == ([], None)


def test_the_end_of_the_poller_is_told_by_both(poller: Any) -> None:
    poller.close()
    for wait in (columns_of(poller), poller.wait):
        with pytest.raises(ValueError, match="closed"):
            wait(0)


class Inheriting(EpollPoller):
    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        self.waits += 1
        return super().wait(timeout)


class Wrapping:
    def __init__(self) -> None:
        self.inner = EpollPoller()
        self.waits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        self.waits += 1
        return self.inner.wait(timeout)


@pytest.mark.parametrize("factory", [Inheriting, Wrapping])
def test_a_wait_of_ones_own_is_called(factory: Callable[[], Any], wires: Any) -> None:
    poller = factory()
    near, far = wires[0]
    poller.register(near.fileno(), Interest.READ)
    far.send(b"!")
    assert columns_of(poller)(5) == ([near.fileno()], None)
    assert poller.waits == 1
    poller.close()


@pytest.mark.once
def test_check_poller_looks_at_the_columns_too() -> None:
    class Lopsided(EpollPoller):
        def wait_columns(self, timeout: float | None) -> tuple[list[int], list[int] | None]:
            fds, _ = super().wait_columns(timeout)
            return fds, [READABLE] if fds else None

        def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
            fds, readiness = super().wait_columns(timeout)
            return list(zip(fds, readiness or [READABLE] * len(fds), strict=True))

    with pytest.raises(AssertionError, match=r"column|readab|writab|report"):
        check_poller(Lopsided)
