"""The loop as its parts see it, and as those see it who bring connections about."""

from __future__ import annotations

import abc
from typing import Protocol

from netcore._machine import Machine
from netcore.connection import StreamHost
from netcore.eventloop.descriptors import Descriptors
from netcore.eventloop.shared import Shared
from netcore.eventloop.watchers import Watchers
from netcore.poll import Poller
from netcore.sockets import Sockets

__all__ = ["Site"]


class Site(StreamHost, Protocol):
    """What a part is given instead of the loop: no part needs another that it was not given by name.

    Attributes:
        shared: What the loop shares with its siblings.
        poller: The kernel's readiness interface; for this loop's thread.
        sockets: Batched I/O; for this loop's thread.
        stopping: Whether the loop takes no more connections.
        watchers: Who is told of descriptors that are no stream's.
        placing: Connections that a listener of this loop has given, and that no loop counts yet.
        machine: What it runs on.
        descriptors: The connected sockets, each of which is closed through this and has its place until then.
    """

    shared: Shared
    poller: Poller
    sockets: Sockets
    stopping: bool
    watchers: Watchers
    placing: int
    machine: Machine
    descriptors: Descriptors

    @abc.abstractmethod
    def look_again(self, due: float) -> None:
        """Has the poller tell what it knows, unless it was asked after that time, and serves it.

        For who is about to give up on a peer. Not inside a callback.
        """

    @abc.abstractmethod
    def receive_aside(self, fds: list[int]) -> list[int]:
        """Receives outside of a batch, whose arena it takes; see ``Sockets.receive``."""
