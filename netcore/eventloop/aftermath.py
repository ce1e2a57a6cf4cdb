"""The end of a turn: what was written leaves, and everything draws the consequences."""

from __future__ import annotations

from collections.abc import Callable

from netcore.connection import BaseOutbox, Payer, Settling
from netcore.eventloop.departures import Departures

__all__ = ["Aftermath"]

_ROUNDS = 16
"""How often in one turn the consequences may have consequences; what has more goes on in the next turn."""


class Aftermath:
    """What has something to do at the end of the turn. On the loop's thread.

    Args:
        outbox: What is sent first.
        departures: Those that are closed last.
        charge: Has one pay for its own consequences; see ``Host.charge``.

    Attributes:
        unsettled: What ``settle`` is to call, in that order; see ``Host.settle_later``.
        postponed: What it is to call in the next turn; see ``Host.settle_next_turn``.
    """

    def __init__(
        self,
        outbox: BaseOutbox,
        departures: Departures,
        charge: Callable[[Payer | None, BaseException], object],
    ) -> None:
        self._outbox = outbox
        self._charge = charge
        self._departures = departures
        self.unsettled: dict[Settling, None] = {}
        self.postponed: dict[Settling, None] = {}

    def settle(self) -> None:
        """Sends what was written, draws the consequences, and repeats while these write more."""
        self._outbox.flush()
        for _ in range(_ROUNDS):
            if not self.unsettled:
                break
            self._settle_once()
        if self.postponed:
            self.unsettled.update(self.postponed)
            self.postponed.clear()

    def settle_all(self) -> None:
        """Does so until nothing is left, since there is no next turn."""
        self.settle()
        while self.unsettled:
            self._settle_once()
        self.postponed.clear()

    def _settle_once(self) -> None:
        outbox = self._outbox
        unsettled, self.unsettled = self.unsettled, {}
        rest = iter(unsettled)
        each: Settling | None = None
        while True:
            try:
                for each in rest:
                    # What on_writable of the one before has written must not come after a FIN.
                    if outbox.size or outbox.producers:
                        outbox.flush()
                    each.settle()
                break
            except BaseException as error:
                self._charge(each, error)
        self._departures.bury()
        outbox.flush()

    def clear(self) -> None:
        """Forgets everything, in a forked child."""
        self.unsettled.clear()
        self.postponed.clear()
