"""Numbers as people read them, short; None, what is not known, is a dash."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["count", "duration", "share", "size"]

_UNKNOWN = "-"


def count(number: float | None) -> str:
    """Writes how many there are, from ten thousand on by k, M and G."""
    if number is None:
        return _UNKNOWN
    return f"{number:.0f}" if number < 10_000 else _scaled(number, ("", "k", "M", "G"), 1000)


def size(number: float | None) -> str:
    """Writes bytes."""
    return _UNKNOWN if number is None else _scaled(number, ("B", "KiB", "MiB", "GiB", "TiB"), 1024)


def share(part: float | None) -> str:
    """Writes a part of one in per cent."""
    return _UNKNOWN if part is None else f"{100 * part:.0f}%"


def duration(seconds: float | None) -> str:
    """Writes seconds, from microseconds to days."""
    if seconds is None:
        return _UNKNOWN
    if seconds == 0:
        return "0"
    if seconds < 1:
        return _scaled(seconds * 1e6, ("us", "ms"), 1000)
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86400:.0f} d"


def _scaled(number: float, units: Sequence[str], step: int) -> str:
    last = units[-1]
    for unit in units:
        # What would be rounded up to a whole step is one of the next unit.
        if unit is last or number < step - 0.5:
            break
        number /= step
    digits = 0 if number >= 100 or number == int(number) else 1 if number >= 10 else 2
    return f"{number:.{digits}f} {unit}".rstrip()
