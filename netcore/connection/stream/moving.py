"""A stream that changes its loop: what must be over before, and the one step by which it is the other's.

Whoever asks for something on another thread is counted from before he looks whose the connection is until
the loop has done it (``Pledges``), and a connection with such calls stays where it is. So nothing that was
asked for ever has to follow it, and the order of what one thread asks for is that of one loop's tasks.
"""

from __future__ import annotations

import abc

from netcore.connection.core import DIALLED, ENROLLED, NO_FIELDS, PLEDGING, State
from netcore.connection.stream.outbox import StreamHost
from netcore.connection.stream.upgrading import UpgradableHalves

__all__ = ["MovableHalves"]

_ORIGIN = DIALLED | ENROLLED


class MovableHalves(UpgradableHalves):
    """Both halves of a stream that may be given to another loop while it rests. The loop's thread."""

    __slots__ = NO_FIELDS

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is under way, so that it may change its loop.

        It is open both ways, neither paused nor congested, has nothing unread, nothing unsent, and no call
        that is not carried out, of its own thread or of another. It has no filter: what OpenSSL reads and
        writes in memory is its thread's (see ``Bios``). What the outbox has of it, and what is to be settled,
        the loop knows.
        """
        return (
            self.state is State.OPEN
            and self.ending is None
            and self.receiving
            and not self._flags & ~_ORIGIN
            and not self.inbound_buffered
            and self._backlog is None
            and self._filtering is None
            and not self._posted
            and not self.is_asked
        )

    def rehost(self, host: StreamHost) -> bool:
        """Makes it another loop's, which may use it from then on, unless something was asked of it just now.

        The lock for its descriptor is held. No signal handler and no finalizer comes in between the look and
        the step: there is no call between them.

        Returns:
            Whether it is that loop's.
        """
        before = self._host
        self.rebind(host)
        with PLEDGING:
            pledges = self._pledges
            if not self._posted and (pledges is None or (not pledges.calls and not pledges.asked)):
                self._host = host
                return True
        self.rebind(before)
        return False

    @abc.abstractmethod
    def rebind(self, host: StreamHost, /) -> None:
        """Reads from the inbox, and writes to the outbox, of another loop from now on."""
