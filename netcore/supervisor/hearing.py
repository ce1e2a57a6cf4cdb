"""What processes say, and that they end."""

from __future__ import annotations

import logging
import math
import selectors
import time
from collections.abc import Callable
from functools import partial

from netcore._signals import hears_signals
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.processes import Processes

__all__ = ["Hearing"]

_logger = logging.getLogger("netcore")

_LOOK = 0.02
"""Seconds between two looks for the end of a process that has closed its channel: its last moment."""

_LOOK_UNASKED = 0.5
"""Seconds between two looks at all of them, where no signal tells of an end."""


class Hearing:
    """Listens to the channels of all processes. The supervisor's thread.

    Args:
        processes: Whom it listens to.
        selector: Where their channels are registered, with what is to be called as their data.
        tell: Is told the pid and what was said.
    """

    def __init__(
        self,
        processes: Processes,
        selector: selectors.BaseSelector,
        tell: Callable[[int, Message], object],
    ) -> None:
        self._processes = processes
        self._selector = selector
        self._tell = tell
        self._open: dict[int, Channel] = {}
        self._closed: set[int] = set()
        # Only the main thread takes signals, SIGCHLD among them.
        self._signalled = hears_signals()

    @property
    def due(self) -> float:
        """When ``Processes.ended`` is to be asked though nothing happens; infinite for never."""
        if self._closed:
            return time.monotonic() + _LOOK
        return math.inf if self._signalled else time.monotonic() + _LOOK_UNASKED

    def follow(self) -> None:
        """Begins to listen to those that were started."""
        for pid, running in self._processes.running.items():
            if pid not in self._open and pid not in self._closed:
                self._open[pid] = running.channel
                self._selector.register(running.channel, selectors.EVENT_READ, partial(self._hear, pid))

    def bury(self, pid: int) -> str:
        """Hears what one has said before it ended, and returns what it has left behind."""
        self.follow()
        while (channel := self._open.get(pid)) is not None:
            if channel.has_something():
                self._hear(pid)
            else:  # a fork of it lives on, and has the other end
                self._deafen(pid)
        self._closed.discard(pid)
        return self._processes.bury(pid)

    def _hear(self, pid: int) -> None:
        channel = self._open.get(pid)
        if channel is None:
            return
        try:
            for message in channel.receive():
                self._tell(pid, message)
        except EOFError:
            self._deafen(pid)
        except (ValueError, TypeError, KeyError):  # the application has written to what is not its own
            _logger.exception("process %d says what nobody understands, and is not heard any more", pid)
            self._deafen(pid)

    def _deafen(self, pid: int) -> None:
        self._selector.unregister(self._open.pop(pid))
        self._closed.add(pid)
