"""The table of what each platform does, from what the code declares of it."""

from __future__ import annotations

from collections.abc import Iterable

from netcore._platforms import PLATFORMS, Platform
from netcore.poll.registry import declares_edge

__all__ = ["HEADER", "markdown_table", "row", "text_table"]

HEADER = (
    "Platform",
    "Readiness",
    "Edge-triggered",
    "reuse_port balances",
    "Datagrams in batches",
    "sendfile",
    "Keep-alive times",
    "Unix sockets",
)


def row(platform: Platform) -> tuple[str, ...]:
    """Makes the cells of a platform, in the order of the header."""
    edge = ", ".join(filter(declares_edge, platform.pollers))
    unix = "yes, and abstract names" if platform.abstract_names else _yes(platform.unix_sockets)
    return (
        platform.name,
        ", ".join(platform.pollers),
        edge or "no",
        platform.reuse_port or "no",
        _yes(platform.datagram_batches),
        _yes(platform.sendfile),
        "per socket" if platform.keep_alive else "the system's",
        unix,
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def text_table() -> str:
    """Returns the table with columns of spaces, for a terminal."""
    rows = [HEADER, *map(row, PLATFORMS)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_padded(cells, widths).rstrip() for cells in rows)


def markdown_table() -> str:
    """Returns the table in Markdown."""
    rule = "|" + "---|" * len(HEADER)
    return "\n".join([_piped(HEADER), rule, *(_piped(row(platform)) for platform in PLATFORMS)])


def _padded(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))


def _piped(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
