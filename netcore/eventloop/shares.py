"""How much of each turn goes to those that are not open yet."""

from __future__ import annotations

from netcore.eventloop.site import Site

__all__ = ["Share", "Shares"]

_BYTES = 1 << 17
_SECONDS = 0.01
"""Handshakes are a few bytes each: a thousand that are due at once would take half a second."""


class Share:
    """A share of each turn: bytes to receive, and time to make something of them.

    Others are to be served, too, and a checksum or a handshake may take much longer than to receive for it.

    Args:
        site: The loop.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = -1
        self._bytes = 0
        self._seconds = 0.0

    def is_left(self) -> bool:
        """Whether there is any left of it in this turn."""
        turn = self._site.counters.turns
        if turn != self._turn:
            self._turn, self._bytes, self._seconds = turn, 0, 0.0
        return self._bytes < _BYTES and self._seconds < _SECONDS

    def take(self, size: int, seconds: float) -> None:
        """Takes some of it, be it more than is left."""
        self._bytes += size
        self._seconds += seconds


class Shares:
    """The shares of those who are not open yet.

    Args:
        site: The loop.

    Attributes:
        prompt: Of those of which the poller has told.
        late: Of those whose time is over, for what may have come. It is their own, so that they come to their
            end however many others there are.
    """

    def __init__(self, site: Site) -> None:
        self.prompt = Share(site)
        self.late = Share(site)
