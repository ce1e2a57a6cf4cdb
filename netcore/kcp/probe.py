"""Asking a peer without room whether it has some again, since the word that it has may be lost."""

from __future__ import annotations

__all__ = ["Probe"]

_FIRST_WAIT = 5_000
_LONGEST_WAIT = 120_000


class Probe:
    """Decides when to ask: after five seconds, then half as late again each time. Milliseconds.

    Attributes:
        at: When it asks next; None while there is no need.
    """

    def __init__(self) -> None:
        self.at: int | None = None
        self._wait = 0

    def look(self, is_needed: bool, now: int) -> bool:
        """Returns whether to ask now."""
        if not is_needed:
            self.at = None
            return False
        if self.at is None:
            self._wait = _FIRST_WAIT
            self.at = now + self._wait
            return False
        if now < self.at:
            return False
        self._wait = min(self._wait + self._wait // 2, _LONGEST_WAIT)
        self.at = now + self._wait
        return True
