"""The writing half of a stream connection.

A write is noted down in the loop's outbox, and all that a turn has written leaves in one batch. What the
kernel did not take comes back into the backlog, and from then on writes queue up behind it until the
socket is writable again and the backlog has been sent.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from netcore.address import Address
from netcore.buffer import LinkedListBuffer
from netcore.connection.core.callbacks import run
from netcore.connection.core.state import Event, State
from netcore.connection.stream.backlog import MixedBacklog
from netcore.connection.stream.reading import InboundStream
from netcore.errors import ConnectionClosedError, UnsupportedOperationError
from netcore.handler import CloseReason
from netcore.sockets import Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from netcore.connection.core.host import Host

__all__ = ["OutboundStream"]

_FILE_PIECE = 65536
"""Bytes read from a file at once."""

_VIEW_WORTH_KEEPING = 8192
"""From this size on a view of the arena goes to the kernel as it is; copying less costs less."""

_CROWDED = 64
"""Beyond so many chunks in the outbox it is cheaper to send them than to count one connection's."""


class OutboundStream(InboundStream):
    """Notes writes down for the turn's batch; keeps a backlog for a peer that is slow.

    Attributes:
        congested: Whether unsent output has reached the high-water mark and not yet fallen to the low one.
    """

    __slots__ = ("_backlog", "_blocked", "_direct", "_outbox", "congested")

    def __init__(
        self, host: Host, fd: int, network: str, remote: bytes | Address, local: Address | None
    ) -> None:
        super().__init__(host, fd, network, remote, local)
        self.congested = False
        self._outbox = host.outbox
        self._backlog: LinkedListBuffer | MixedBacklog | None = None
        # Whether the kernel refused some of it, so that it will report when it takes more.
        self._blocked = False
        # Whether a write may go straight to the outbox: open, and nothing waits in front.
        self._direct = True

    def entered(self, state: State) -> None:
        """See ``Connection.entered``."""
        super().entered(state)
        if not state.writes:
            self._direct = False
            if state.drops_output and self._backlog is not None:
                self._backlog.release()
                self._backlog = None

    @property
    def outbound_buffered(self) -> int:
        """See ``Conn.outbound_buffered``."""
        if len(self._outbox.fds) > _CROWDED:
            self._host.flush()
        return self._outbox.bytes_for(self.fd) + self.backlogged

    @property
    def backlogged(self) -> int:
        """Bytes that the kernel has not taken when they were offered, or that wait behind such; files too."""
        backlog = self._backlog  # asked on other threads too, for the metrics
        return 0 if backlog is None else backlog.buffered

    @property
    def writable(self) -> bool:
        """See ``Conn.writable``; who writes while this holds would never end on a broken connection."""
        return not self.congested and self.state.writes

    def write(self, data: Buffer) -> int:
        """See ``Conn.write``."""
        if type(data) is bytes and self._direct:
            outbox = self._outbox
            outbox.fds.append(self.fd)
            outbox.chunks.append(data)
            n = len(data)
            outbox.size += n
            if self.deadlines is not None:
                self.deadlines.wrote(n, self._host.time)
            if outbox.size >= outbox.limit:
                self._flush_early(n)
            return n
        if self._refuses_writes():
            return memoryview(data).nbytes
        chunk = self._owned(data)
        if self._backlog is not None:
            if self.deadlines is not None:
                self.deadlines.queued(len(chunk))
            self._backlog.write(chunk)
            self._check_water()
        else:
            if self.deadlines is not None:
                self.deadlines.wrote(len(chunk), self._host.time)
            self._outbox.add(self.fd, chunk)
            if self._outbox.size >= self._outbox.limit:
                self._flush_early(len(chunk))
        return len(chunk)

    def writev(self, chunks: Iterable[Buffer]) -> int:
        """See ``Conn.writev``."""
        return sum(map(self.write, chunks))

    def read_from(self, file: BinaryIO) -> int:
        """See ``Conn.read_from``."""
        total = 0
        while piece := file.read(_FILE_PIECE):
            total += self.write(piece)
        return total

    def send_to(self, data: Buffer, address: Address) -> int:
        """See ``Conn.send_to``."""
        raise UnsupportedOperationError("send_to needs a datagram connection, and this one is a stream")

    def flush(self) -> None:
        """See ``Conn.flush``."""
        self._host.flush()

    def _flush_early(self, n: int) -> None:
        """Sends a full outbox, the last chunk of which is ``n`` bytes of this connection."""
        self._host.flush()
        limits = self._host.limits
        if n >= limits.high_water and not self.congested:
            # The kernel took most of it, in the midst of the write. Who waits for on_writable after so large
            # a write must not depend on how fast the peer happens to read.
            if self.backlogged > limits.low_water:
                self.congested = True
            else:
                self._host.post(self._tell_writable)

    def _tell_writable(self) -> None:
        if not self.congested and self.state.writes:
            run(self._host, self, self._host.handler.on_writable)

    def _refuses_writes(self) -> bool:
        """Raises if writing is over; True if it has failed, which ``on_close`` is about to tell.

        A peer's reset must not make every handler that still answers raise, so these writes vanish,
        as those do that the kernel accepts just before it learns of the reset.
        """
        if self.state is State.FAILED:
            return True
        if not self.state.writes:
            raise ConnectionClosedError(f"connection {self.id} is {self.state.label}: nothing can be written")
        return False

    def _owned(self, data: Buffer) -> Chunk:
        """Makes a chunk that nobody changes before the end of the turn."""
        if type(data) is bytes:
            return data
        view = memoryview(data)
        whole = view.format == "B" and view.contiguous
        if whole and view.obj is self._host.arena and view.nbytes >= _VIEW_WORTH_KEEPING:
            return view[:]  # a view of our own: the handler's is released after the callback
        return bytes(view)

    def unsent(self, chunk: Chunk, n: int) -> None:
        """Takes back the end of a chunk that the kernel did not take.

        The host calls this for the chunks of a batch in reverse order.

        Args:
            chunk: What was to be sent.
            n: How many bytes of it, counted from its end, were not.
        """
        if self.state.drops_output:
            return
        if self._backlog is None:
            self._backlog = LinkedListBuffer()
        self._direct = False
        self._blocked = True
        self._backlog.prepend(chunk if n == len(chunk) else memoryview(chunk)[-n:])
        self._host.settle_later(self)
        self._check_water()

    def refill(self) -> None:
        """Puts the next part of the backlog into the outbox, since the socket is writable again."""
        if self._backlog is not None:
            self._blocked = False
            for chunk in self._backlog.pop_chunks(self._host.limits.write_cap):
                self._outbox.add(self.fd, chunk)
            self._host.settle_later(self)

    def tidy(self) -> None:
        """Lets go of an empty backlog; writes then go straight to the outbox again."""
        if self._backlog is not None and self._backlog.is_empty:
            self._backlog = None
        self._direct = self._backlog is None and self.state.writes

    def _check_water(self) -> None:
        limits = self._host.limits
        backlog = self._backlog
        waiting = self.backlogged
        held = backlog.in_memory if isinstance(backlog, MixedBacklog) else waiting
        if held > limits.max_outbound:
            error = OSError(errno.ENOBUFS, f"{held} bytes wait for the peer, {limits.max_outbound} may")
            self.end(Event.ABORT, CloseReason.OVERFLOW, error).reset = True
        elif waiting >= limits.high_water:
            self.congested = True
