"""The half of a session that sends: what waits, what is under way, and when it is to be sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from netcore.kcp.allowance import Allowance
from netcore.kcp.congestion import CongestionWindow
from netcore.kcp.options import KcpOptions
from netcore.kcp.round_trip import RoundTrip
from netcore.kcp.wire import MOST_FRAGMENTS, difference, unwrap

__all__ = ["InFlight", "Outbound"]

_MOST_EARLY_RESENDS = 5  # after which a segment has to wait for its time
_LONGEST_TIMEOUT = 1 << 40  # milliseconds: it never comes, and times stay numbers of 64 bits


@dataclass
class InFlight:
    """A segment that has been sent and not been acknowledged. Milliseconds."""

    number: int
    fragment: int
    payload: bytes
    sent_at: int
    resend_at: int
    timeout: int
    sent: int = 1
    overtaken: int = 0


class Outbound:
    """Splits what is sent, keeps it until it is acknowledged, and says what is to go out now.

    Attributes:
        unacknowledged: The number of the first segment whose receipt has not come.
        next: The number of the next segment that goes under way.
        peer_window: The segments for which the peer has room, as it said last.
        held: Bytes that are not acknowledged, sent or not.
        is_dead: Whether a segment was sent as often as `dead_link` allows.
    """

    def __init__(self, options: KcpOptions, round_trip: RoundTrip, allowance: Allowance, epoch: int) -> None:
        self.unacknowledged = 0
        self.next = 0
        self.peer_window = MOST_FRAGMENTS
        self.held = 0
        self.is_dead = False
        self._options = options
        self._round_trip = round_trip
        self._allowance = allowance
        self._epoch = epoch
        self._size = options.segment_size
        self._widest = 0  # that the peer has said; none before it has had room for any
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
        self.held += len(data)

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
        most = min(MOST_FRAGMENTS - 1, self._widest or MOST_FRAGMENTS)
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
        self._widest = max(window, self._widest)

    def is_possible(self, acknowledged: int) -> bool:
        """Whether the peer can have got all before this number, of which none is one that was never sent."""
        return unwrap(acknowledged, self.unacknowledged) <= self.next

    def acknowledged_before(self, acknowledged: int) -> None:
        """Takes that all before a number have arrived."""
        for number in range(self.unacknowledged, unwrap(acknowledged, self.unacknowledged)):
            self._let_go(number)
        self._move_on()

    def acknowledged(self, number: int) -> None:
        """Takes the receipt of one."""
        self._let_go(unwrap(number, self.unacknowledged))
        self._move_on()

    def _let_go(self, number: int) -> None:
        each = self._under_way.pop(number, None)
        if each is not None:
            self.held -= len(each.payload)

    def _move_on(self) -> None:
        while self.unacknowledged < self.next and self.unacknowledged not in self._under_way:
            self.unacknowledged += 1

    def overtook(self, number: int, timestamp: int) -> None:
        """Counts for those before a number, and sent no later than it, that it was faster."""
        last = unwrap(number, self.unacknowledged)
        if not self.unacknowledged <= last < self.next:
            return
        for each in self._under_way.values():
            if each.number >= last:
                break
            if difference(timestamp, each.sent_at + self._epoch) >= 0:
                each.overtaken += 1

    def grew(self) -> None:
        """The peer has got more than before."""
        self._congestion.acknowledged(self.peer_window)

    def due(self, now: int) -> Iterator[InFlight]:
        """Yields what is to be sent now, once more or first, as far as the windows and the allowance go."""
        congestion = self._congestion
        window_before, is_lost, is_early = congestion.size, False, False
        end = self._end_of_resending()
        for each in self._under_way.values():
            if each.number >= end:
                break
            is_late = now >= each.resend_at
            if not (is_late or self._is_overtaken(each)) or not self._allowance.covers(len(each.payload)):
                continue
            if is_late:
                self._late(each, now)
                is_lost = True
            else:
                each.overtaken = 0
                each.resend_at = now + each.timeout
                is_early = True
            each.sent += self.peer_window > 0
            each.sent_at = now
            self.is_dead |= each.sent >= self._options.dead_link
            yield each
        yield from self._admit(now)
        if is_early:
            congestion.resent_early(self.next - self.unacknowledged, self._options.fast_resend)
        if is_lost:
            congestion.timed_out(window_before)
        congestion.opened()

    def _admit(self, now: int) -> Iterator[InFlight]:
        end = self.unacknowledged + self._window()
        while self._is_admissible(end):
            fragment, payload = self._waiting.popleft()
            timeout = self._round_trip.timeout
            resend_at = now + timeout + (0 if self._options.no_delay else timeout >> 3)
            each = InFlight(self.next, fragment, bytes(payload), now, resend_at, timeout)
            self._under_way[self.next] = each
            self.next += 1
            self.is_dead |= each.sent >= self._options.dead_link
            yield each

    def _is_admissible(self, end: int) -> bool:
        """Whether the first that waits may be sent now, as one with a number before the end."""
        waiting = self._waiting
        return bool(waiting) and self.next < end and self._allowance.covers(len(waiting[0][1]))

    def _window(self) -> int:
        window = min(self._options.send_window, self.peer_window)
        return min(window, self._congestion.size) if self._options.congestion_control else window

    def _end_of_resending(self) -> int:
        # A peer whose application does not read drops what it has no room for: that is not sent again before
        # it has, or a pause would look like a dead link. The first is: its receipt tells the window anew.
        return self.unacknowledged + max(self.peer_window, 1)

    def _late(self, each: InFlight, now: int) -> None:
        if not self._options.no_delay:
            each.timeout += max(each.timeout, self._round_trip.timeout)
        elif self._options.no_delay == 1:
            each.timeout += each.timeout // 2
        else:
            each.timeout += self._round_trip.timeout // 2
        each.timeout = min(each.timeout, _LONGEST_TIMEOUT)
        each.resend_at = now + each.timeout

    def _is_overtaken(self, each: InFlight) -> bool:
        fast_resend = self._options.fast_resend
        return bool(fast_resend) and each.overtaken >= fast_resend and each.sent <= _MOST_EARLY_RESENDS

    def next_due(self, now: int) -> int | None:
        """Returns when `due` has something next; None while only the peer can bring it about."""
        end = self.unacknowledged + max(self._window(), self._least_window())
        if self._is_admissible(end):
            return now
        soonest = None
        end = self._end_of_resending()
        for each in self._under_way.values():
            if each.number >= end:
                break
            if not self._allowance.covers(len(each.payload)):
                continue
            if self._is_overtaken(each):
                return now
            if soonest is None or each.resend_at < soonest:
                soonest = each.resend_at
        return soonest

    def _least_window(self) -> int:
        # Before the first look the congestion window is none, and one from then on.
        return min(1, self.peer_window)
