"""A session: both halves, what is said between them and the peer, and the clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from operator import index
from typing import TYPE_CHECKING

from netcore.kcp.allowance import Allowance
from netcore.kcp.inbound import Inbound
from netcore.kcp.options import KcpOptions
from netcore.kcp.outbound import Outbound
from netcore.kcp.probe import Probe
from netcore.kcp.round_trip import RoundTrip
from netcore.kcp.wire import ACK, ASK, MODULUS, PUSH, TELL, Segment, difference, pack, parse

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Kcp"]

_FARTHEST = 1e12  # seconds; milliseconds of such a time are still whole numbers in a float
_LONGEST_LAG = 10_000  # milliseconds; a clock that is so far off has jumped
_LONGEST_REST = 60.0  # seconds; while there is nothing to do


class Kcp:
    """One end of a conversation, on the wire as ikcp.c, or kcp-go without encryption and error correction.

    It does no I/O and reads no clock: datagrams come by `input`, and leave by `output`, which `update` and
    `flush` call. Times are seconds of any one clock; what is no number is a TypeError, and what is farther
    than 1e12 seconds from zero, or nan, a ValueError. One thread at a time.

    Args:
        conversation: The number that both ends agree on, of 32 bits.
        output: Takes a datagram to be sent. What it raises passes through `update` and `flush`, and what
            these had to send behind it is lost, as on the line. It may use the session.
        options: Those of this end; the usual ones by default.
        epoch: Milliseconds added to the timestamps on the wire, modulo 2**32. A random number that nobody
            knows who does not get the datagrams makes sure that nobody else can write their receipts.
        unproven: The peer has begun, and may have lied about its address. No more bytes leave than have come
            from it, until there is a receipt with the timestamp of what was sent there: a push of what there
            is to send, or one that is empty and of no effect but that it is acknowledged. What has come is
            acknowledged only then: the peer, who sends it again, pays for what has to be sent again here.
            Of what comes no more than 16 KiB are kept before.

    Raises:
        TypeError: One of them is of a wrong type.
        ValueError: The conversation does not fit into 32 bits.
    """

    def __init__(
        self,
        conversation: int,
        output: Callable[[bytes], object],
        options: KcpOptions | None = None,
        *,
        epoch: int = 0,
        unproven: bool = False,
    ) -> None:
        number = int(index(conversation))  # of True, too
        if not 0 <= number < MODULUS:
            raise ValueError(f"conversation is {conversation!r}: it has 32 bits")
        if not callable(output):
            raise TypeError(f"output is {output!r}: it must be callable")
        if options is None:
            options = KcpOptions()
        elif not isinstance(options, KcpOptions):
            raise TypeError(f"options is {options!r}: it must be a KcpOptions, or None")
        self._conversation = number
        self._output = output
        self._options = options
        self._interval = round(options.interval * 1000)
        self._epoch = index(epoch)
        self._allowance = Allowance(unproven)
        self._round_trip = RoundTrip(bool(options.no_delay), self._interval)
        self._inbound = Inbound(options.receive_window)
        self._outbound = Outbound(options, self._round_trip, self._allowance, self._epoch)
        self._probe = Probe()
        self._now = 0  # milliseconds
        self._flush_at: int | None = None
        self._is_asked = False
        self._is_finished = False
        self._told = 0  # the number before which all is acknowledged

    def __repr__(self) -> str:
        return f"<Kcp {self.conversation}: {self.waiting} waiting{', dead' if self.dead else ''}>"

    def __getstate__(self) -> None:
        # A copy would share what is under way with this one.
        raise TypeError(f"cannot pickle {self.__class__.__name__!r} object")

    @property
    def conversation(self) -> int:
        """The number that was given."""
        return self._conversation

    @property
    def waiting(self) -> int:
        """Segments that were sent and are not acknowledged, or wait to be sent."""
        return self._outbound.waiting

    @property
    def held(self) -> int:
        """Bytes that were sent and are not acknowledged, or wait to be sent."""
        return self._outbound.held

    @property
    def dead(self) -> bool:
        """Whether it is over: the peer does not answer (see `dead_link`), or never ends a message."""
        return self._outbound.is_dead or self._inbound.is_stuck

    @property
    def owing(self) -> bool:
        """Whether `finish` was called, and what has come is not acknowledged yet.

        After `flush` that is so while it may not be: what comes next proves the address, or pays for it.
        """
        return self._is_finished and bool(self._inbound.receipts)

    @property
    def proven(self) -> bool:
        """Whether the peer is where it says it is; from the start unless `unproven` was given."""
        return self._allowance.is_endless

    def send(self, data: Buffer) -> None:
        """Takes bytes to send: of a stream, or a whole message. They leave by the next `update` or `flush`.

        There is no bound but of a message; `waiting` and `held` tell how much there is.

        Raises:
            ValueError: A message of 128 segments or more, or of more than the peer has room for.
        """
        self._outbound.send(_owned(data))

    def finish(self) -> None:
        """Says that nothing more will be sent: it may be acknowledged now what has come unproven.

        Nobody needs a proof any more. So what the next `update` or `flush` may spend goes into receipts.
        """
        self._is_finished = True

    def receive(self) -> bytes | None:
        """Returns what came next of the stream, never nothing, or the next message; None until it is here."""
        while True:
            data = self._inbound.receive()
            if data != b"" or not self._options.stream:
                return data

    def drain(self) -> bytes:
        """Returns all that has come in order, joined: of the stream, or whole messages. Empty for nothing."""
        return b"".join(iter(self._inbound.receive, None))

    def input(self, datagram: Buffer, now: float | None = None) -> None:
        """Takes a datagram of the peer's, which may come late, twice, or with lies in it.

        Args:
            datagram: All of it.
            now: The time; by default that of the last `update`, which makes round trips seem shorter.

        Raises:
            ValueError: It is of another conversation or not well formed. Nothing has changed then.
        """
        datagram = _owned(datagram)
        now_ms = self._now if now is None else _milliseconds(now)
        segments = parse(datagram, self._conversation)
        inbound, outbound, allowance = self._inbound, self._outbound, self._allowance
        for segment in segments:
            if segment.command == PUSH and not inbound.fits(segment):
                raise ValueError(f"a message of more than {segment.fragment} segments does not fit")
            if not outbound.is_possible(segment.acknowledged):
                raise ValueError(f"what comes before {segment.acknowledged} was never sent")
        self._now = max(self._now, now_ms)
        allowance.received(len(datagram))
        end, is_kept = self._end_of_keeping(len(datagram)), False
        receipts = [segment for segment in segments if segment.command == ACK]
        before = outbound.unacknowledged
        outbound.told_window(segments[-1].window)  # the others are no newer
        for segment in segments:
            outbound.acknowledged_before(segment.acknowledged)
            if segment.command == PUSH:
                is_kept |= inbound.take(segment, end)
                allowance.is_challenge_due = not allowance.is_endless
            elif segment.command == ACK:
                self._take_receipt(segment)
            elif segment.command == ASK:
                self._is_asked = True
        if is_kept:
            allowance.kept(len(datagram))
        if receipts:
            last = receipts[0]
            for receipt in receipts:
                last = receipt if _is_later(receipt, last) else last
            outbound.overtook(last.number, last.timestamp)
        if outbound.unacknowledged > before:
            outbound.grew()

    def _end_of_keeping(self, size: int) -> int | None:
        """Returns the number before which pushes of a datagram are kept; None for all in the window."""
        if self._allowance.is_endless:
            return None
        return self._inbound.beginning() if size <= self._allowance.keeping else self._inbound.next

    def _take_receipt(self, segment: Segment) -> None:
        measures = self._allowance.look_at_receipt(segment.timestamp)
        duration = difference(self._now + self._epoch, segment.timestamp)
        if measures and duration >= 0:
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

        It is never earlier than `now`, and after an `update` at that time it is later; a minute later while
        there is nothing to do, of which `next_due` says so.
        """
        if self._flush_at is None:
            return _checked(now)
        due = self.next_due(now)
        return _checked(now) + _LONGEST_REST if due is None else due

    def next_due(self, now: float) -> float | None:
        """Returns the same time, but None while there is nothing to do until something is sent or comes."""
        now = _checked(now)
        now_ms = _rounded(now)
        wanted = self._wanted_at(now_ms)
        if wanted is None:
            return None
        tick = self._flush_at
        if tick is None or abs(now_ms - tick) >= _LONGEST_LAG:
            tick = now_ms
        return max(max(wanted, tick) / 1000, now)

    def _wanted_at(self, now: int) -> int | None:
        if self.dead:
            return None
        inbound = self._inbound
        is_blocked = self._is_blocked()
        if inbound.receipts and self._may_acknowledge():
            return now
        if self._has_to_tell() or (is_blocked and self._probe.at is None) or self._has_to_challenge():
            return now
        soonest = self._outbound.next_due(now)
        wanted = [soonest, self._probe.at if is_blocked else None]
        return min((at for at in wanted if at is not None), default=None)

    def _may_acknowledge(self) -> bool:
        is_last = self._is_finished and not self._outbound.waiting and self._allowance.covers(0)
        return self._allowance.is_endless or is_last

    def _has_to_tell(self) -> bool:
        allowance = self._allowance  # who is not acknowledged comes again whether there is room or not
        return (self._is_asked and allowance.covers(0)) or (self._inbound.reopened and allowance.is_endless)

    def _has_to_challenge(self) -> bool:
        return self._allowance.is_challenge_due and self._allowance.covers(0)

    def _is_blocked(self) -> bool:
        return not self._outbound.peer_window and self._outbound.waiting > 0 and self._allowance.covers(0)

    def _at(self, now: float) -> int:
        self._now = _milliseconds(now)
        return self._now

    def _flush(self) -> None:
        # All of them before the first leaves: `output` may use the session.
        for datagram in list(self._datagrams()):
            self._output(datagram)

    def _datagrams(self) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size = 0
        for segment in self._due():
            packed = pack(self._conversation, segment)
            self._allowance.spent(len(packed))
            if pieces and size + len(packed) > self._options.mtu:
                yield b"".join(pieces)
                pieces, size = [], 0
            pieces.append(packed)
            size += len(packed)
        if pieces:
            yield b"".join(pieces)

    def _due(self) -> Iterator[Segment]:
        inbound, outbound, allowance, now = self._inbound, self._outbound, self._allowance, self._now
        room = inbound.room
        if self._may_acknowledge():
            receipts, inbound.receipts = inbound.receipts, {}
            self._told = inbound.next
            for number, timestamp in receipts.items():
                if not allowance.covers(0):
                    break  # one of them has told of all before `next`
                yield Segment(ACK, 0, room, timestamp, number, self._told, b"")
        if self._probe.look(self._is_blocked(), now):
            yield Segment(ASK, 0, room, 0, 0, self._told, b"")
        if self._has_to_tell():
            self._is_asked = inbound.reopened = False
            yield Segment(TELL, 0, room, 0, 0, self._told, b"")
        time = (now + self._epoch) % MODULUS
        for each in outbound.due(now):
            stamp = allowance.stamp(time)
            yield Segment(PUSH, each.fragment, room, stamp, each.number, self._told, each.payload)
        if self._has_to_challenge():
            # The peer has got what comes before: it acknowledges this one, and makes nothing of it.
            stamp = allowance.stamp(time)
            yield Segment(PUSH, 0, room, stamp, outbound.unacknowledged - 1, self._told, b"")


def _is_later(receipt: Segment, than: Segment) -> bool:
    # One that was sent again is acknowledged late and says nothing of those that were sent meanwhile.
    return difference(receipt.number, than.number) > 0 and difference(receipt.timestamp, than.timestamp) > 0


def _checked(time: float) -> float:
    """Returns a time as a float; raises TypeError for what is no number, ValueError for no time."""
    try:
        seconds = math.ldexp(time, 0)  # where float() would take text, too
    except OverflowError:
        seconds = math.inf
    if not -_FARTHEST <= seconds <= _FARTHEST:
        raise ValueError(f"{time!r} is no time")
    return seconds


def _milliseconds(time: float) -> int:
    return _rounded(_checked(time))


def _rounded(seconds: float) -> int:
    """Returns milliseconds."""
    # To the nearest one, so that a time which `next_update` returned is the same one when it comes back.
    return int(seconds * 1000 + 0.5)


def _owned(data: Buffer) -> bytes:
    """Returns bytes that nobody changes."""
    if type(data) is bytes:
        return data
    with memoryview(data) as view:  # let go of at once, so that whose it is may change its size
        return view.tobytes()
