"""What is known of a stream that has a filter, and of what waits in front of it."""

from __future__ import annotations

from netcore._platform import read_at
from netcore.connection.stream.backlog import Backlog, FilePart
from netcore.connection.stream.filters import Filter
from netcore.connection.stream.upgrade import Upgrade
from netcore.sockets import Chunk

__all__ = ["Filtering", "ShortFileError"]

_PIECE = 65536
"""Bytes of a file brought to memory at once, since a filter cannot take it from where it is."""


class ShortFileError(Exception):
    """A file being sent has become shorter.

    Attributes:
        part: What was still to be sent of it.
    """

    def __init__(self, part: FilePart) -> None:
        super().__init__()
        self.part = part


class Filtering:
    """The state of a filter's connection beyond what every connection has.

    Attributes:
        filter: What turns bytes into bytes.
        turn: Plain output in front of the filter: what this turn has written, if it can go at its end. It is
            this one list for good.
        waiting: A file in front of the filter, and what is behind; None where there has been none, since an
            idle connection would pay for it.
        finished: Whether nothing more may be wrapped: the filter was told so, or it has failed.
        told: Whether the end, or the failure, that the filter has found was passed on.
        upgrade: The handshake that ``start_tls`` has begun, until it is over.
    """

    __slots__ = ("_moved", "filter", "finished", "told", "turn", "upgrade", "waiting")

    def __init__(self, filter_: Filter) -> None:
        self.filter = filter_
        self.turn: list[Chunk] = []
        self.waiting: Backlog | None = None
        self._moved = 0  # bytes that this turn has written, and that are not in `turn` (any more)
        self.finished = False
        self.told = False
        self.upgrade: Upgrade | None = None

    @property
    def fresh(self) -> int:
        """Bytes that were written in this turn, and count in the outbox."""
        return sum(map(len, self.turn)) + self._moved

    @property
    def buffered(self) -> int:
        """Plain bytes that are in no output yet."""
        waiting = self.waiting
        return sum(map(len, self.turn)) + (0 if waiting is None else waiting.buffered) + self.held

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in front of the filter."""
        return not self.turn and not self.is_blocked

    @property
    def is_blocked(self) -> bool:
        """Whether what is written has to wait behind a file."""
        return self.waiting is not None and not self.waiting.is_empty

    @property
    def held(self) -> int:
        """See ``Filter.held``; what one has that has failed leaves no more."""
        its = self.filter
        return 0 if its.failure is not None else its.held

    @property
    def waits(self) -> bool:
        """Whether only the peer's bytes can bring it on: a handshake, or plain bytes that it holds."""
        return (self.upgrade is not None and self.filter.failure is None) or self.held > 0

    def write(self, chunk: Chunk) -> None:
        """Takes what the application has written."""
        if self.waiting is None or self.waiting.is_empty:
            self.turn.append(chunk)
        else:
            self.waiting.write(chunk)
            self._moved += len(chunk)

    def add_file(self, part: FilePart, allowance: int) -> None:
        """Takes a part of a file, behind all that was written; so many bytes may be taken at once."""
        if self.waiting is None:
            self.waiting = Backlog()
        self.waiting.allowance = allowance
        for chunk in self.turn:
            self.waiting.write(chunk)
        self._drop_turn()
        self.waiting.add_file(part)

    def produce(self) -> bytes:
        """Brings what waits through the filter, files as far as they are allowed to; returns the raw output.

        Raises:
            ShortFileError: A file has fewer bytes than are to be sent of it.
            OSError: It cannot be read.
        """
        self._moved = 0
        if self.turn:
            turn = self.turn.copy()
            self.turn.clear()
            self.filter.wrap(turn)
        if self.waiting is not None:
            self._wrap_waiting(self.waiting)
        return self.filter.output()

    def _wrap_waiting(self, waiting: Backlog) -> None:
        while not self.finished and not waiting.is_empty:
            part = waiting.file
            if part is None:
                self.filter.wrap(waiting.pop_chunks(-1))
            elif waiting.allowance <= 0:
                break
            else:
                self._wrap_piece(waiting, part)

    def _wrap_piece(self, waiting: Backlog, part: FilePart) -> None:
        data = read_at(part.fd, min(part.left, waiting.allowance, _PIECE), part.offset)
        if not data:
            raise ShortFileError(part)
        self.filter.wrap((data,))
        waiting.file_sent(len(data))

    def finish(self) -> None:
        """Has the filter end this side's direction."""
        self.finished = True
        self.filter.finish()

    def give_up(self) -> None:
        """Drops what waits: the filter has failed, or nobody takes anything any more."""
        self.finished = True
        self._drop_turn()
        if self.waiting is not None:
            self.waiting.release()

    def _drop_turn(self) -> None:
        self._moved = self.fresh
        self.turn.clear()
