"""The sending half of a TCP connection: what is buffered, under way, lost and acknowledged.

Two things keep it cheap. The simulation knows what becomes of each segment, so a retransmission timer runs
only where one was lost or its acknowledgement was. And acknowledgements are a list of what will be known
when; they become events only while somebody waits for them: a program for room, or bytes for the window.
"""

from __future__ import annotations

import errno
from bisect import insort
from collections import deque
from typing import Protocol

from netcore.testing.simulation.net.bytequeue import first
from netcore.testing.simulation.net.failures import would_block
from netcore.testing.simulation.net.links import Path
from netcore.testing.simulation.net.losses import note_lost, why_lost
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.segments import HEADER, Segment
from netcore.testing.simulation.scheduler import Planned

__all__ = ["Sender"]

_FIRST_TIMEOUT = 0.2
"""Seconds by which a retransmission comes later than an acknowledgement would: TCP_RTO_MIN of Linux."""

_LONGEST_TIMEOUT = 120.0
"""TCP_RTO_MAX of Linux, in seconds."""

_TRIES = 15
"""Retransmissions without an answer until the connection is given up: tcp_retries2 in tcp(7)."""


def _start(segment: Segment) -> int:
    return segment.start


class End(Protocol):
    """Whose half it is.

    Attributes:
        kernel: Where it is.
        flow: What the connection is called in the trace.
        peer_host: The other host.
        line_out: The way to the peer.
        user_timeout: Seconds that sent bytes may stay unacknowledged; 0 for as long as TCP tries.
    """

    kernel: Ground
    flow: str
    peer_host: str
    line_out: Path
    user_timeout: float

    def changed(self) -> None:
        """Called when there is room again."""

    def give_up(self, code: int) -> None:
        """Called when the peer does not answer."""

    def was_reset(self, number: int, line: Path, sender: Sender) -> None:
        """Called when a RST is there, or would be if the way was not cut, for the connection of a sender."""


class Receiver(Protocol):
    """The other end of the connection."""

    def arrive(self, segment: Segment, sender: Sender) -> None:
        """Called when a segment is there, or would be if the way was not cut."""

    def probed(self, sender: Sender) -> None:
        """Called when a question is there whether the peer lives and what it has got."""


