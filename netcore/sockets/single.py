"""One socket at a time: what a turn of a single busy connection is made of, without the lists of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from netcore._overriding import stands_for
from netcore.sockets.protocol import Chunk, Sockets, Transport

__all__ = ["SingleSockets", "receive_one_of", "send_one_of"]


class SingleSockets(Sockets, Protocol):
    """Sockets that can do the same as ``receive`` and ``send`` for one socket at a lower price."""

    def receive_one(self, fd: int) -> int:
        """Does what ``receive([fd])`` does, and returns its only result."""

    def send_one(self, fd: int, chunk: Chunk) -> int:
        """Does what ``send([fd], [chunk])`` does.

        Returns:
            0 if all was sent, the number of bytes that were not, or a negative errno.
        """


def receive_one_of(sockets: Sockets) -> Callable[[int], int]:
    """Returns the sockets' ``receive_one``, or one made of their ``receive``."""
    if stands_for("receive_one", "receive", type(sockets)):
        return cast("SingleSockets", sockets).receive_one
    return lambda fd: sockets.receive([fd])[0]


def send_one_of(sockets: Transport) -> Callable[[int, Chunk], int]:
    """Returns the sockets' ``send_one``, or one made of their ``send``."""
    if stands_for("send_one", "send", type(sockets)):
        return cast("SingleSockets", sockets).send_one

    def send_one(fd: int, chunk: Chunk) -> int:
        exceptions = sockets.send([fd], [chunk])
        return exceptions[0][1] if exceptions else 0

    return send_one
