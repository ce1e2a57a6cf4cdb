"""Events as lines of text, below each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netcore.testing.simulation.event import Event

__all__ = ["table"]

_HEAD = ("event", "seconds", "kind", "host", "peer", "flow", "bytes", "detail")
_TO_THE_RIGHT = {"event", "seconds", "bytes"}

# What would end the line, move the cursor, or turn the direction of writing.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_ESCAPED = {
    each: chr(each).encode("unicode_escape").decode() for each in [*_CONTROLS, *range(0xD800, 0xE000)]
}


def table(events: Iterable[Event]) -> Iterator[str]:
    """Writes events, a line for each below a line of titles, in columns as wide as they need."""
    rows = [_HEAD, *map(_row, events)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if name in _TO_THE_RIGHT else cell.ljust(width)
            for name, cell, width in zip(_HEAD, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _row(event: Event) -> tuple[str, ...]:
    detail = event.detail
    if event.cause >= 0:
        detail = f"{detail} (of {event.cause})".lstrip()
    texts = (event.kind, event.host, event.peer, event.flow, str(event.size or ""), detail)
    return (str(event.number), f"{event.time:.6f}", *(text.translate(_ESCAPED) for text in texts))
