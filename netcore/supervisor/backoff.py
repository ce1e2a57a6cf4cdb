"""How long to wait before a process is started again that has died young."""

from __future__ import annotations

__all__ = ["YOUNG", "BackOff"]

YOUNG = 10.0
"""Seconds of service: who dies before has not been well from the beginning, however long its boot took."""

_FIRST = 0.25
_LONGEST = 30.0


class BackOff:
    """Doubles the delay with each one that has died young, up to half a minute."""

    def __init__(self) -> None:
        self._deaths = 0

    def delay(self, served: float) -> float:
        """Returns the seconds to wait after the death of one that has served so many seconds."""
        if served >= YOUNG:
            self.reset()
            return 0.0
        self._deaths += 1
        return float(min(_FIRST * 2 ** min(self._deaths - 1, 20), _LONGEST))

    def reset(self) -> None:
        """Begins anew."""
        self._deaths = 0
