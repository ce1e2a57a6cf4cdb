"""What a loop lets go of in a forked child: its own descriptors, all of them, and no others."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from netcore.testing import FakeSockets


class Noting(FakeSockets):
    """Keeps the numbers that it is told to close."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[int] = []

    def close(self, fds: list[int]) -> None:
        self.told += fds
        super().close(fds)


def test_a_listener_that_is_closed_is_not_closed_again(world: Callable[..., Any]) -> None:
    made = world(sockets=Noting)
    made.acceptor.close()
    made.sockets.told.clear()
    made.loop.abandon()
    assert made.sockets.told == []


def test_a_listener_is_closed(world: Callable[..., Any]) -> None:
    made = world(sockets=Noting)
    made.loop.abandon()
    assert made.sockets.told == [made.LISTENER]


def test_what_another_thread_has_handed_over_is_closed(world: Callable[..., Any]) -> None:
    made = world(sockets=Noting)
    near, far = socket.socketpair()
    with far:
        made.loop.hand_over(near.detach(), b"\0", made.acceptor.listener)
        made.loop.abandon()
        far.settimeout(5)
        assert far.recv(1) == b""
    assert made.loop.connection_count == 0


@pytest.mark.parametrize("closed", [True, False])
def test_a_datagram_listener_alike(world: Callable[..., Any], closed: bool) -> None:
    made = world(sockets=Noting)
    listener = made.loop.listen_for_datagrams(60, socket.AF_INET, made.acceptor.listener.address)
    made.sockets.attach(60)
    if closed:
        listener.close()
        made.sockets.told.clear()
    made.loop.abandon()
    assert (60 in made.sockets.told) is not closed
