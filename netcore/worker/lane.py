"""The jobs of one connection: one at a time, and its reading paused while there are too many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

__all__ = ["ConnectionLike", "Job", "Lane", "can_pause"]


class _LoopLike(Protocol):
    """What a pool needs of a connection's loop."""

    def in_loop(self) -> bool:
        """Tells whether the calling thread is the loop's own. Any thread."""


class ConnectionLike(Protocol):
    """What a pool needs of a connection; any ``Conn`` has it. Any thread."""

    @property
    def id(self) -> int:
        """Unique in the process."""

    @property
    def network(self) -> str:
        """What carries it, such as "tcp"."""

    @property
    def loop(self) -> _LoopLike:
        """The loop that serves it."""

    @property
    def closed(self) -> bool:
        """Whether it is closing or closed."""

    def pause_reading(self, reason: Hashable = None) -> None:
        """Receives nothing more."""

    def resume_reading(self, reason: Hashable = None) -> None:
        """Receives again, if there is no other reason not to."""

    def async_writev(
        self, chunks: Iterable[Buffer], callback: Callable[[Any, Exception | None], object] | None = None
    ) -> None:
        """Writes the pieces, of which a pool gives none, and then runs the callback on the loop."""


@dataclass(slots=True, eq=False)
class Job:
    """One call to be made by a worker.

    Attributes:
        function: What to call.
        args: With what.
        then: What gets the result on the loop; None for nothing.
    """

    function: Callable[..., Any]
    args: tuple[object, ...]
    then: Callable[[Any, Any, Exception | None], object] | None


class Lane:
    """One connection's queue, which lives while there is something in it. Its pool's lock guards it.

    Attributes:
        conn: The connection.
        jobs: Those that no worker has begun.
        pending: How many were put in and have not been reported to the loop.
        active: Whether a worker has, or is about to get, the next job.
        pausing: Whether the lane has paused the reading; on the loop's thread only.
    """

    __slots__ = ("_pool", "active", "conn", "jobs", "pausing", "pending")

    def __init__(self, conn: ConnectionLike, pool: Hashable) -> None:
        """Makes a queue.

        Args:
            conn: Whose it is.
            pool: What is in the way when reading is paused.
        """
        self.conn = conn
        self._pool = pool
        self.jobs: deque[Job] = deque()
        self.pending = 0
        self.active = False
        self.pausing = False

    def pause(self) -> None:
        """Stops reading."""
        if not self.pausing and can_pause(self.conn):
            self.pausing = True
            self.conn.pause_reading(self._pool)

    def resume(self) -> None:
        """Reads again, as far as the pool is concerned."""
        if self.pausing:
            self.pausing = False
            if not self.conn.closed:
                self.conn.resume_reading(self._pool)


def can_pause(conn: ConnectionLike) -> bool:
    """Whether reading can be paused: the datagrams of all peers share one socket, which never is."""
    return not conn.network.startswith("udp")
