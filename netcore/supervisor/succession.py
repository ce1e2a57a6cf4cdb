"""What a supervisor does about the one that was here before it, and about the one that is to follow."""

from __future__ import annotations

import logging
import math
import selectors
import time
from collections.abc import Callable
from typing import Protocol

from netcore.address import Address
from netcore.supervisor.channel import Channel
from netcore.supervisor.fleet import Fleet
from netcore.supervisor.listeners import Listeners
from netcore.supervisor.takeover import Predecessor, Successor

__all__ = ["Spokesman", "Succession"]


class Spokesman(Protocol):
    """Who tells the service manager of this supervisor."""

    def begin(self) -> None:
        """This process is the main one from now on."""

    def hand_on(self, pid: int) -> None:
        """Another process is, unless ``keep`` follows."""

    def keep(self) -> None:
        """It has just ended: this one goes on."""

    def end(self) -> None:
        """The other one says from now on how the service is."""


class Succession:
    """Takes over from a predecessor, and hands over to a successor. The supervisor's thread.

    Args:
        predecessor: See there; None if there was none.
        fleet: What serves here.
        listeners: What is handed over.
        shown: Tells where processes are shown; None for nowhere.
        spokesman: See there.
        patience: Seconds that a successor which is given up has to end.
        selector: Where the channels are registered, with what is to be called as their data.
        stop: Does what SIGTERM does.
        logger: Where it is told what happens.

    Attributes:
        handed_over: Whether a successor has all that was this supervisor's.
    """

    def __init__(
        self,
        predecessor: Predecessor | None,
        fleet: Fleet,
        listeners: Listeners,
        shown: Callable[[], Address | None],
        spokesman: Spokesman,
        patience: float,
        selector: selectors.BaseSelector,
        stop: Callable[[], object],
        logger: logging.Logger,
    ) -> None:
        self._predecessor = predecessor
        self._successor: Successor | None = None
        self._fleet = fleet
        self._listeners = listeners
        self._shown = shown
        self._spokesman = spokesman
        self._patience = patience
        self._selector = selector
        self._stop = stop
        self._logger = logger
        self.handed_over = False
        self._said_taken = False
        self._again = False
        self._kill_at = math.inf
        self._killed = False
        if predecessor is None:
            spokesman.begin()
        else:
            selector.register(predecessor.channel, selectors.EVENT_READ, self._hear_predecessor)

    @property
    def due(self) -> float:
        """When ``step`` is to be called though nothing happens; infinite for never."""
        return self._kill_at

    @property
    def has_taken_over(self) -> bool:
        """Whether there is no predecessor, or not any more."""
        return self._predecessor is None

    @property
    def over(self) -> bool:
        """Whether there is nobody whose end is to be waited for."""
        return self._successor is None

    def upgrade(self) -> None:
        """Starts a successor; one that is on its way is given up for it."""
        if self._fleet.ending or self._predecessor is not None:
            self._logger.warning("no new supervisor is started: this one has not taken over, or ends")
        elif self._successor is not None:
            self._logger.info("the new supervisor (%d) is given up for another one", self._successor.pid)
            self._again = True
            self._part(Successor.give_up)
        else:
            self._start()

    def stop(self) -> None:
        """Stops a successor that has not taken over."""
        self._again = False
        if self._successor is not None:
            self._part(Successor.stop)

    def step(self) -> None:
        """Does what is due."""
        if self._predecessor is not None and self._fleet.complete and not self._said_taken:
            self._said_taken = True
            self._predecessor.taken()
        if time.monotonic() >= self._kill_at and self._successor is not None:
            self._kill_at = math.inf
            self._logger.critical(
                "the new supervisor (%d) has not ended in time: it is killed", self._successor.pid
            )
            self._successor.kill()
        self._bury()

    def close(self) -> None:
        """Lets go of both; of a successor that has not taken over nothing is left."""
        if self._successor is not None:
            self._successor.kill()
            self._successor.wait()
            self._forget_successor()
        if self._predecessor is not None:
            self._forget_predecessor()

    # The one that is to follow.

    def _start(self) -> None:
        try:
            self._successor = successor = Successor(self._listeners.everything(), self._shown())
        except OSError as error:
            self._logger.error("a new supervisor cannot be started, and this one stays: %s", error)
            return
        self._selector.register(successor.channel, selectors.EVENT_READ, self._hear_successor)
        self._logger.info("a new supervisor (%d) is to take over", successor.pid)

    def _part(self, how: Callable[[Successor], object]) -> None:
        assert self._successor is not None
        how(self._successor)
        self._kill_at = min(self._kill_at, time.monotonic() + self._patience)

    def _hear_successor(self) -> None:
        successor = self._successor
        if successor is None:
            return
        try:
            taken = successor.hear()
        except EOFError:
            self._deafen(successor.channel)
            return
        if taken and self._kill_at == math.inf and not self._fleet.ending:
            self._hand_over(successor)

    def _hand_over(self, successor: Successor) -> None:
        self._spokesman.hand_on(successor.pid)  # first: what it says itself counts only from then on
        if not successor.hand_over():
            self._spokesman.keep()
            return
        self._logger.info("the new supervisor (%d) serves, and this one ends", successor.pid)
        self._spokesman.end()
        self._listeners.hand_on()
        self._forget_successor()
        self.handed_over = True
        self._fleet.retire_all()

    def _bury(self) -> None:
        successor = self._successor
        status = successor.status() if successor is not None else None
        if successor is None or status is None:
            return
        self._forget_successor()
        if self._fleet.ending:
            return
        if self._again:
            self._again = False
            self._start()
        else:
            self._logger.error("the new supervisor has ended with status %d, and this one stays", status)

    def _forget_successor(self) -> None:
        assert self._successor is not None
        self._deafen(self._successor.channel)
        self._successor.close()
        self._successor = None
        self._kill_at = math.inf

    # The one that was here before.

    def _hear_predecessor(self) -> None:
        if self._predecessor is None:
            return
        try:
            for word in self._predecessor.hear():
                if word == "yours":
                    self._forget_predecessor()
                    self._spokesman.begin()
                    return
                if word == "give_up":
                    self._fleet.retire_all()
                elif word == "stop":
                    self._stop()
        except EOFError:
            self._logger.error("the supervisor before this one has ended too early: so does this one")
            self._forget_predecessor()
            self._stop()

    def _forget_predecessor(self) -> None:
        assert self._predecessor is not None
        self._deafen(self._predecessor.channel)
        self._predecessor.close()
        self._predecessor = None

    def _deafen(self, channel: Channel) -> None:
        if channel.fileno() in self._selector.get_map():
            self._selector.unregister(channel)
