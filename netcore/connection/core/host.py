"""What a connection needs of the loop that hosts it."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from netcore._locks import Lock
from netcore.buffer import BufferPool
from netcore.connection.core.counters import BaseCounters
from netcore.connection.core.deadlines import BaseDeadlines
from netcore.connection.core.ending import Ending
from netcore.connection.core.inbox import BaseInbox
from netcore.handler import Conn, EventHandler, EventLoop, OddResults
from netcore.sockets import Transport

__all__ = ["UNWATCHED", "Host", "Limits", "Payer", "Retired", "Settling"]

UNWATCHED = -1
"""The interest of a connection that the poller does not know; 0 asks for errors and hang-ups alone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each connection of a loop; sizes are bytes, durations seconds.

    Attributes:
        high_water: See ``Options.high_water``.
        low_water: See ``Options.low_water``.
        max_outbound: See ``Options.max_outbound``.
        max_inbound: See ``Options.max_inbound``.
        write_cap: How much of a backlog is offered to the kernel in one turn.
        close_timeout: See ``Options.close_timeout``.
        linger: How long a peer that is silent at the close may still begin to send; 0 for not at all.
        idle_timeout: See ``Options.idle_timeout``.
        edge_chunk: How much is received in one turn, edge-triggered; 0 for level-triggered.
        tls_handshake_timeout: See ``Options.tls_handshake_timeout``.
    """

    high_water: int = 1 << 20
    low_water: int = 1 << 18
    max_outbound: int = 64 << 20
    max_inbound: int = 64 << 20
    write_cap: int = 65536
    close_timeout: float = 5
    linger: float = 0
    idle_timeout: float = 0
    edge_chunk: int = 0
    tls_handshake_timeout: float = 10


class Payer(Protocol):
    """What a step of the loop may be for."""

    def fault(self, error: Exception) -> None:
        """Bears the consequences of a step that has failed; once more if that has failed, too."""


class Settling(Payer, Protocol):
    """What has something to do at the end of a turn."""

    def settle(self) -> None:
        """Does it; what is written meanwhile has this called again."""


class Retired(Conn, Protocol):
    """A connection whose life is over, and whose descriptor is still to be closed."""

    interest: int
    """What the poller watches it for, or ``UNWATCHED``."""
    ending: Ending | None
    """Why and how it ends."""
    shares_descriptor: bool
    """Whether the descriptor is somebody else's, who closes it: nothing is closed then."""

    @property
    @abc.abstractmethod
    def may_leave_input(self) -> bool:
        """Whether the kernel may hold bytes of a peer that nobody will read: a close would reset then."""

    @property
    @abc.abstractmethod
    def leaves_input(self) -> bool:
        """Whether the peer may be in the midst of sending such bytes."""

    @abc.abstractmethod
    def remember_local_address(self) -> None:
        """Asks the system for this side's address while it can still tell; needs the descriptor lock."""

    @abc.abstractmethod
    def ended(self) -> None:
        """The descriptor has been closed: tells the handler."""


class Host(EventLoop, Protocol):
    """The loop as its connections see it. On its own thread only, unless "Any thread" is said."""

    handler: EventHandler
    odd_results: OddResults
    """What was said of the handler's results already; the engine's. Any thread."""
    counters: BaseCounters
    pool: BufferPool
    limits: Limits
    inbox: BaseInbox
    sockets: Transport
    """The sockets below the connections."""
    time: float
    """When this turn began, in seconds of the loop's clock; kept up to date while there are deadlines."""
    clock: Callable[[], float]
    """Seconds that never go back. Any thread."""
    descriptor_lock: Lock
    """Held while a descriptor is closed, and while another thread works on one. Any thread."""

    @abc.abstractmethod
    def post(self, function: Callable[..., object], *args: object) -> None:
        """Like ``execute``, but never refused: after the loop's end the function runs at once. Any thread."""

    @abc.abstractmethod
    def watch(self, fd: int, before: int, interest: int) -> None:
        """Changes what the poller watches a descriptor for; ``UNWATCHED`` takes it out."""

    @abc.abstractmethod
    def settle_later(self, what: Settling) -> None:
        """Has ``what.settle()`` called at the end of the turn, after the flush."""

    @abc.abstractmethod
    def freed(self, size: int) -> None:
        """So many bytes of output or input were let go of, some of them after having waited long."""

    @abc.abstractmethod
    def receive_now(self, conn: Conn) -> None:
        """Receives from a connection and hands over what it brings, outside of the batches of a turn."""

    @abc.abstractmethod
    def settle_next_turn(self, what: Settling) -> None:
        """Has ``what.settle()`` called at the end of the next turn, which comes at once."""

    @abc.abstractmethod
    def receive_again(self, conn: Conn) -> None:
        """Receives in the next turn without waiting for readiness."""

    @abc.abstractmethod
    def retire(self, conn: Retired) -> None:
        """Lets go of a connection in the state CLOSED, closes its descriptor, and calls ``ended``."""

    @abc.abstractmethod
    def charge(self, payer: Payer | None, error: BaseException) -> None:
        """Has ``payer`` alone pay for a step that was for it and has failed. It never raises."""

    @abc.abstractmethod
    def now(self) -> float:
        """Seconds of the loop's clock."""

    @abc.abstractmethod
    def plan(self, deadlines: BaseDeadlines) -> None:
        """Has ``deadlines.check`` called when the first of them is due."""

    @abc.abstractmethod
    def unplan(self, deadlines: BaseDeadlines) -> None:
        """Lets go of deadlines whose connection is gone."""

    @abc.abstractmethod
    def shutdown(self, error: BaseException | None = None) -> None:
        """Begins to stop the engine. Any thread.

        Args:
            error: What a callback has raised that is no ``Exception``, if that is why.
        """
