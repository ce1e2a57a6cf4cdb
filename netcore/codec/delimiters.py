"""Where a delimiter is: the first of several, whole or begun."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["LINE_ENDS", "Delimiters"]

LINE_ENDS = (b"\n", b"\r\n")
"""What ends a line: LF, which absorbs one CR before it."""

_Span = tuple[int, int]


class Delimiters:
    """A set of delimiters. Any thread may use it; it keeps no state.

    The one that begins first counts, so that the frame before it is as short as can be, and of two that
    begin at the same place the shorter one. Where a delimiter has another one inside, the inner one has to
    wait until it is clear that the outer one is not coming: that keeps results from depending on how the
    stream is cut. No other delimiter ever waits.

    Attributes:
        shortest_first: The delimiters, without repetition, by length.
        longest: Bytes of the longest one.
        nested: Whether one has another one inside, neither at its beginning nor at its end.
    """

    __slots__ = ("_find", "_outer", "longest", "nested", "shortest_first")

    def __init__(self, delimiters: Sequence[bytes]) -> None:
        """Prepares the search.

        Raises:
            ValueError: There is no delimiter, or an empty one.
        """
        if not delimiters or not all(delimiters):
            raise ValueError("there must be a delimiter, and none may be empty")
        self.shortest_first: tuple[bytes, ...] = tuple(
            sorted(set(delimiters), key=lambda delimiter: (len(delimiter), delimiter))
        )
        self.longest: int = len(self.shortest_first[-1])
        self._outer = [
            outer
            for outer in self.shortest_first
            if any(inner in outer[1:-1] for inner in self.shortest_first)
        ]
        self.nested: bool = bool(self._outer)
        self._find = self._choose()

    def _choose(self) -> Callable[[bytes | bytearray, int], _Span | None]:
        if len(self.shortest_first) == 1:
            return self._find_only
        if self.shortest_first == LINE_ENDS:
            return _find_line_end
        find = re.compile(b"|".join(map(re.escape, self.shortest_first))).search

        def find_any(data: bytes | bytearray, at: int) -> _Span | None:
            match = find(data, at)
            return None if match is None else match.span()

        return find_any

    def _find_only(self, data: bytes | bytearray, at: int) -> _Span | None:
        lo = data.find(self.shortest_first[0], at)
        return None if lo < 0 else (lo, lo + self.longest)

    def search(self, data: bytes | bytearray, at: int, final: bool = False) -> _Span | None:
        """Finds the first delimiter.

        Args:
            data: What to search.
            at: From where on; a place where a frame begins, or no delimiter has begun before it.
            final: Whether nothing follows the data, so that there is nothing to wait for.

        Returns:
            Where it begins and ends; None if there is none that is whole and need not wait.
        """
        span = self._find(data, at)
        if span is not None and self._outer and not final and _begun(data, at, span[0], self._outer):
            return None
        return span

    def begun(self, data: bytes | bytearray, lo: int, hi: int) -> bool:
        """Whether a delimiter begins in ``[lo, hi)`` that goes on beyond the end of the data."""
        return _begun(data, lo, hi, self.shortest_first)


def _find_line_end(data: bytes | bytearray, at: int) -> _Span | None:
    lo = data.find(b"\n", at)
    if lo < 0:
        return None
    return (lo - 1 if lo > at and data[lo - 1] == 13 else lo), lo + 1


def _begun(data: bytes | bytearray, lo: int, hi: int, delimiters: Sequence[bytes]) -> bool:
    size = len(data)
    return any(
        data.startswith(delimiter[: size - start], start)
        for delimiter in delimiters
        for start in range(max(lo, size - len(delimiter) + 1), min(hi, size))
    )
