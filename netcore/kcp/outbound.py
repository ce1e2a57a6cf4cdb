"""The half of a session that sends: what waits, what is under way, and when it is to be sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from netcore.kcp.congestion import CongestionWindow
from netcore.kcp.options import KcpOptions
from netcore.kcp.round_trip import RoundTrip
from netcore.kcp.wire import difference, unwrap

__all__ = ["MOST_FRAGMENTS", "InFlight", "Outbound"]

MOST_FRAGMENTS = 128
"""A message has fewer segments; also the window that a peer is taken to have until it tells its own."""

_MOST_EARLY_RESENDS = 5  # after which a segment has to wait for its time


@dataclass
class InFlight:
    """A segment that has been sent and not been acknowledged. Milliseconds."""

    number: int
    fragment: int
    payload: bytes
    sent_at: int = 0
    resend_at: int = 0
    timeout: int = 0
    sent: int = 0
    overtaken: int = 0


class Outbound:
    """Splits what is sent, keeps it until it is acknowledged, and says what is to go out now.

    Attributes:
        unacknowledged: The number of the first segment whose receipt has not come.
        next: The number of the next segment that goes under way.
        peer_window: The segments for which the peer has room, as it said last.
        is_dead: Whether a segment was sent as often as `dead_link` allows.
    """

    def __init__(self, options: KcpOptions, round_trip: RoundTrip) -> None:
        self.unacknowledged = 0
        self.next = 0
        self.peer_window = MOST_FRAGMENTS
        self.is_dead = False
        self._options = options
        self._round_trip = round_trip
        self._size = options.segment_size
        self._widest: int | None = None  # that the peer has said
        self._congestion = CongestionWindow(self._size)
        self._waiting: deque[tuple[int, bytearray]] = deque()
        self._under_way: dict[int, InFlight] = {}  # by number, in order

    @property
    def waiting(self) -> int:
        """Segments that are not acknowledged, sent or not."""
        return len(self._waiting) + len(self._under_way)

    def send(self, data: bytes) -> None:
        """Takes bytes, or a message.

        Raises:
            ValueError: The message has more segments than one may have, or than the peer has room for.
        """
        if self._options.stream:
            self._send_stream(memoryview(data))
        else:
            self._send_message(memoryview(data))

    def _send_stream(self, data: memoryview) -> None:
        if self._waiting:
            last = self._waiting[-1][1]
            room = self._size - len(last)
            last += data[:room]
            data = data[room:]
        for start in range(0, len(data), self._size):
            self._waiting.append((0, bytearray(data[start : start + self._size])))

    def _send_message(self, message: memoryview) -> None:
        count = max(-(-len(message) // self._size), 1)
        most = min(MOST_FRAGMENTS - 1, MOST_FRAGMENTS if self._widest is None else self._widest)
        if count > most:
            raise ValueError(f"a message of {len(message)} bytes has {count} segments: {most} are possible")
        for index in range(count):
            piece = message[index * self._size : (index + 1) * self._size]
            self._waiting.append((count - index - 1, bytearray(piece)))

    def told_window(self, window: int) -> None:
        """Takes what room the peer says it has."""
        if window and not self.peer_window:
            for each in self._under_way.values():  # what it had no room for has waited long enough
                each.resend_at, each.timeout = each.sent_at, self._round_trip.timeout
        self.peer_window = window
        self._widest = max(window, self._widest or 0)

    def is_possible(self, acknowledged: int) -> bool:
        """Whether the peer can have got all before this number, of which none is one that was never sent."""
        return unwrap(acknowledged, self.unacknowledged) <= self.next

    def acknowledged_before(self, acknowledged: int) -> None:
        """Takes that all before a number have arrived."""
        for number in range(self.unacknowledged, unwrap(acknowledged, self.unacknowledged)):
            self._under_way.pop(number, None)
        self._move_on()

    def acknowledged(self, number: int) -> None:
        """Takes the receipt of one."""
        self._under_way.pop(unwrap(number, self.unacknowledged), None)
        self._move_on()

    def overtook(self, number: int, timestamp: int) -> None:
        """Counts for those before a number, and sent no later than it, that it was faster."""
        last = unwrap(number, self.unacknowledged)
        if not self.unacknowledged <= last < self.next:
            return
        for each in self._under_way.values():
            if each.number >= last:
                break
            if difference(timestamp, each.sent_at) >= 0:
                each.overtaken += 1

    def grew(self) -> None:
        """The peer has got more than before."""
        self._congestion.acknowledged(self.peer_window)

    def _move_on(self) -> None:
        self.unacknowledged = next(iter(self._under_way), self.next)

    def due(self, now: int) -> Iterator[InFlight]:
        """Sets under way what the windows allow, and yields what is to be sent now, once more or first."""
        congestion = self._congestion
        window_before, is_lost, is_early = congestion.size, False, False
        self._admit()
        end = self._end_of_resending()
        for each in self._under_way.values():
            if not each.sent:
                self._first_time(each, now)
            elif each.number >= end:
                break
            elif now >= each.resend_at:
                self._late(each, now)
                is_lost = True
            elif self._is_overtaken(each):
                each.overtaken = 0
                each.resend_at = now + each.timeout
                is_early = True
            else:
                continue
            each.sent += self.peer_window > 0 or not each.sent
            each.sent_at = now
            yield each
            self.is_dead |= each.sent >= self._options.dead_link
        if is_early:
            congestion.resent_early(self.next - self.unacknowledged, self._options.fast_resend)
        if is_lost:
            congestion.timed_out(window_before)
        congestion.opened()

    def _admit(self) -> None:
        end = self.unacknowledged + self._window()
        while self._waiting and self.next < end:
            fragment, payload = self._waiting.popleft()
            self._under_way[self.next] = InFlight(self.next, fragment, bytes(payload))
            self.next += 1

    def _window(self) -> int:
        window = min(self._options.send_window, self.peer_window)
        return min(window, self._congestion.size) if self._options.congestion_control else window

    def _end_of_resending(self) -> int:
        # A peer whose application does not read drops what it has no room for: that is not sent again before
        # it has, or a pause would look like a dead link. The first is: its receipt tells the window anew.
        return self.unacknowledged + max(self.peer_window, 1)

    def _first_time(self, each: InFlight, now: int) -> None:
        each.timeout = self._round_trip.timeout
        patience = 0 if self._options.no_delay else each.timeout >> 3
        each.resend_at = now + each.timeout + patience

    def _late(self, each: InFlight, now: int) -> None:
        if not self._options.no_delay:
            each.timeout += max(each.timeout, self._round_trip.timeout)
        elif self._options.no_delay == 1:
            each.timeout += each.timeout // 2
        else:
            each.timeout += self._round_trip.timeout // 2
        each.resend_at = now + each.timeout

    def _is_overtaken(self, each: InFlight) -> bool:
        fast_resend = self._options.fast_resend
        return bool(fast_resend) and each.overtaken >= fast_resend and each.sent <= _MOST_EARLY_RESENDS

    def next_due(self, now: int) -> int | None:
        """Returns when `due` has something next; None while only the peer can bring it about."""
        if self._waiting and self.next < self.unacknowledged + max(self._window(), self._least_window()):
            return now
        soonest = None
        end = self._end_of_resending()
        for each in self._under_way.values():
            if each.number >= end:
                break
            if self._is_overtaken(each):
                return now
            if soonest is None or each.resend_at < soonest:
                soonest = each.resend_at
        return soonest

    def _least_window(self) -> int:
        # Before the first look the congestion window is none, and one from then on.
        return min(1, self.peer_window)
