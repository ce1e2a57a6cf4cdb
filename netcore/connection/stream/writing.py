"""The writing half of a stream connection.

A write is noted down in the loop's outbox, and all that a turn has written leaves in one batch. What the
kernel did not take comes back into the backlog, and from then on writes queue up behind it until the
socket is writable again and the backlog has been sent.
"""

from __future__ import annotations

import abc
import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection.core import CONGESTED, NO_FIELDS, TRANSITIONS, Event, State
from netcore.connection.stream import files
from netcore.connection.stream.backlog import Backlog, FilePart
from netcore.connection.stream.outbox import BaseOutbox, StreamHost
from netcore.connection.stream.reading import ReadingHalf
from netcore.errors import ConnectionClosedError, UnsupportedOperationError, WrongThreadError
from netcore.handler import CloseReason
from netcore.sockets import Chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LARGE", "WritingHalf"]

_FILE_PIECE = 65536
"""Bytes read from a file at once."""

_VIEW_WORTH_KEEPING = 8192
"""From this size on a view of the arena, or of bytes, goes to the kernel as it is; less is copied sooner."""

LARGE = 16384
"""Bytes from which on a write is offered to the kernel at once, while they are in the caches."""

_CROWDED = 64
"""Beyond so many entries in the outbox it is cheaper to send them than to count one connection's."""


