"""What may stand between the sockets and a stream: it turns bytes into bytes, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netcore.sockets import Chunk

__all__ = ["Filter"]


class Filter(Protocol):
    """Bytes of the peer in, bytes of the application out, and the other way round; sans-I/O.

    "Raw" is what crosses the network, "plain" what the application reads and writes. Nothing above or below a
    filter knows whether it is there: order, bounds, water marks, deadlines and half-close are those of any
    stream, and count raw bytes. It belongs to one connection, and is called on its loop's thread only. What
    is wrong it tells by ``failure``; what a method raises is a fault of its own, and resets the connection.
    """

    @property
    def ended(self) -> bool:
        """Whether the peer has ended its direction in the filter's own way.

        To the application that is the end of the stream, and what follows it is never fed.
        """

    @property
    def held(self) -> int:
        """Plain bytes that ``wrap`` has taken and that no output contains yet, as before a handshake is done.

        An end that ``finish`` has asked for and that cannot be said yet counts as one. While there are any
        the peer is listened to, whatever the application wants, since only its bytes can set them free.
        """

    @property
    def failure(self) -> Exception | None:
        """What is wrong with the bytes that were fed, or None.

        What output there is by then leaves, the connection ends, and its ``on_close`` gets this. Nothing is
        fed or wrapped after that.
        """

    def feed(self, data: memoryview) -> bytes:
        """Takes raw bytes that have come, split as the network has split them.

        It may hold some back until more comes, and may have output afterwards.

        Args:
            data: Valid during the call only.

        Returns:
            The plain bytes that have become known; ``b""`` for none. They are delivered, too, if a
            ``failure`` or the peer's end was found behind them.
        """

    def wrap(self, chunks: Sequence[Chunk]) -> None:
        """Takes plain bytes to be sent: all that a turn has written, in order."""

    def finish(self) -> None:
        """Ends this side's direction, in the filter's own way; nothing is wrapped after that."""

    def output(self) -> bytes:
        """Takes out the raw bytes that are to be sent by now; ``b""`` for none."""

    def end_of_stream(self) -> Exception | None:
        """Judges an end of the network's stream that came before ``ended``.

        Returns:
            What is wrong with it, such as that the last bytes may be missing; None if it is an end like
            another.
        """
