"""TCP keep-alive: questions to a peer that has been silent for long; tcp(7).

As long as it is certain that each is answered, none is asked, so that days of silence cost nothing. What
makes it uncertain wakes who relies on it: a cut or another kind of line, and the end of the other end.
"""

from __future__ import annotations

import errno
from typing import Protocol

from netcore.testing.simulation.net.links import Path
from netcore.testing.simulation.net.losses import DOWN, note_lost
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.scheduler import Planned

__all__ = ["KeepAlive"]


class End(Protocol):
    """One end of a connection, as keep-alive sees it.

    Attributes:
        kernel: Where it is.
        line_out: The way to the peer.
        line_in: The way from the peer.
        user_timeout: Seconds of silence, once it was asked, after which the peer is given up whatever the
            count says; 0 for none.
    """

    kernel: Ground
    line_out: Path
    line_in: Path
    user_timeout: float

    @property
    def flow_in(self) -> str:
        """What the connection is called by the peer, in the trace."""

    def silent_since(self) -> float | None:
        """When the peer was heard last, in virtual seconds; None while it owes an answer to bytes."""

    def ask_peer(self, answer: KeepAlive) -> None:
        """Called on the peer's side, when the question is there."""

    def rely(self, keep_alive: KeepAlive) -> float | None:
        """Has keep-alive be woken once the peer may not answer.

        Returns:
            Seconds until each answer; None, and nothing happens, if it is not certain now.
        """

    def rely_no_more(self, keep_alive: KeepAlive) -> None:
        """Ends that."""

    def give_up(self, code: int, cause: int = -1) -> None:
        """Called when the peer does not answer."""


class KeepAlive:
    """The questions of one end.

    Args:
        end: Whose.
        idle: Seconds of silence before the first question.
        interval: Seconds between two.
        count: How many stay without an answer until the peer is given up.
    """

    __slots__ = (
        "_asleep",
        "_count",
        "_end",
        "_fell_asleep",
        "_heard",
        "_idle",
        "_interval",
        "_silence",
        "_timer",
        "_unanswered",
    )

    def __init__(self, end: End, idle: float, interval: float, count: int) -> None:
        self._end = end
        self._idle = idle
        self._interval = interval
        self._count = count
        self._unanswered = 0
        self._asleep = False  # and if so, since when, and how long each silence is
        self._fell_asleep = self._silence = 0.0
        scheduler = end.kernel.scheduler
        self._heard = scheduler.now
        self._timer: Planned | None = scheduler.call_later(idle, self._look)

    def stop(self) -> None:
        """Asks no more."""
        self._rise()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        """Tells that it is not certain any more that the peer answers: the next question is asked indeed."""
        if not self._asleep:
            return
        self._rise()
        scheduler = self._end.kernel.scheduler
        now, heard = scheduler.now, self._end.silent_since()
        if heard is None:
            question = now + self._idle
        else:
            question = heard + self._idle if heard > self._fell_asleep else self._fell_asleep
            if question <= now:  # each answer was the beginning of another silence
                question += ((now - question) // self._silence + 1) * self._silence
            self._heard = question - self._idle
        self._timer = scheduler.call_at(question, self._look)

    def _rise(self) -> None:
        if self._asleep:
            self._asleep = False
            self._end.rely_no_more(self)

    def answered(self, line: Path) -> None:
        """Tells that the peer's answer is there, or would be if the way was not cut."""
        end = self._end
        if line.cut:
            note_lost(end.kernel, line, end.flow_in, "answer to keep-alive")
        elif end.kernel.network.running(line.target) is None:
            note_lost(end.kernel, line, end.flow_in, "answer to keep-alive", -1, DOWN)
        else:
            self._heard = self._end.kernel.scheduler.now
            self._unanswered = 0

    def _look(self) -> None:
        end = self._end
        scheduler = end.kernel.scheduler
        self._timer = None
        if not end.kernel.alive:
            return
        heard = end.silent_since()
        if heard is None:  # then a retransmission timer runs
            self._timer = scheduler.call_later(self._idle, self._look)
            return
        if heard > self._heard:
            self._heard = heard
            self._unanswered = 0
        quiet_until = self._heard + self._idle
        if scheduler.now < quiet_until:
            self._timer = scheduler.call_at(quiet_until, self._look)
            return
        limit = end.user_timeout
        if self._unanswered and (
            scheduler.now >= self._heard + limit if limit else self._unanswered >= self._count
        ):
            end.give_up(errno.ETIMEDOUT)
            return
        round_trip = None if self._unanswered else end.rely(self)
        if round_trip is not None:
            self._asleep = True
            self._fell_asleep, self._silence = scheduler.now, self._idle + round_trip
            return
        self._unanswered += 1
        end.ask_peer(self)
        self._timer = scheduler.call_later(self._interval, self._look)
