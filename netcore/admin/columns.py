"""The columns of ``netcore top``, rows in their order, and both as plain text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from netcore._complaints import plain
from netcore.admin.figures import count, duration, share, size
from netcore.admin.rates import Row

__all__ = ["COLUMNS", "Column", "Order", "lines_of", "ordered", "texts_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Of the field of ``Row``, and of the flag that sorts by it.
        title: Above it.
        key: The key that sorts by it.
        write: Makes text of a value.
        low_first: Whether the lowest is the first of interest.
        is_text: Whether it begins at the left.
    """

    name: str
    title: str
    key: str
    write: Callable[[Any], str]
    low_first: bool = False
    is_text: bool = False


COLUMNS = (
    Column("process", "PROCESS", "p", plain, low_first=True, is_text=True),
    Column("loop", "LOOP", "l", str, low_first=True),
    Column("state", "STATE", "s", plain, low_first=True, is_text=True),
    Column("connections", "CONNS", "c", count),
    Column("messages", "MSG/S", "m", count),
    Column("received", "IN/S", "i", size),
    Column("sent", "OUT/S", "o", size),
    Column("turn", "TURN P50", "h", duration),
    Column("slow_turn", "P99", "t", duration),
    Column("busy", "BUSY", "b", share),
    Column("stuck", "IN TURN", "u", duration),
    Column("errors", "ERRORS", "e", count),
    Column("age", "AGE", "a", duration),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """How rows are sorted.

    Attributes:
        column: By which column.
        reverse: The other way round than it is of interest.
    """

    column: Column = COLUMNS[0]
    reverse: bool = False

    def after(self, key: str) -> Order:
        """Returns the order that a key asks for; this one if it is no column's."""
        if key == "r":
            return Order(self.column, not self.reverse)
        found = next((column for column in COLUMNS if column.key == key), None)
        if found is None:
            return self
        return Order(found, not self.reverse if found is self.column else False)


def ordered(rows: Iterable[Row], order: Order) -> list[Row]:
    """Sorts rows; what is not known comes last."""
    name = order.column.name
    found = sorted(rows, key=lambda row: (_natural(row.process), row.loop))
    known = [row for row in found if getattr(row, name) is not None]
    unknown = [row for row in found if getattr(row, name) is None]
    known.sort(key=lambda row: _natural(getattr(row, name)), reverse=order.column.low_first is order.reverse)
    return known + unknown


def lines_of(rows: Iterable[Row]) -> list[str]:
    """Makes lines of plain text, the first of titles."""
    cells = [[column.title for column in COLUMNS], *map(texts_of, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if column.is_text else text.rjust(width)
            for text, width, column in zip(line, widths, COLUMNS, strict=True)
        ).rstrip()
        for line in cells
    ]


def texts_of(row: Row) -> list[str]:
    """Returns what stands in each column."""
    return [column.write(getattr(row, column.name)) for column in COLUMNS]


def _natural(value: object) -> tuple[float, str]:
    """Sorts numbers, and names that are numbers, by their value, and other names behind."""
    if isinstance(value, (int, float)):
        return value, ""
    text = str(value)
    return (float(text), "") if text.isdecimal() else (float("inf"), text)
