"""A datagram connection with a life of its own: dialled, or enrolled as a connected socket."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection.core import (
    CONGESTED,
    PAUSED,
    UNWATCHED,
    Event,
    Host,
    PausableConnection,
    Served,
    State,
    checking,
    failed,
    react,
    run,
)
from netcore.connection.datagram.outbox import DatagramOutbox, owned, read_whole
from netcore.connection.datagram.port import too_long
from netcore.connection.datagram.reading import DatagramReading
from netcore.errors import ConnectionClosedError
from netcore.handler import CloseReason
from netcore.poll import Interest
from netcore.sockets import CONNECTED, pack_receiver

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CheckedDatagramConnection", "DatagramConnection"]

_REST = 0.01
"""Seconds for which a socket is left alone whose poller has reported an error that it does not have."""

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)


class DatagramConnection(DatagramReading, PausableConnection):
    """Datagrams to and from one peer. An error that the network reports does not end it by itself.

    Attributes:
        data: What is left to read of the present datagram.
        outbox: What has been written.
        receiving: Whether datagrams are wanted.
    """

    data: bytes | memoryview

    __slots__ = (
        *PausableConnection.FIELDS,
        "_family",
        "_held",
        "_wants_write",
        "data",
        "outbox",
        "receiving",
    )

    def __init__(self, host: Host, fd: int, family: int, remote: Address, local: Address | None) -> None:
        """Takes over an attached, connected descriptor.

        Args:
            host: The loop that serves it.
            fd: The descriptor.
            family: AF_INET or AF_INET6.
            remote: The peer's address.
            local: This side's address; None to ask the system when it is wanted.
        """
        super().__init__(host, fd, "udp", remote, local)
        self._family = family
        self._held: deque[tuple[bytes | None, bytes]] = deque()  # received before a pause in mid-batch
        self._wants_write = False
        self.data: bytes | memoryview = b""
        self.outbox = DatagramOutbox(host, fd, self)
        self.receiving = True

    @property
    def loop(self) -> Host:
        """See ``Conn.loop``."""
        return self._host

    def entered(self, state: State) -> None:
        """See ``Connection.entered``."""
        self._decide_receiving()
        if state.drops_output:
            self.outbox.close()

    # Writing.

    @property
    def outbound_buffered(self) -> int:
        """See ``Conn.outbound_buffered``."""
        return self.outbox.buffered + self.pledged

    @property
    def backlogged(self) -> int:
        """See ``Connection.backlogged``."""
        return self.outbox.buffered

    @property
    def memory_waiting(self) -> int:
        """See ``Connection.memory_waiting``."""
        return self.outbox.waiting

    @property
    def writable(self) -> bool:
        """See ``Conn.writable``."""
        if self._flags & CONGESTED or self.expects_too_much:
            return False
        return self.outbox.writable and self.state.writes

    def write(self, data: Buffer) -> int:
        """See ``Conn.write``: one datagram, even if it is empty."""
        return self._send(owned(data), CONNECTED)

    def writev(self, chunks: Iterable[Buffer]) -> int:
        """See ``Conn``; the pieces make one datagram, as the system call does, and no pieces make none."""
        pieces = list(map(owned, chunks))
        self._check_writable()
        return self._send(b"".join(pieces), CONNECTED) if pieces else 0

    def read_from(self, file: BinaryIO) -> int:
        """See ``Conn.read_from``: what the file has makes one datagram."""
        return read_whole(file, self.write)

    def send_to(self, data: Buffer, address: Address) -> int:
        """See ``Conn.send_to``; BSD and macOS refuse it on a connected socket (EISCONN to ``on_error``)."""
        return self._send(owned(data), pack_receiver(Address.parse(address), self._family))

    def flush(self) -> None:
        """See ``Conn.flush``."""
        self.outbox.flush_early()

    def put(self, chunks: Iterable[bytes]) -> None:
        """See ``Connection.put``."""
        DatagramConnection.writev(self, chunks)

    def _send(self, chunk: bytes, name: bytes) -> int:
        self._check_writable()
        self.outbox.add(chunk, name, self)
        if self.deadlines is not None:
            self.deadlines.queued(len(chunk))
            self._host.settle_later(self)
        return len(chunk)

    def _check_writable(self) -> None:
        if not self.state.writes:
            raise ConnectionClosedError(f"connection {self.id} is {self.state.label}: nothing can be written")

    # What the outbox reports; see ``DatagramOwner``.

    def sent(self, size: int) -> None:
        """See ``DatagramOwner.sent``."""
        self.bytes_sent += size

    def conn_to(self, name: bytes, /) -> Served:
        """See ``DatagramOwner.conn_to``: whomever it went to, this one wrote it."""
        return self

    def send_failed(self, sender: Served, error: OSError) -> None:
        """See ``DatagramOwner.send_failed``."""
        if not self.closed:
            run(self._host, self, self._host.handler.on_error, error)

    def overflowed(self, waiting: int) -> None:
        """See ``DatagramOwner.overflowed``: ends the connection, as with a stream."""
        most = self._host.limits.max_outbound
        error = OSError(errno.ENOBUFS, f"{waiting} bytes wait to be sent, {most} may")
        self.reset(CloseReason.OVERFLOW, error)

    def had_share(self) -> None:
        """See ``DatagramOwner.had_share``: it goes on in the next turn, as a stream does."""
        self._mark(CONGESTED, True)
        self._host.settle_later(self)

    def drained(self) -> None:
        """See ``DatagramOwner.drained``."""
        self._mark(CONGESTED, True)  # ``settle`` goes on from here
        self._host.settle_later(self)

    def watch_writable(self, on: bool) -> None:
        """See ``DatagramOwner.watch_writable``."""
        self._wants_write = on
        self._host.settle_later(self)

    # Reading.

    def set_paused(self, paused: bool) -> None:
        """See ``PausableConnection.set_paused``."""
        self._mark(PAUSED, paused)
        self._decide_receiving()
        self._host.settle_later(self)

    def go_on(self) -> None:
        """See ``PausableConnection.go_on``."""
        self.set_paused(False)
        if self._held and self.receiving:
            self._host.post(self._deliver_held)

    def _decide_receiving(self) -> None:
        self.receiving = self.state.receives and not self._flags & PAUSED

    def _deliver_held(self) -> None:
        held, self._held = self._held, deque()
        self._hand_over(list(held))

    def deliver(self, datagrams: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Calls ``on_traffic`` once for each datagram; the loop's thread."""
        self.bytes_received += sum([len(data) for data, _ in datagrams if data])
        self._hand_over(datagrams)

    def _hand_over(self, datagrams: Sequence[tuple[bytes | None, bytes]]) -> None:
        host = self._host
        if self.deadlines is not None:
            host.now()  # other callbacks of this turn may have taken long
        meter = host.counters.meter
        if meter is not None:
            meter.look()
        for i, (data, _) in enumerate(datagrams):
            if not self.receiving or self._held:
                if not self.closed:
                    self._held.extend(datagrams[i:])
                return
            if data is None:
                run(host, self, host.handler.on_error, too_long())
                continue
            self.data = data
            if self.deadlines is not None:
                self.deadlines.last_in = host.time
            on_traffic = host.handler.on_traffic
            try:
                action = on_traffic(self)
            except BaseException as error:
                action = None
                failed(host, self, error)
            else:
                if meter is not None:
                    meter.called()
            self.data = b""
            if host.inbox.views:
                host.inbox.release_views()
            if action is not None:
                react(host, self, on_traffic, action)

    def receive_failed(self, code: int, name: bytes = CONNECTED) -> None:
        """Reports a negative errno of receiving, such as that of an ICMP message."""
        if not self.closed:
            run(self._host, self, self._host.handler.on_error, system_error(code))

    def rest(self) -> None:
        """Has the poller leave the socket alone for a moment."""
        if self.interest != UNWATCHED:
            self._host.watch(self.fd, self.interest, UNWATCHED)
            self.interest = UNWATCHED
            self._host.schedule(_REST, self._rested)

    def _rested(self) -> None:
        if self.interest == UNWATCHED and self.state is not State.CLOSED:
            self._watch()

    def forget_input(self) -> None:
        """See ``Connection.forget_input``."""
        self.data = b""
        self._held.clear()

    # The end of a turn.

    def offer(self) -> None:
        """See ``Connection.offer``."""
        self.outbox.refill()
        self.outbox.flush_early()

    def settle(self) -> None:
        """See ``Connection.settle``."""
        if self.ending is not None and self.ending.over:
            return
        self.outbox.settle()
        if self.deadlines is not None:
            self.deadlines.flushed(self.outbox.buffered, self._host.now())
            self._host.plan(self.deadlines)
        if self.state is State.CLOSING and self.outbox.is_empty:
            self.advance(Event.FLUSHED)
        if self.state is State.CLOSED:
            self.leave()
            return
        if self.state is State.CLOSING:
            self.await_flush()
        self._watch()
        low = self._host.limits.low_water
        if self._flags & CONGESTED and not self.outbox.congested and self.pledged <= low:
            if self.outbox.has_had_share:
                self._host.settle_next_turn(self)
                return
            self._mark(CONGESTED, False)
            if self.state.writes:
                run(self._host, self, self._host.handler.on_writable)

    def _watch(self) -> None:
        wanted = (_READ if self.receiving else 0) | (_WRITE if self._wants_write else 0)
        if wanted and self._host.limits.edge_chunk:
            wanted |= _EDGE  # every change arms the edge anew, so none is lost in a pause
        self.watch_for(wanted)


@checking
class CheckedDatagramConnection(DatagramConnection):
    """Raises ``WrongThreadError`` where a method of the loop's thread is called on another one."""

    __slots__ = ()
