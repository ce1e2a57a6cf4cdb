"""What a stranger may take of an admin server."""

from __future__ import annotations

import dataclasses

from netcore.admin.source import MOST

__all__ = ["AdminLimits"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AdminLimits:
    """The bounds of an admin server. Sizes are bytes, times seconds.

    Attributes:
        connections: At once; a new one takes the place of the one that has been of no use for longest.
        head: Of a request: its line and headers. It has no body.
        request_time: From a request's first byte to its last.
        answer_time: For the peer to take an answer.
        idle_time: Between two requests, and before the first.
        linger_time: For the peer to read the last answer and close.
        shown_connections: In ``/connections.json``.
        share: Of one CPU, at most, over time: what goes beyond waits. Whoever asks without pause slows the
            loops, with whom the server shares the GIL, by no more than that.
    """

    connections: int = 32
    head: int = 16384
    request_time: float = 5
    answer_time: float = 15
    idle_time: float = 60
    linger_time: float = 1
    shown_connections: int = MOST
    share: float = 0.2
