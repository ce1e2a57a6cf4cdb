"""Sending files, in order with what is written.

A file waits in the backlog as a descriptor and two numbers, and goes from the page cache to the socket by
sendfile(2) when everything before it has left. So a file of any size takes no memory, and counts for the
water marks but not for the hard limit.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import BinaryIO

from netcore._native import error as system_error
from netcore._platform import read_at
from netcore.connection.core.state import TRANSITIONS, Event
from netcore.connection.stream.backlog import FilePart, MixedBacklog
from netcore.connection.stream.writing import OutboundStream
from netcore.handler import CloseReason

__all__ = ["FilingStream"]

_PIECE = 65536
"""Bytes read at once from what is no regular file."""

_SMALL = 16384
"""Up to so many bytes are read at once and join the turn's batch: that takes fewer system calls."""


class FilingStream(OutboundStream):
    """Adds files to what can be written."""

    __slots__ = ()

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """See ``Conn.sendfile``."""
        _check(file, offset, count)
        failed = self._refuses_writes()
        size = _regular_size(file)
        if size is None:
            return self._copy(file, offset, count)
        n = max(size - offset, 0)
        if count is not None and count < n:
            n = count
        if n <= _SMALL:
            return self.write(read_at(file.fileno(), n, offset)) if n else 0
        if not failed:
            self._enqueue(FilePart(os.dup(file.fileno()), offset, n))
        return n

    def _copy(self, file: BinaryIO, offset: int, count: int | None) -> int:
        """Writes what is no regular file, a pipe or bytes in memory, which can only be read here and now."""
        position = file.tell() if _can(file, "seekable") else None
        if position is not None:
            file.seek(offset)
        elif offset:
            raise io.UnsupportedOperation(
                f"{file!r} cannot be sent from byte {offset} on: it has no position"
            )
        total = 0
        try:
            while count is None or total < count:
                piece = file.read(_PIECE if count is None else min(_PIECE, count - total))
                if not piece:
                    break
                total += self.write(piece)
        finally:
            if position is not None:
                file.seek(position)
        return total

    def _enqueue(self, part: FilePart) -> None:
        if self.deadlines is not None:
            self.deadlines.queued(part.left)
        backlog = self._backlog
        if not isinstance(backlog, MixedBacklog):
            backlog = self._backlog = MixedBacklog(backlog)
            backlog.allowance = self._host.limits.write_cap
            self._direct = False
        backlog.add_file(part)
        self._check_water()
        self._host.settle_later(self)  # which sends it after what the outbox has

    @property
    def file_bytes(self) -> int:
        """Bytes of files that have not been sent."""
        return self._backlog.in_files if isinstance(self._backlog, MixedBacklog) else 0

    def refill(self) -> None:
        """See ``OutboundStream.refill``; files go on as well."""
        if isinstance(self._backlog, MixedBacklog):
            self._backlog.allowance = self._host.limits.write_cap
        super().refill()

    def await_flush(self) -> None:
        """See ``LivingConnection.await_flush``; a file may take as long as it goes on."""
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
            self._give_up()

    def flush(self) -> None:
        """See ``Conn.flush``."""
        super().flush()
        self.send_files()

    def send_files(self) -> None:
        """Offers the kernel the files that are next. The outbox has been sent: it has nothing of ours."""
        backlog = self._backlog
        if not isinstance(backlog, MixedBacklog):
            return
        while not self._blocked and not backlog.is_empty:
            part = backlog.file
            if part is None:
                super().refill()
                self._host.flush()  # before the file behind it, and before a FIN
            elif backlog.allowance <= 0:
                return  # until the socket is reported to be writable
            else:
                self._send_part(backlog, part)

    def _send_part(self, backlog: MixedBacklog, part: FilePart) -> None:
        count = min(part.left, backlog.allowance)
        n = self._host.sockets.sendfile(self.fd, part.fd, part.offset, count)
        if n > 0:
            self._host.counters.bytes_sent += n
            backlog.file_sent(n)
        elif n == -errno.EAGAIN:
            self._blocked = True
        else:
            self._file_failed(part, n)

    def _file_failed(self, part: FilePart, code: int) -> None:
        """Ends the connection with RST, lest the peer take what it has got for all there is."""
        if code == 0:
            error = OSError(errno.EIO, f"a file being sent ended {part.left} bytes too early")
            self.end(Event.ABORT, CloseReason.ERROR, error).reset = True
        elif Event.WRITE_ERROR in TRANSITIONS[self.state]:
            self.end(Event.WRITE_ERROR, CloseReason.ERROR, system_error(code)).reset = True


def _check(file: object, offset: int, count: int | None) -> None:
    if not hasattr(file, "read"):
        raise TypeError(f"sendfile needs a file object, not {file!r}")
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"sendfile needs a file opened in binary mode, not {file!r}")
    if offset < 0 or (count is not None and count < 0):
        raise ValueError(f"offset and count must not be negative, and they are {offset} and {count}")
    if not _can(file, "readable"):
        raise io.UnsupportedOperation(f"{file!r} is not readable")


def _can(file: object, what: str) -> bool:
    """Asks a file, taking yes for the answer of those that have not got the question."""
    ask = getattr(file, what, None)
    return ask is None or bool(ask())


def _regular_size(file: BinaryIO) -> int | None:
    """Returns the size of a regular file, or None if it must be read to know what is in it.

    An object that has a descriptor but decodes what it reads, such as a GzipFile, must be read; so must a
    file that claims to be empty, since those of /proc do.
    """
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        return None
    if file.writable():
        file.flush()
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_size else None