class WritingHalf(ReadingHalf):
    """Notes writes down for the turn's batch; keeps a backlog for a peer that is slow.

    Attributes:
        wire: See ``Writer.wire``.
    """

    __slots__ = NO_FIELDS

    FIELDS = (*ReadingHalf.FIELDS, "_backlog", "_straight", "wire")

    wire: int
    _host: StreamHost
    _backlog: Backlog | None
    """What the kernel has not taken, and what was written since."""
    _straight: BaseOutbox | None
    """The outbox, where a write may go straight to it: open, and with nothing that waits in front."""

    def entered(self, state: State) -> None:
        """See ``Connection.entered``."""
        super().entered(state)
        if not state.writes:
            self._straight = None
            if state.drops_output and self._backlog is not None:  # nobody will take it
                self._host.freed(self._backlog.peak)
                self._backlog.release()
                self._backlog = None

    # What the application asks for.

    @property
    def outbound_buffered(self) -> int:
        """See ``Conn.outbound_buffered``."""
        outbox = self._host.outbox
        if len(outbox) > _CROWDED and self._host.in_loop():
            outbox.flush_early()
        return outbox.bytes_of(self) + self.backlogged + self.pledged

    @property
    def backlogged(self) -> int:
        """Bytes that the kernel has not taken when they were offered, or that wait behind such; files too."""
        backlog = self._backlog  # asked on other threads too, for the metrics
        return 0 if backlog is None else backlog.buffered

    @property
    def memory_waiting(self) -> int:
        """See ``Connection.memory_waiting``."""
        return self.backlogged - self.file_bytes

    @property
    def congested(self) -> bool:
        """Whether unsent output has reached the high-water mark, and not yet fallen to the low one."""
        return self._flags & CONGESTED != 0

    @property
    def writable(self) -> bool:
        """See ``Conn.writable``; who writes while this holds would never end on a broken connection."""
        return not self._flags & CONGESTED and self.state.writes and not self.expects_too_much

    def write(self, data: Buffer) -> int:
        """See ``Conn.write``. Each class of streams has a short way to do the same in the usual case."""
        chunk = self._owned(data)  # first: what is no buffer, or has code of its own, changes nothing
        if self._refuses_writes():
            return len(chunk)
        self._check_thread("write")
        outbox = self._host.outbox
        if len(chunk) >= LARGE and self._straight is not None and not len(outbox):
            return self._send_now(chunk)
        self.accept(chunk)
        if outbox.size >= outbox.limit:
            self._flush_early()
        return len(chunk)

    def _send_now(self, chunk: Chunk) -> int:
        """Offers the kernel a large chunk, before which nothing waits."""
        if self.deadlines is not None:
            self.deadlines.wrote(len(chunk), self._host.time)
        self._host.outbox.send_now(self, chunk)
        return len(chunk)

    def writev(self, chunks: Iterable[Buffer]) -> int:
        """See ``Conn.writev``."""
        owned: list[Chunk] = []
        here = total = 0
        for chunk in map(self._owned, chunks):  # all of them first: a wrong one leaves nothing of the others
            owned.append(chunk)
            here += len(chunk)
            if here > self._host.limits.max_outbound:  # no more than may wait for the peer need wait here
                total += sum(map(self.write, owned))
                owned, here = [], 0
        return total + sum(map(self.write, owned))

    def read_from(self, file: BinaryIO) -> int:
        """See ``Conn.read_from``."""
        files.check_readable(file)
        total = 0
        while piece := file.read(_FILE_PIECE):
            total += self.write(piece)
        return total

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """See ``Conn.sendfile``."""
        offset, count = files.check(file, offset, count)
        failed = self._refuses_writes()
        self._check_thread("sendfile")
        part = files.extract(file, offset, count, self._host.open_files)
        if part is None:
            return files.copy(file, offset, count, self.write)
        if isinstance(part, bytes):
            return self.write(part) if part else 0
        n = part.left
        if failed:
            part.close()
        else:
            if self.deadlines is not None:
                self.deadlines.queued(n)
            self.accept_file(part)
            self._host.outbox.count(self, n)
            self._check_water()
            self._host.settle_later(self)  # which sends it after what the outbox has
        return n

    def send_to(self, data: Buffer, address: Address) -> int:
        """See ``Conn.send_to``."""
        raise UnsupportedOperationError("send_to needs a datagram connection, and this one is a stream")

    def flush(self) -> None:
        """See ``Conn.flush``."""
        self._check_thread("flush")
        self._host.outbox.flush_early()
        self.send_files()

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

    def _check_thread(self, method: str) -> None:
        """Refuses what takes more than one step, and so cannot be done beside the loop's thread."""
        if not self._host.in_loop():
            text = f"{method} of connection {self.id} was called on another thread than its loop's"
            raise WrongThreadError(f"{text}: use async_write or loop.execute")

    def _owned(self, data: Buffer) -> Chunk:
        """Makes a chunk that nobody changes before the end of the turn."""
        if type(data) is bytes:
            return data
        view = memoryview(data)  # of our own: a view of the handler's is released after the callback
        flat = view.format == "B" and view.ndim == 1 and view.contiguous
        lasting = type(view.obj) is bytes or view.obj is self._host.inbox.arena
        if flat and lasting and view.nbytes >= _VIEW_WORTH_KEEPING:
            return view
        with view:
            return view.tobytes()

    def _flush_early(self) -> None:
        """Sends a full outbox."""
        if self._host.in_loop():  # else it is a mistake, and two batches at once would make a worse one of it
            self._host.outbox.flush_early()

    def had_share(self) -> None:
        """See ``Writer.had_share``: who writes while this is writable goes on in the next turn.

        A peer that takes all at once must not keep the loop for itself, and who waits for ``on_writable``
        after so large a write must not depend on how fast the peer happens to read.
        """
        if self.state.writes:
            self._mark(CONGESTED, True)
            self._host.settle_later(self)

    # How it leaves.

    @abc.abstractmethod
    def write_failed(self, code: int) -> None:
        """See ``Writer.write_failed``."""

    def accept(self, chunk: Chunk) -> None:
        """Takes output of the application that cannot go the short way."""
        self.send_off(chunk)

    def accept_file(self, part: FilePart) -> None:
        """Takes a part of a file, behind all that has been written."""
        if self._backlog is None:
            self._backlog = Backlog(self._host.limits.write_cap)
            self._straight = None
        elif not self._backlog.in_files:
            self._backlog.allowance = self._host.limits.write_cap
        self._backlog.add_file(part)

    def send_off(self, chunk: Chunk) -> None:
        """Has a chunk leave at the end of the turn, behind what waits if anything does."""
        if self._backlog is not None:
            if self.deadlines is not None:
                self.deadlines.queued(len(chunk))
            self._backlog.write(chunk)
            self._check_water()
        else:
            if self.deadlines is not None:
                self.deadlines.wrote(len(chunk), self._host.time)
            self._host.outbox.add(self, chunk)

    def unsent(self, chunk: Chunk, n: int) -> None:
        """See ``Writer.unsent``."""
        if self.state.drops_output:
            return
        if self._backlog is None:
            self._backlog = Backlog()
        self._straight = None
        self._backlog.blocked = True
        self._backlog.prepend(chunk if n == len(chunk) else memoryview(chunk)[-n:])
        self._host.settle_later(self)
        self._check_water()

    def refill(self) -> None:
        """Puts the next part of the backlog into the outbox, since the socket is writable again."""
        backlog = self._backlog
        if backlog is not None:
            backlog.blocked = False
            backlog.allowance = self._host.limits.write_cap
            self._offer_bytes(backlog)
            self._host.settle_later(self)

    def _offer_bytes(self, backlog: Backlog) -> int:
        held = backlog.in_memory
        for chunk in backlog.pop_chunks(self._host.limits.write_cap):
            self._host.outbox.add(self, chunk)
        return held - backlog.in_memory

    def send_files(self) -> None:
        """Offers the kernel the files that are next. The outbox has been sent: it has nothing of ours."""
        backlog = self._backlog
        if backlog is None or not backlog.in_files:
            return
        while not backlog.blocked and not backlog.is_empty:
            part = backlog.file
            if backlog.allowance <= 0:
                return  # until the socket is reported to be writable
            if part is None:
                backlog.allowance -= self._offer_bytes(backlog)
                self._host.outbox.flush()  # before the file behind it, and before a FIN
            else:
                self._send_part(backlog, part)

    def _send_part(self, backlog: Backlog, part: FilePart) -> None:
        count = min(part.left, backlog.allowance)
        n = self._host.sockets.sendfile(self.fd, part.fd, part.offset, count)
        if n > 0:
            self._host.counters.bytes_sent += n
            self.bytes_sent += n
            backlog.file_sent(n)
        elif n == -errno.EAGAIN:
            backlog.blocked = True
        elif n == 0:
            self.file_ended(part)
        elif Event.WRITE_ERROR in TRANSITIONS[self.state]:
            self.end(Event.WRITE_ERROR, CloseReason.ERROR, system_error(n)).reset = True

    def file_ended(self, part: FilePart) -> None:
        """Ends the connection with RST, lest the peer take what it has got of a file for all there is."""
        error = OSError(errno.EIO, f"a file being sent ended {part.left} bytes too early")
        self.end(Event.ABORT, CloseReason.ERROR, error).reset = True

    @property
    def file_bytes(self) -> int:
        """Bytes of files that have not been sent."""
        return 0 if self._backlog is None else self._backlog.in_files

    def await_flush(self) -> None:
        """See ``Connection.await_flush``; a file may take as long as it goes on."""
        ending = self.ending
        if ending is not None and ending.timer is None and self.file_bytes:
            timeout = self._host.limits.close_timeout
            ending.timer = self._host.schedule(timeout, self._look_after_files, self.file_bytes)
        else:
            super().await_flush()

    def _look_after_files(self, before: int) -> None:
        if self.ending is not None and self.file_bytes < before:
            self.ending.timer = None
            self.await_flush()
        else:
            self.give_up()

    def tidy(self) -> None:
        """Lets go of an empty backlog."""
        if self._backlog is not None and self._backlog.is_empty:
            self._host.freed(self._backlog.peak)
            self._backlog = None

    def _check_water(self) -> None:
        limits = self._host.limits
        waiting = self.backlogged + self.pledged
        held = waiting - self.file_bytes
        if self._backlog is not None:
            held += self._backlog.held - self._backlog.in_memory
        if held > limits.max_outbound:
            error = OSError(errno.ENOBUFS, f"{held} bytes wait for the peer, {limits.max_outbound} may")
            self.end(Event.ABORT, CloseReason.OVERFLOW, error).reset = True
        elif waiting >= limits.high_water:
            self._mark(CONGESTED, True)