class Sender:
    """The sending half.

    Args:
        end: Whose half it is.
        peer: The other end.
        capacity: Bytes of the send buffer.
        window: Bytes that the peer takes at first.

    Attributes:
        end: See above, as for the capacity.
        capacity: See above.
        acked: The number up to which the peer has everything, as far as is known here.
        heard: When the peer has let itself be heard last, as far as that was looked at.
    """

    __slots__ = (
        "_acks",
        "_asked",
        "_edge",
        "_ending",
        "_hungry",
        "_in_flight",
        "_last_arrival",
        "_lost",
        "_peer",
        "_pending",
        "_round_trip",
        "_sent",
        "_since",
        "_stopped",
        "_timeout",
        "_timer",
        "_tries",
        "_wake",
        "_written",
        "acked",
        "capacity",
        "end",
        "heard",
    )

    def __init__(self, end: End, peer: Receiver, capacity: int, window: int) -> None:
        self.end: End = end
        self._peer = peer
        self.capacity: int = capacity
        self.heard: float = 0.0
        self.acked: int = 0
        self._written = self._sent = 0  # numbers of the sequence, as that is
        self._edge = window  # the number up to which the peer takes bytes, as far as is known here
        self._pending: deque[bytes] = deque()
        self._ending = False  # the end of the stream is to follow what is pending
        self._in_flight = 0  # segments under way
        self._lost: list[Segment] = []  # in their order
        self._acks: deque[tuple[float, int, int]] = deque()  # when known, and then _acked and _edge
        self._hungry = False  # whether somebody waits for room
        self._last_arrival = 0.0
        self._round_trip = 0.0
        self._asked = -1.0  # when that was sent which is about to be acknowledged
        self._timeout = _FIRST_TIMEOUT
        self._timer: Planned | None = None
        self._wake: Planned | None = None
        self._tries = 0
        self._since = 0.0  # when what has no answer was sent
        self._stopped = False

    def took(self, round_trip: float) -> None:
        """Tells how long an answer takes, in seconds."""
        self._round_trip = round_trip
        self._timeout = _FIRST_TIMEOUT + round_trip

    def passes(self) -> float | None:
        """Returns when a segment without bytes arrives, behind all that was sent; None if it is lost."""
        when = self.end.line_out.in_order(HEADER)
        if when is None:
            return None
        self._last_arrival = max(self._last_arrival, when)
        return self._last_arrival

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Buffers bytes and sends what the peer takes; returns how many there was room for.

        Raises:
            BlockingIOError: There was room for none.
        """
        size = len(data)
        if not size:
            return 0
        room = self.capacity - self._written + self.acked
        if self._acks and (size > room or self._written + size > self._edge):  # what is known may be old
            self._catch_up()
            room = self.capacity - self._written + self.acked
        if size > room:
            self.expect()
            if room <= 0:
                raise would_block()
            data = first(data, room)
            size = room
        elif type(data) is not bytes:
            data = bytes(data)
        self._written += size
        if not self._pending and self._written <= self._edge:
            self._transmit(data)
        else:
            self._pending.append(data)
            self._push()
        return size

    def finish(self) -> None:
        """Sends the end of the stream behind everything else."""
        self._ending = True
        self._push()

    @property
    def unsent(self) -> bool:
        """Whether something has not been sent yet, which happens for want of the peer's room."""
        return bool(self._pending) or self._ending

    def acknowledged(self) -> bool:
        """Whether the peer has let know that it has everything."""
        self._catch_up()
        return not self.unsent and self.acked >= self._sent

    def expect(self) -> None:
        """Has the acknowledgements that come be events, one after the other, until there is room."""
        self._hungry = True
        self._listen()

    def writable(self) -> bool:
        """Whether a third of the buffer is free; see sk_stream_is_writeable of Linux."""
        if 3 * (self._written - self.acked) <= 2 * self.capacity:
            return True
        if self._acks:
            self._catch_up()
            if 3 * (self._written - self.acked) <= 2 * self.capacity:
                return True
        self.expect()
        return False

    @property
    def flow(self) -> str:
        """What the connection is called."""
        return self.end.flow

    def waits(self) -> str:
        """Says what has not been acknowledged, and why; empty if everything has."""
        now = self.end.kernel.scheduler.now
        acked = max([self.acked, *(acked for when, acked, _ in self._acks if when <= now)])
        if acked == self._written + (self._sent > self._written) and not self._ending:
            return ""
        unsent = sum(map(len, self._pending))
        parts = [f"{self._written - acked} bytes are not acknowledged"]
        if unsent:
            parts.append(f"of which {unsent} wait for room in the window of the peer, who does not read")
        if self._ending or self._sent > self._written:
            parts.append("the end of the stream is not either")
        if self._lost and self._timer is not None:
            parts.append(f"what was lost goes again at {self._timer.when:.6f} s")
        return ", ".join(parts)

    def stop(self) -> None:
        """Forgets everything; what is under way still arrives."""
        self._stopped = True
        for planned in (self._timer, self._wake):
            if planned is not None:
                planned.cancel()
        self._timer = self._wake = None
        self._ending = self._hungry = False
        self._pending.clear()
        self._lost.clear()
        self._acks.clear()

    def _transmit(self, data: bytes) -> None:
        end = self.end
        kernel = end.kernel
        kind = "send" if data else "fin"
        size = len(data)
        number = kernel.trace.add(kind, kernel.host, end.peer_host, end.flow, "", size, -1, data)
        segment = Segment(self._sent, data, number, kernel.scheduler.now)
        self._sent = segment.end
        self._launch(segment)

    def _launch(self, segment: Segment) -> None:
        end = self.end
        self._in_flight += 1
        when = end.line_out.in_order(len(segment.data) + HEADER)
        if when is None:
            self.dropped(segment, why_lost(end.line_out))
            return
        if when < self._last_arrival:
            when = self._last_arrival
        else:
            self._last_arrival = when
        end.kernel.scheduler.call_at(when, self._peer.arrive, segment, self)

    def dropped(self, segment: Segment, why: str) -> None:
        """Tells that a segment has not arrived."""
        end = self.end
        kernel = end.kernel
        kernel.trace.add("drop", end.peer_host, kernel.host, end.flow, why, len(segment.data), segment.number)
        self._in_flight -= 1
        if not self._stopped:
            insort(self._lost, segment, key=_start)
            self._arm(segment.sent)

    def arrived(self, segment: Segment) -> None:
        """Tells that a segment has arrived; how long its acknowledgement takes is how long one takes now."""
        self._in_flight -= 1
        self._asked = segment.sent

    def hear(self, when: float | None, acked: int, edge: int) -> None:
        """Tells what is going to be known here, and when.

        Args:
            when: Virtual seconds; None if the acknowledgement is lost.
            acked: The number up to which the peer has everything.
            edge: The number up to which it takes bytes.
        """
        if self._stopped:
            return
        if when is None:
            self._arm(self.end.kernel.scheduler.now)
            return
        acks = self._acks
        if acks:
            if len(acks) >= 32:
                self._catch_up()
            if acks and when < acks[-1][0]:
                when = acks[-1][0]
        if self._asked >= 0:
            self._round_trip = when - self._asked
            self._asked = -1.0
        acks.append((when, acked, edge))
        if self._wake is None and (self._hungry or self._pending or self._ending or self._timer is not None):
            self._wake = self.end.kernel.scheduler.call_at(acks[0][0], self._heard)

    def _listen(self) -> None:
        """Has the next acknowledgement be an event."""
        if self._wake is None and self._acks:
            self._wake = self.end.kernel.scheduler.call_at(self._acks[0][0], self._heard)

    def _catch_up(self) -> None:
        """Takes in the acknowledgements that have come."""
        acks = self._acks
        now = self.end.kernel.scheduler.now
        while acks and acks[0][0] <= now:
            self.heard, acked, edge = acks.popleft()
            if acked > self.acked or edge > self._edge:
                self.acked = acked
                self._edge = edge
                self._timeout = _FIRST_TIMEOUT + self._round_trip
            self._tries = 0
            self._since = self.heard

    def _heard(self) -> None:
        self._wake = None
        if self._stopped or not self.end.kernel.alive:
            return
        recovering = self._tries > 0
        self._catch_up()
        if recovering:  # the peer lives: no need to wait longer with what else is lost
            lost, self._lost = self._lost, []
            for segment in lost:
                self._resend(segment)
        self._push()
        if self._timer is not None and not self._lost and not self._pending and self.acked == self._sent:
            self._timer.cancel()
            self._timer = None
        if self._hungry and 3 * (self._written - self.acked) <= 2 * self.capacity:
            self._hungry = False
            self.end.changed()
        if self._hungry or self._pending or self._ending or self._timer is not None:
            self._listen()

    def _push(self) -> None:
        """Sends what is pending as far as the peer takes it."""
        pending = self._pending
        while pending:
            room = self._edge - self._sent
            if room <= 0:
                if self.acked == self._sent:
                    self._arm(self.end.kernel.scheduler.now)  # what tells of room may be lost: ask
                self._listen()
                return
            data = pending.popleft()
            if len(data) > room:
                pending.appendleft(data[room:])
                data = data[:room]
            self._transmit(data)
        if self._ending:
            self._ending = False
            self._written += 1
            self._transmit(b"")

    def _arm(self, since: float) -> None:
        """Has the retransmission timer run, from a moment that may have passed."""
        if self._timer is not None:
            return
        self._catch_up()
        if not self._tries:
            self._since = since
        when = since + self._timeout
        limit = self.end.user_timeout
        if limit:
            when = min(when, max(self._since + limit, self.end.kernel.scheduler.now))
        self._timer = self.end.kernel.scheduler.call_at(when, self._timed_out)
        self._listen()

    def _timed_out(self) -> None:
        self._timer = None
        end = self.end
        if self._stopped or not end.kernel.alive:
            return
        self._catch_up()
        now = end.kernel.scheduler.now
        if not self._lost:
            if self.acked == self._sent and not self._pending:
                return
            if self._in_flight or self._acks:  # an answer is under way: it is only slow
                self._arm(now)
                return
        limit = end.user_timeout
        if self._tries > _TRIES - 1 or (limit and now >= self._since + limit):
            end.give_up(errno.ETIMEDOUT)
            return
        self._tries += 1
        self._timeout = min(2 * self._timeout, _LONGEST_TIMEOUT)
        if self._lost:
            self._resend(self._lost.pop(0))
        else:
            self._probe()
        if not self._stopped:
            self._arm(now)

    def _resend(self, segment: Segment) -> None:
        end = self.end
        kernel = end.kernel
        segment.number = kernel.trace.add(
            "retransmit", kernel.host, end.peer_host, end.flow, "", len(segment.data), segment.number
        )
        segment.sent = kernel.scheduler.now
        self._launch(segment)

    def _probe(self) -> None:
        """Asks what the peer has got and takes: a segment that it has already, or a window probe."""
        end = self.end
        when = self.passes()
        if when is None:
            note_lost(end.kernel, end.line_out, end.flow, "window probe")
        else:
            end.kernel.scheduler.call_at(when, self._peer.probed, self)
