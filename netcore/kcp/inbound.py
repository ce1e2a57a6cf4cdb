"""The half of a session that receives: order, whole messages, receipts."""

from __future__ import annotations

from collections import deque

from netcore.kcp.wire import MOST_FRAGMENTS, Segment, unwrap

__all__ = ["Inbound"]


class Inbound:
    """Puts segments in order and joins what belongs together.

    Attributes:
        next: The number of the first segment that is missing; what comes before it has arrived.
        receipts: Numbers to acknowledge, each with the timestamp of its segment.
        reopened: Whether there is room again where there was none, which the peer waits to hear.
        is_stuck: Whether all room is taken by a message that has no end: it will never be whole.
    """

    def __init__(self, window: int) -> None:
        self.next = 0
        self.receipts: dict[int, int] = {}
        self.reopened = False
        self.is_stuck = False
        self._window = window
        self._early: dict[int, Segment] = {}
        self._ready: deque[Segment] = deque()
        self._whole = 0  # messages in _ready

    @property
    def room(self) -> int:
        """Segments that still fit, which the peer is told."""
        return max(self._window - len(self._ready), 0)

    def fits(self, segment: Segment) -> bool:
        """Whether a message with this segment could ever be received whole."""
        return segment.fragment < self._window

    def take(self, segment: Segment, before: int | None = None) -> bool:
        """Takes what has arrived, once; a receipt is due for each, doubled and old ones too.

        Args:
            segment: A push.
            before: Only what is new is taken, before this number, which is within the window.

        Returns:
            Whether it is kept.
        """
        number = unwrap(segment.number, self.next)
        if number >= (self.next + self._window if before is None else before):
            return False
        is_new = number >= self.next and number not in self._early
        # More receipts are of no use to a peer who is honest.
        has_room = len(self.receipts) < 2 * self._window and (is_new or before is None)
        if has_room or segment.number in self.receipts:
            self.receipts[segment.number] = segment.timestamp
        if is_new:
            self._early[number] = segment
            self._order()
        return is_new

    def beginning(self) -> int:
        """Returns the number before which there is what a peer sends that has not heard of a window."""
        return self.next + min(self._window, MOST_FRAGMENTS)

    def receive(self) -> bytes | None:
        """Returns the next message, or None while none is whole."""
        if not self._whole:
            return None
        was_full = not self.room
        parts = []
        while True:
            segment = self._ready.popleft()
            parts.append(segment.payload)
            if not segment.fragment:
                break
        self._whole -= 1
        self._order()
        if was_full and self.room:
            self.reopened = True
        return b"".join(parts)

    def _order(self) -> None:
        while len(self._ready) < self._window and (segment := self._early.pop(self.next, None)):
            self._ready.append(segment)
            self._whole += not segment.fragment
            self.next += 1
        self.is_stuck = not self._whole and not self.room
