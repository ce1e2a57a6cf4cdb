"""The rows of ``netcore top`` as large as a terminal is, by rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from netcore.admin.columns import COLUMNS, Order, texts_of
from netcore.admin.rates import Row

__all__ = ["screen_of"]

_ALARMING = 1.0
"""Seconds in one turn from which a loop counts as stuck."""

_AROUND = 3
"""Lines that are no rows: the title, the columns' titles, and the last one."""

_GAP = 2
"""Columns of the terminal between two of the table."""

_HINT = "a column's letter sorts by it, r reverses, q quits"

_FIRST = ("process", "loop", "connections", "messages", "received", "sent", "slow_turn", "stuck", "state")
"""What is shown where there is no room for all, by its importance; the others come after."""


def screen_of(rows: Sequence[Row], order: Order, title: str, width: int, height: int) -> Group:
    """Makes what fills a terminal: as many columns and rows as have room, and how many more there are.

    Args:
        rows: In their order.
        order: By what they are sorted, which is marked.
        title: The first line.
        width: Of the terminal.
        height: Likewise.
    """
    most = max(height - _AROUND, 1)
    shown = rows[:most]
    texts = [texts_of(row) for row in shown]
    places = _places(texts, order, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for i in places:
        column = COLUMNS[i]
        head = Text(column.title, style="bold reverse" if column is order.column else "bold")
        table.add_column(head, justify="left" if column.is_text else "right", no_wrap=True)
    for row, line in zip(shown, texts, strict=True):
        style = "bold red" if row.stuck > _ALARMING else "yellow" if row.state != "ready" else ""
        table.add_row(*(Text(line[i]) for i in places), style=style)
    hint = f"{len(rows) - most} more; {_HINT}" if len(rows) > most else _HINT
    return Group(_line(title, "bold"), table, _line(hint, "dim"))


def _places(texts: Sequence[Sequence[str]], order: Order, width: int) -> list[int]:
    """Chooses the columns that have room, by their position; the one that is sorted by is among them."""
    names = [column.name for column in COLUMNS]
    ranks = dict.fromkeys((order.column.name, *_FIRST, *names))
    chosen: list[int] = []
    for name in ranks:
        i = names.index(name)
        width -= max(len(COLUMNS[i].title), *(len(line[i]) for line in texts), 0) + _GAP
        if width < 0 and chosen:
            break
        chosen.append(i)
    return sorted(chosen)


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
