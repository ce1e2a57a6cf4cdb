"""Those who ask, a few at a time: whoever is of no use for longest leaves when somebody else comes."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress

from netcore.admin.answers import Answer, Request
from netcore.admin.limits import AdminLimits
from netcore.admin.visitor import Doing, Visitor

__all__ = ["Lobby"]

_ACCEPTS = 16
"""Connections accepted in a row."""

_PAUSE = 1.0
"""Seconds until it accepts again when it could not, as for want of descriptors."""


class Lobby:
    """Accepts connections and serves them, one round after the other, on one thread.

    Args:
        listener: Non-blocking; it stays the caller's.
        respond: Makes an answer, without raising.
        limits: What strangers may take.
        clock: Seconds that never go back.
        complain: Is told of an error of accept(2).

    Raises:
        OSError: No descriptor is left.
    """

    def __init__(
        self,
        listener: socket.socket,
        respond: Callable[[Request], Answer],
        limits: AdminLimits,
        clock: Callable[[], float],
        complain: Callable[[OSError], object],
    ) -> None:
        self._listener = listener
        self._respond = respond
        self._limits = limits
        self._clock = clock
        self._complain = complain
        self._visitors: dict[Visitor, int] = {}  # and the events that are waited for
        self._due: set[Visitor] = set()
        self._closed_until: float | None = None
        self._selector = selectors.DefaultSelector()
        try:
            self._waker, self._woken = socket.socketpair()
        except OSError:
            self._selector.close()
            raise
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)

    @property
    def visitors(self) -> list[Visitor]:
        """Those who are there."""
        return list(self._visitors)

    def wake(self) -> None:
        """Ends the wait of a round, and of all that follow. Any thread."""
        with suppress(OSError):
            self._waker.send(b"\0")

    def round(self) -> None:
        """Waits for what is next, and deals with it: at most one answer for each who is there."""
        due, self._due = self._due, set()
        for key, _ in self._selector.select(0 if due else self._patience()):
            if isinstance(key.fileobj, Visitor):
                due.add(key.fileobj)
            elif key.fileobj is self._listener:
                due.update(self._accept())
        for visitor in due & self._visitors.keys():
            self._serve(visitor)
        now = self._clock()
        for visitor in self.visitors:
            if visitor.deadline <= now:
                self._dismiss(visitor)
        if self._closed_until is not None and self._closed_until <= now:
            self._closed_until = None
            self._selector.register(self._listener, selectors.EVENT_READ)

    def close(self) -> None:
        """Closes everything but the listener."""
        for visitor in self.visitors:
            visitor.close()
        self._visitors.clear()
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def _patience(self) -> float | None:
        """Seconds until the first deadline; None if there is none."""
        times = [visitor.deadline for visitor in self._visitors]
        if self._closed_until is not None:
            times.append(self._closed_until)
        return max(min(times) - self._clock(), 0) if times else None

    def _accept(self) -> list[Visitor]:
        """Takes those in who have come, and returns them: mostly they have asked already."""
        come: list[Visitor] = []
        for _ in range(min(_ACCEPTS, self._limits.connections)):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                break
            except OSError as error:
                self._complain(error)
                self._closed_until = self._clock() + _PAUSE
                self._selector.unregister(self._listener)
                break
            sock.setblocking(False)
            if len(self._visitors) >= self._limits.connections:
                self._dismiss(min(self._visitors, key=_use))
            visitor = Visitor(sock, self._respond, self._limits, self._clock)
            self._visitors[visitor] = selectors.EVENT_READ
            self._selector.register(visitor, selectors.EVENT_READ)
            come.append(visitor)
        return come

    def _serve(self, visitor: Visitor) -> None:
        if visitor.step():
            self._due.add(visitor)
        if visitor.doing is Doing.GONE:
            self._dismiss(visitor)
            return
        events = selectors.EVENT_WRITE if visitor.doing is Doing.TAKING else selectors.EVENT_READ
        if events != self._visitors[visitor]:
            self._visitors[visitor] = events
            self._selector.modify(visitor, events)

    def _dismiss(self, visitor: Visitor) -> None:
        del self._visitors[visitor]
        self._due.discard(visitor)
        self._selector.unregister(visitor)
        visitor.close()


def _use(visitor: Visitor) -> tuple[int, float]:
    return visitor.doing.value, visitor.since
