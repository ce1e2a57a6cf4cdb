"""What is done for an address that may be somebody else's, whom the peer wants flooded, or nobody's."""

from __future__ import annotations

import math

from netcore.kcp.wire import HEADER_SIZE

__all__ = ["Allowance"]

_INITIAL_BYTES = 16384  # some ten segments, as TCP sends before it hears from its peer (RFC 6928)


class Allowance:
    """No more bytes than have come from there, until the address is proven; without end from then on.

    It is proven by a receipt of one of the pushes that were sent before. All of these have one timestamp, so
    that any of them will do, and one that nobody knows who has got none. Nothing is acknowledged before: the
    peer sends again what it has sent, for as long as it lives, and pays each time for another push.

    Attributes:
        left: Bytes that may be sent.
        keeping: Bytes of datagrams that may be kept, read or not.
        is_challenge_due: Whether the peer has sent what it will send again since it was sent a push.
    """

    def __init__(self, is_unproven: bool) -> None:
        self.left: float = 0 if is_unproven else math.inf
        self.keeping: float = _INITIAL_BYTES if is_unproven else math.inf
        self.is_challenge_due = False
        self._stamp: int | None = None
        self._is_stamp_old = False

    @property
    def is_endless(self) -> bool:
        """Whether the address is proven."""
        return self.left == math.inf

    def received(self, size: int) -> None:
        """Takes note of a datagram of so many bytes."""
        self.left += size

    def kept(self, size: int) -> None:
        """Takes note of a datagram of so many bytes of which something is kept."""
        self.keeping -= size

    def spent(self, size: int) -> None:
        """Takes note of what is sent."""
        self.left -= size

    def stamp(self, timestamp: int) -> int:
        """Returns the timestamp for a push that is sent at that time, modulo 2**32."""
        if self.is_endless:
            return timestamp
        self.is_challenge_due = False
        if self._stamp is None:
            self._stamp = timestamp
        self._is_stamp_old |= timestamp != self._stamp
        return self._stamp

    def look_at_receipt(self, timestamp: int) -> bool:
        """Ends, should a receipt be one of theirs; returns whether it says how long a round trip takes."""
        if timestamp != self._stamp:
            return True
        self.left = self.keeping = math.inf
        self.is_challenge_due = False
        return not self._is_stamp_old  # or it may be of any of them

    def covers(self, payload: int) -> bool:
        """Whether a segment may be sent."""
        return HEADER_SIZE + payload <= self.left
