"""A session: both halves, what is said between them and the peer, and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netcore.kcp.inbound import Inbound
from netcore.kcp.options import KcpOptions
from netcore.kcp.outbound import Outbound
from netcore.kcp.probe import Probe
from netcore.kcp.round_trip import RoundTrip
from netcore.kcp.wire import ACK, ASK, PUSH, TELL, Segment, difference, pack, parse

__all__ = ["Kcp"]

_LARGEST_CONVERSATION = 0xFFFFFFFF
_LONGEST_LAG = 10_000  # milliseconds; a clock that is so far off has jumped
_LONGEST_REST = 60.0  # seconds; while there is nothing to do


class Kcp:
    """One end of a conversation, on the wire as ikcp.c, or kcp-go without encryption and error correction.

    It does no I/O and reads no clock: datagrams come by `input`, and leave by `output`, which `update` and
    `flush` call. Times are seconds of any one clock. One thread at a time.

    Args:
        conversation: The number that both ends agree on, of 32 bits.
        output: Takes a datagram to be sent. What it raises passes through `update`.
        options: Those of this end; the usual ones by default.

    Raises:
        ValueError: The conversation does not fit into 32 bits.
    """

    def __init__(
        self, conversation: int, output: Callable[[bytes], None], options: KcpOptions | None = None
    ) -> None:
        if not 0 <= conversation <= _LARGEST_CONVERSATION:
            raise ValueError(f"conversation is {conversation!r}: it has 32 bits")
        self.conversation = conversation
        self._output = output
        self._options = options = KcpOptions() if options is None else options
        self._interval = round(options.interval * 1000)
        self._round_trip = RoundTrip(bool(options.no_delay), self._interval)
        self._inbound = Inbound(options.receive_window)
        self._outbound = Outbound(options, self._round_trip)
        self._probe = Probe()
        self._now = 0  # milliseconds
        self._flush_at: int | None = None
        self._is_asked = False

    @property
    def waiting(self) -> int:
        """Segments that were sent and are not acknowledged, or wait to be sent."""
        return self._outbound.waiting

    @property
    def dead(self) -> bool:
        """Whether it is over: the peer does not answer (see `dead_link`), or never ends a message."""
        return self._outbound.is_dead or self._inbound.is_stuck

    def send(self, data: bytes) -> None:
        """Takes bytes to send: of a stream, or a whole message. They leave by the next `update`.

        There is no bound but of a message; `waiting` tells how much there is.

        Raises:
            ValueError: A message of 128 segments or more, or of more than the peer has room for.
        """
        self._outbound.send(data)

    def receive(self) -> bytes | None:
        """Returns what came next of the stream, never nothing, or the next message; None until it is here."""
        while True:
            data = self._inbound.receive()
            if data != b"" or not self._options.stream:
                return data

    def input(self, datagram: bytes, now: float | None = None) -> None:
        """Takes a datagram of the peer's, which may come late, twice, or with lies in it.

        Args:
            datagram: All of it.
            now: The time; by default that of the last `update`, which makes round trips seem shorter.

        Raises:
            ValueError: It is of another conversation or not well formed. Nothing has changed then.
        """
        segments = parse(datagram, self.conversation)
        inbound, outbound = self._inbound, self._outbound
        for segment in segments:
            if segment.command == PUSH and not inbound.fits(segment):
                raise ValueError(f"a message of more than {segment.fragment} segments does not fit")
            if not outbound.is_possible(segment.acknowledged):
                raise ValueError(f"what comes before {segment.acknowledged} was never sent")
        if now is not None:
            self._now = max(self._now, _milliseconds(now))
        before = outbound.unacknowledged
        last_receipt: Segment | None = None
        for segment in segments:
            outbound.told_window(segment.window)
            outbound.acknowledged_before(segment.acknowledged)
            if segment.command == PUSH:
                inbound.take(segment)
            elif segment.command == ACK:
                self._take_receipt(segment)
                if last_receipt is None or _is_later(segment, last_receipt):
                    last_receipt = segment
            elif segment.command == ASK:
                self._is_asked = True
        if last_receipt is not None:
            outbound.overtook(last_receipt.number, last_receipt.timestamp)
        if outbound.unacknowledged > before:
            outbound.grew()

    def _take_receipt(self, segment: Segment) -> None:
        duration = difference(self._now, segment.timestamp)
        if duration >= 0:
            self._round_trip.measured(duration)
        self._outbound.acknowledged(segment.number)

    def update(self, now: float) -> None:
        """Sends what is due, if an interval has passed since it did so last. Harmless at any time."""
        now_ms = self._at(now)
        due = self._flush_at
        if due is None or abs(now_ms - due) >= _LONGEST_LAG:
            due = now_ms
        if now_ms >= due:
            due += self._interval
            self._flush_at = due if due > now_ms else now_ms + self._interval
            self._flush()

    def flush(self, now: float) -> None:
        """Sends what is due without waiting for the interval: what a turn has written leaves at its end."""
        self._flush_at = self._at(now) + self._interval
        self._flush()

    def next_update(self, now: float) -> float:
        """Returns the time at which `update` has something to do, unless something is sent or comes before.

        It is never earlier than `now`, and after an `update` at that time it is later.
        """
        if self._flush_at is None:
            return now
        now_ms = _milliseconds(now)
        wanted = self._wanted_at(now_ms)
        if wanted is None:
            return now + _LONGEST_REST
        tick = self._flush_at if abs(now_ms - self._flush_at) < _LONGEST_LAG else now_ms
        return max(max(wanted, tick) / 1000, now)

    def _wanted_at(self, now: int) -> int | None:
        if self.dead:
            return None
        if self._inbound.receipts or self._has_to_tell() or (self._is_blocked() and self._probe.at is None):
            return now
        wanted = [self._outbound.next_due(now), self._probe.at]
        return min((at for at in wanted if at is not None), default=None)

    def _has_to_tell(self) -> bool:
        return self._is_asked or self._inbound.reopened

    def _is_blocked(self) -> bool:
        return not self._outbound.peer_window and self._outbound.waiting > 0

    def _at(self, now: float) -> int:
        self._now = _milliseconds(now)
        return self._now

    def _flush(self) -> None:
        pieces: list[bytes] = []
        size = 0
        for segment in self._due():
            packed = pack(self.conversation, segment)
            if pieces and size + len(packed) > self._options.mtu:
                self._output(b"".join(pieces))
                pieces, size = [], 0
            pieces.append(packed)
            size += len(packed)
        if pieces:
            self._output(b"".join(pieces))

    def _due(self) -> Iterator[Segment]:
        inbound, now = self._inbound, self._now
        room, arrived = inbound.room, inbound.next
        receipts, inbound.receipts = inbound.receipts, {}
        for number, timestamp in receipts.items():
            yield Segment(ACK, 0, room, timestamp, number, arrived, b"")
        if self._probe.look(self._is_blocked(), now):
            yield Segment(ASK, 0, room, 0, 0, arrived, b"")
        if self._has_to_tell():
            self._is_asked = inbound.reopened = False
            yield Segment(TELL, 0, room, 0, 0, arrived, b"")
        for each in self._outbound.due(now):
            yield Segment(PUSH, each.fragment, room, now, each.number, arrived, each.payload)


def _is_later(receipt: Segment, than: Segment) -> bool:
    # One that was sent again is acknowledged late and says nothing of those that were sent meanwhile.
    return difference(receipt.number, than.number) > 0 and difference(receipt.timestamp, than.timestamp) > 0


def _milliseconds(seconds: float) -> int:
    # To the nearest one, so that a time which `next_update` returned is the same one when it comes back.
    return int(seconds * 1000 + 0.5)
