"""How much the network may hold: slow start, congestion avoidance, and what a loss does to them."""

from __future__ import annotations

__all__ = ["CongestionWindow"]

_LEAST_THRESHOLD = 2


class CongestionWindow:
    """TCP Reno's window (RFC 5681), counted in segments as the reference implementation does.

    Attributes:
        size: Segments that may be under way.
    """

    def __init__(self, segment_size: int) -> None:
        self.size = 0
        self._threshold = _LEAST_THRESHOLD
        self._segment_size = segment_size
        self._bytes = 0

    def acknowledged(self, peer_window: int) -> None:
        """Grows, for the peer has got more of what is under way, up to what it has room for."""
        if self.size >= peer_window:
            return
        segment = self._segment_size
        if self.size < self._threshold:
            self.size += 1
            self._bytes += segment
        else:
            self._bytes = max(self._bytes, segment)
            self._bytes += segment * segment // self._bytes + segment // 16
            if (self.size + 1) * segment <= self._bytes:
                self.size = -(-self._bytes // segment)
        if self.size > peer_window:
            self.size = peer_window
            self._bytes = peer_window * segment

    def resent_early(self, under_way: int, fast_resend: int) -> None:
        """Halves, for a segment was missing among later ones."""
        self._threshold = max(under_way // 2, _LEAST_THRESHOLD)
        self._set(self._threshold + fast_resend)

    def timed_out(self, window: int) -> None:
        """Starts over, for a segment was not acknowledged in time; `window` is the size it was sent under."""
        self._threshold = max(window // 2, _LEAST_THRESHOLD)
        self._set(1)

    def opened(self) -> None:
        """Is at least one from the first look on."""
        if self.size < 1:
            self._set(1)

    def _set(self, size: int) -> None:
        self.size = size
        self._bytes = size * self._segment_size
