"""What has to pass between the peers before a connection opens, one thing at a time."""

from __future__ import annotations

import errno

from netcore.connection import BaseCounters, BaseStream

__all__ = ["Phase"]


class Phase:
    """One thing that has to pass before a connection opens, such as a header or a handshake; sans-I/O.

    It bounds for itself how much it takes. It belongs to one connection, and is called on its loop's thread
    only.

    Attributes:
        timeout: Seconds that it may take.
        done: Whether it has passed. One that has from the start only says something, by its ``output``.
    """

    timeout: float
    done: bool

    def feed(self, data: bytes) -> bytes:
        """Takes what has come, split as the network has split it.

        Returns:
            Once it is done, the bytes behind what it has taken, which are the next one's; else ``b""``.

        Raises:
            Exception: It cannot pass. What output there is by then is offered to the kernel once, and the
                socket closed.
        """
        raise NotImplementedError

    def output(self) -> bytes:
        """Takes out the bytes that are to be sent by now; ``b""`` for none. Asked at the start, too."""
        return b""

    def prepare(self, conn: BaseStream) -> None:
        """Does to the connection, before its ``on_open``, what follows from this: puts a filter on, say."""

    # What becomes of it.

    def passed(self, counters: BaseCounters) -> None:
        """It is done. There may be a count of its own."""

    def failed(self, counters: BaseCounters) -> None:
        """It has not passed, by the peer's fault or for want of time."""

    def overdue(self) -> Exception:
        """Returns with what error the connection ends if the time is over."""
        text = "what has to pass before the connection opens took too long"
        return TimeoutError(errno.ETIMEDOUT, text)

    def left(self) -> Exception:
        """Returns with what error it ends if the peer has ended its stream before."""
        return ConnectionResetError(errno.ECONNRESET, "the peer left before the connection was open")
