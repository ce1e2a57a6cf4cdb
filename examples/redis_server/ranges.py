"""Ranges of positions, as the commands on lists and sorted sets take them."""

from __future__ import annotations


def absolute_range(first: int, last: int, size: int) -> tuple[int, int]:
    """Translate to Python's terms: from start to before stop, with 0 <= start <= stop <= size.

    Args:
        first: the first position; a negative one counts from the end.
        last: the last position, itself included; likewise.
        size: how many positions there are.
    """
    start = max(first + size, 0) if first < 0 else min(first, size)
    last = last + size if last < 0 else last
    return start, max(min(last + 1, size), start)
