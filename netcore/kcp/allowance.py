"""How much may be sent to an address that may be somebody else's, whom the peer wants flooded."""

from __future__ import annotations

import math
from collections import deque

from netcore.kcp.wire import HEADER_SIZE

__all__ = ["Allowance"]

_TRIES = 3
_LEAST = HEADER_SIZE + 1  # bytes of a try: a push that is not empty
_STAMPS = 4  # a receipt may be late, and be that of an earlier try


class Allowance:
    """No more bytes than have come from there, until the address is proven; without end from then on.

    It is proven by a receipt with a timestamp that nobody knows who did not get the push it is of. That push
    may get lost, and so may its receipt: there has to be something left to send it again. As long as the peer
    has sent what is not acknowledged it sends that again, too, and pays for it. Once all is acknowledged it
    may be silent.

    Attributes:
        left: Bytes.
    """

    def __init__(self, is_unproven: bool) -> None:
        self.left: float = 0 if is_unproven else math.inf
        self._stamps: deque[int] = deque(maxlen=_STAMPS)

    @property
    def is_endless(self) -> bool:
        """Whether the address is proven."""
        return self.left == math.inf

    def received(self, size: int) -> None:
        """Takes note of a datagram of so many bytes."""
        self.left += size

    def spent(self, size: int) -> None:
        """Takes note of what is sent."""
        self.left -= size

    def stamped(self, timestamp: int) -> None:
        """Takes note of the timestamp, modulo 2**32, of pushes that are sent."""
        if not self.is_endless and timestamp not in self._stamps:
            self._stamps.append(timestamp)

    def look_at_receipt(self, timestamp: int) -> None:
        """Ends, should the timestamp of a receipt be one of theirs."""
        if timestamp in self._stamps:
            self.left = math.inf

    def covers(self, payload: int) -> bool:
        """Whether a segment may be sent."""
        return HEADER_SIZE + payload <= self.left

    def covers_receipts(self, count: int) -> bool:
        """Whether receipts may be sent, after which the peer may be silent."""
        return self.left - count * HEADER_SIZE >= _TRIES * _LEAST

    def share(self, is_renewed: bool, is_under_way: bool) -> float:
        """Returns how many bytes a segment may have that was not sent before.

        Args:
            is_renewed: Whether the peer has sent what it has no receipt for.
            is_under_way: Whether another segment is under way.
        """
        if self.is_endless or is_renewed:
            return self.left
        return 0 if is_under_way else min(self.left, max(self.left // _TRIES, _LEAST))
