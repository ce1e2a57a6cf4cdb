"""One connection of an admin server: its socket, and the time that it has."""

from __future__ import annotations

import enum
import socket
from collections.abc import Callable

from netcore._platform import NO_SIGNAL
from netcore.admin.answers import Answer, Request
from netcore.admin.exchange import Exchange
from netcore.admin.limits import AdminLimits

__all__ = ["Doing", "Visitor"]

_CHUNK = 16384
"""Bytes received at a time, all that is kept of what was sent ahead."""

_DRAINED = 1 << 20
"""Bytes thrown away, at most, of a peer that goes on sending after its last answer."""


class Doing(enum.Enum):
    """What a visitor does. Where there is no room, those leave first that do the first of these."""

    LINGERING = 0
    IDLE = 1
    ASKING = 2
    TAKING = 3
    GONE = 4
    """It is to be closed."""


class Visitor:
    """Serves one connection, without ever waiting for it.

    Args:
        sock: Connected; owned from now on.
        respond: Makes an answer, without raising.
        limits: What it may take.
        clock: Seconds that never go back.

    Attributes:
        doing: What it does.
        since: Since when.
        deadline: Until when it may.
    """

    def __init__(
        self,
        sock: socket.socket,
        respond: Callable[[Request], Answer],
        limits: AdminLimits,
        clock: Callable[[], float],
    ) -> None:
        self._sock = sock
        self._limits = limits
        self._clock = clock
        self._exchange = Exchange(respond, limits.head)
        self._out = memoryview(b"")
        self._drained = 0
        self._times = {
            Doing.LINGERING: limits.linger_time,
            Doing.IDLE: limits.idle_time,
            Doing.ASKING: limits.request_time,
            Doing.TAKING: limits.answer_time,
        }
        self._begin(Doing.IDLE)

    def fileno(self) -> int:
        """Returns the socket's descriptor, for a selector; -1 once it is closed."""
        return self._sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether it waits for room rather than for bytes."""
        return self.doing is Doing.TAKING

    def step(self) -> bool:
        """Does what can be done at once, at most one answer.

        Returns:
            Whether there may be another one to be made of what is here already.
        """
        try:
            return self._step()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:  # it has gone, or is reset
            self.doing = Doing.GONE
            return False

    def close(self) -> None:
        """Closes the socket. Idempotent."""
        self._sock.close()

    def _step(self) -> bool:
        if self.doing is Doing.LINGERING:
            self._drain()
            return False
        if self.doing is not Doing.TAKING:
            self._ask()
        while self._out:
            self._out = self._out[self._sock.send(self._out, NO_SIGNAL) :]
        if self._exchange.over:
            self._sock.shutdown(socket.SHUT_WR)
            self._begin(Doing.LINGERING)
        elif self.doing is Doing.TAKING:
            self._begin(Doing.ASKING if self._exchange.begun else Doing.IDLE)
            return self._exchange.begun
        return False

    def _ask(self) -> None:
        """Makes an answer of what is here, or else of what can be received."""
        answer = self._exchange.advance()
        if not answer and not self._exchange.over:
            self._exchange.feed(self._sock.recv(_CHUNK))
            answer = self._exchange.advance()
        if answer:
            self._out = memoryview(answer)
            self._begin(Doing.TAKING)
        elif self.doing is Doing.IDLE and self._exchange.begun:
            self._begin(Doing.ASKING)

    def _drain(self) -> None:
        data = self._sock.recv(_CHUNK)
        self._drained += len(data)
        if not data or self._drained > _DRAINED:
            self.doing = Doing.GONE

    def _begin(self, doing: Doing) -> None:
        self.doing = doing
        self.since = self._clock()
        self.deadline = self.since + self._times[doing]
