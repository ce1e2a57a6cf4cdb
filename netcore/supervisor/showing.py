"""The admin server of a supervisor, and the questions that it puts to the processes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from netcore.address import Address
from netcore.engine.eyes import Eyes, open_overview
from netcore.supervisor.channel import Message
from netcore.supervisor.fleet import Fleet
from netcore.supervisor.inquiries import Inquiries
from netcore.supervisor.overview import Overview

__all__ = ["Showing"]

_AGAIN = 0.05
"""Seconds until an address is tried again that a predecessor may still have."""

_LONG = 1.0
"""Seconds after which it is said that it is not to be had."""


class Showing:
    """Shows all processes on one address, if there is one. The supervisor's thread.

    Args:
        address: Where; empty for nowhere.
        fleet: What is shown.
        wake: Has the supervisor's thread call ``pass_on``. Any thread.
        clock: Seconds that never go back.
        logger: Where it is told what happens.
        delay: See ``Overview``.
    """

    def __init__(
        self,
        address: str | Address,
        fleet: Fleet,
        wake: Callable[[], object],
        clock: Callable[[], float],
        logger: logging.Logger,
        delay: float = 0.0,
    ) -> None:
        self._address = address
        self._clock = clock
        self._logger = logger
        self._inquiries = Inquiries(wake)
        self._overview = Overview(fleet, self._inquiries.ask, clock, delay)
        self._eyes: Eyes | None = None
        self._due = -math.inf if address else math.inf
        self._tried_since: float | None = None

    @property
    def address(self) -> Address | None:
        """Where it is, with the real port once it is there; None for nowhere. Any thread."""
        if self._eyes is not None:
            return self._eyes.address
        return Address.parse(self._address) if self._address else None

    @property
    def due(self) -> float:
        """When ``open_again`` is to be called; infinite for never."""
        return self._due

    def follow(self, shown: str) -> None:
        """Shows where the predecessor does, if any port would do.

        Args:
            shown: Its address; empty for none.
        """
        if shown and self._address:
            there = Address.parse(shown)
            if replace(there, port=0) == Address.parse(self._address):
                self._address = there

    def open(self) -> None:
        """Begins to show, if that is wanted.

        Raises:
            OSError: The address cannot be bound.
        """
        if self._address:
            self._eyes = open_overview(self._overview, self._address, self._logger)
            self._due = math.inf
            self._logger.info("the processes are shown on %s", self._eyes.address)

    def open_again(self) -> None:
        """Does so, if it is due, once the predecessor has left the address."""
        now = self._clock()
        if now < self._due:
            return
        if self._tried_since is None:
            self._tried_since = now
        self._due = now + _AGAIN
        try:
            self.open()
        except OSError as error:
            if now - self._tried_since >= _LONG:
                self._due = now + _LONG
                self._logger.warning("the processes cannot be shown yet: %s", error)

    def pass_on(self, pids: Iterable[int], send: Callable[[int, Message], bool]) -> None:
        """See ``Inquiries.pass_on``."""
        self._inquiries.pass_on(pids, send)

    def answered(self, pid: int, message: Message) -> None:
        """A process has answered."""
        self._inquiries.answered(pid, message)

    def gone(self, pid: int) -> None:
        """A process has ended."""
        self._inquiries.gone(pid)

    def close(self) -> None:
        """Shows no more."""
        self._due = math.inf
        if self._eyes is not None:
            self._eyes.close()
