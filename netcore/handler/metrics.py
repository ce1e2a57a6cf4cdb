"""What an operator wants to know of an engine, in numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import ClassVar

__all__ = ["Metrics"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """A snapshot of one loop, or of all loops of an engine added up; every field is an int.

    Those that ``LEVELS`` names are levels: what there is at the moment. The rest counts since the
    start and only ever grows; rates are the difference of two snapshots. The numbers are read while the
    loops go on, so that one may be a turn ahead of another; and what is sent is counted before the system
    call, so that no peer knows of more, and what the kernel has not taken is taken back behind it.

    Attributes:
        LEVELS: The names of those that are no counters.
        connections: Open connections, those included that are on their way to their loop; a server's
            datagrams are none.
        outbound_buffered: Bytes written, files included, that the kernel has not taken.
        tasks_pending: Calls of other threads that wait for their loop.
        timers_armed: Calls planned by ``schedule`` and by deadlines; some cancelled ones may be among them.
        accepted: Connections taken from listeners.
        dialled: Connections that ``dial`` has made.
        dial_failures: Calls of ``dial`` that ended in an error.
        enrolled: Connections that ``enroll`` has taken over.
        unopened: Sockets that were accepted or dialled and ended before their ``on_open``: what has to pass
            before it was wrong, or took too long.
        proxy_failures: Those among them of whose peer a PROXY header was wanted: it was wrong, or did not
            come in time.
        tls_handshakes: TLS handshakes that were done.
        tls_handshake_failures: Those that were not, or not in time. A peer that has not said a byte has begun
            none.
        refused: Peers reset unheard: beyond ``Options.max_connections``, or for want of descriptors.
        accept_failures: Times that accept(2) failed, as with EMFILE.
        closed_local: Connections whose ``close_reason`` was ``LOCAL``.
        closed_eof: The same for ``EOF``.
        closed_error: The same for ``ERROR``.
        closed_timeout: The same for ``TIMEOUT``.
        closed_shutdown: The same for ``SHUTDOWN``.
        closed_overflow: The same for ``OVERFLOW``.
        bytes_received: Bytes received, those of datagrams included.
        bytes_sent: Bytes that the kernel has taken, those of datagrams included.
        messages: Times that a stream's bytes were received and handed to ``on_traffic``.
        datagrams_received: Datagrams received.
        datagrams_sent: Datagrams that the kernel has taken.
        datagrams_dropped: Datagrams of servers that were written while ``Options.max_outbound`` was waiting.
        kcp_refused: Datagrams for KCP that were no good to their session, or could begin none.
        turns: Rounds of the loop: wait, receive, handle, send.
        events: Descriptors reported to be ready, over all turns.
        tasks: Calls of other threads that have been run.
        timers: Planned calls that have been run, those of deadlines included.
        errors: Exceptions of callbacks, tasks and timers.
        hangs: Turns that took longer than ``Options.watchdog``.
    """

    LEVELS: ClassVar[frozenset[str]] = frozenset(
        ("connections", "outbound_buffered", "tasks_pending", "timers_armed")
    )

    connections: int = 0
    outbound_buffered: int = 0
    tasks_pending: int = 0
    timers_armed: int = 0
    accepted: int = 0
    dialled: int = 0
    dial_failures: int = 0
    enrolled: int = 0
    unopened: int = 0
    proxy_failures: int = 0
    tls_handshakes: int = 0
    tls_handshake_failures: int = 0
    refused: int = 0
    accept_failures: int = 0
    closed_local: int = 0
    closed_eof: int = 0
    closed_error: int = 0
    closed_timeout: int = 0
    closed_shutdown: int = 0
    closed_overflow: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    messages: int = 0
    datagrams_received: int = 0
    datagrams_sent: int = 0
    datagrams_dropped: int = 0
    kcp_refused: int = 0
    turns: int = 0
    events: int = 0
    tasks: int = 0
    timers: int = 0
    errors: int = 0
    hangs: int = 0

    @property
    def opened(self) -> int:
        """Connections that were ever opened, however they came about."""
        return self.accepted + self.dialled + self.enrolled

    @property
    def closed(self) -> int:
        """Connections that have ended, for whatever reason."""
        return (
            self.closed_local
            + self.closed_eof
            + self.closed_error
            + self.closed_timeout
            + self.closed_shutdown
            + self.closed_overflow
        )

    @classmethod
    def total(cls, parts: Iterable[Metrics]) -> Metrics:
        """Adds snapshots up."""
        rows = [dataclasses.astuple(part) for part in parts]
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**dict(zip(names, map(sum, zip(*rows, strict=True)), strict=True))) if rows else cls()
