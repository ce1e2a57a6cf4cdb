"""What a completion port asks for beyond the common contract: requests that outlive their purpose."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from netcore.poll import Interest, IocpPoller, Readiness

pytestmark = pytest.mark.poller("iocp")

READ, WRITE = Interest.READ, Interest.WRITE
MANY = 100
"""Sockets; more than three handles of AFD serve."""


@pytest.fixture
def poller() -> Iterator[IocpPoller]:
    opened = IocpPoller()
    yield opened
    opened.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(MANY)]
    yield made
    for near, far in made:
        near.close()
        far.close()


def until(poller: IocpPoller, wanted: dict[int, int]) -> None:
    """Waits until each descriptor has been reported as ready for what it is to be."""
    left = dict(wanted)
    for _ in range(1000):
        for fd, readiness in poller.wait(5):
            if readiness & left.get(fd, 0):
                del left[fd]
        if not left:
            return
    raise AssertionError(f"never reported: {left}")


def test_interest_that_grows_while_a_request_is_pending(poller, pairs):
    for near, _ in pairs:
        poller.register(near.fileno(), 0)
    assert poller.wait(0) == []  # now each has a request, that asks for errors only
    for near, _ in pairs:
        poller.modify(near.fileno(), WRITE)
    until(poller, {near.fileno(): Readiness.WRITABLE for near, _ in pairs})


def test_interest_that_shrinks_while_a_request_is_pending(poller, pairs):
    for near, _ in pairs:
        poller.register(near.fileno(), READ)
    assert poller.wait(0) == []
    for near, far in pairs:
        poller.modify(near.fileno(), 0)
        far.send(b"unwanted")
    for _ in range(5):
        assert poller.wait(0.01) == []
    for near, _ in pairs:
        poller.modify(near.fileno(), READ)
    until(poller, {near.fileno(): Readiness.READABLE for near, _ in pairs})


def test_what_comes_and_goes_between_waits(poller, pairs):
    chance = random.Random(1)
    interests: dict[int, int] = {}
    for _ in range(40):
        for near, _ in pairs:
            fd = near.fileno()
            if fd not in interests:
                interests[fd] = chance.choice((0, READ, WRITE))
                poller.register(fd, interests[fd])
            elif chance.random() < 0.5:
                del interests[fd]
                poller.unregister(fd)
            else:
                interests[fd] = chance.choice((0, READ, WRITE))
                poller.modify(fd, interests[fd])
        for fd, readiness in poller.wait(0):
            assert (interests[fd], readiness) == (WRITE, Readiness.WRITABLE)
    until(poller, {fd: Readiness.WRITABLE for fd, interest in interests.items() if interest == WRITE})


def test_sockets_are_closed_right_after_they_were_unregistered(poller):
    """The system may still write into the request of one that is gone, and its number comes again."""
    for _ in range(200):
        near, far = socket.socketpair()
        poller.register(near.fileno(), READ)
        assert poller.wait(0) == []
        poller.unregister(near.fileno())
        near.close()
        far.close()
    assert poller.wait(0.01) == []


def test_close_with_requests_pending(pairs):
    for _ in range(20):
        poller = IocpPoller()
        for near, _ in pairs:
            poller.register(near.fileno(), READ)
        assert poller.wait(0) == []
        poller.close()
    for near, far in pairs:
        far.send(b"!")
        assert near.recv(1) == b"!"


def test_wakes_do_not_pile_up(poller):
    for _ in range(10_000):
        poller.wake()
    assert poller.wait(None) == []
    poller.wake()
    assert poller.wait(None) == []
    assert poller.wait(0) == []
