"""What the net swallows, and how the trace tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcore.testing.simulation.net.links import Path
    from netcore.testing.simulation.net.network import Ground

__all__ = ["DOWN", "note_lost", "why_lost"]

DOWN = "the host is down"
"""Why nothing arrives at a host that has crashed."""


def why_lost(line: Path) -> str:
    """Returns why a path has just let nothing pass."""
    return "partitioned" if line.cut else "lost"


def note_lost(site: Ground, line: Path, flow: str, what: str, cause: int = -1, why: str = "") -> None:
    """Notes that a segment without bytes does not arrive.

    Args:
        site: Has the trace.
        line: The way that it went.
        flow: What the connection is called by who has sent it.
        what: The segment.
        cause: The event that it was sent by; -1 for none, as an ACK has none.
        why: Why; empty for what ``why_lost`` says.
    """
    site.trace.add("drop", line.target, line.source, flow, f"{what}: {why or why_lost(line)}", 0, cause)
