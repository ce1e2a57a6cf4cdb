"""What every connection has, whatever it carries: an identity, two addresses and socket options."""

from __future__ import annotations

import abc
import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netcore.address import Address
from netcore.connection.core.deadlines import Deadlines
from netcore.connection.core.settings import SocketSettings
from netcore.connection.core.state import TRANSITIONS, Event, State
from netcore.errors import ConnectionClosedError
from netcore.handler import Callback, CloseReason, Timer
from netcore.sockets import unpack_name

if TYPE_CHECKING:
    from netcore.connection.core.host import Host

__all__ = ["UNWATCHED", "Connection", "Ending", "next_id"]

UNWATCHED = -1
"""The interest of a connection that the poller does not know; 0 asks for errors and hang-ups alone."""

next_id: Callable[[], int] = itertools.count(1).__next__
"""Gives the next number that no connection of this process has had. Any thread."""


class Ending:
    """Why and how a connection ends. One that has not begun to end has none.

    Attributes:
        reason: What began it; later causes do not change that.
        error: What ``on_close`` will be told.
        reset: Whether to close with RST.
        timer: What gives up on the peer.
        callbacks: Of ``close``, to be called after ``on_close``.
        over: Whether ``on_close`` has been called.
    """

    __slots__ = ("callbacks", "error", "over", "reason", "reset", "timer")

    def __init__(self, reason: CloseReason) -> None:
        self.reason = reason
        self.error: Exception | None = None
        self.reset = False
        self.over = False
        self.timer: Timer | None = None
        self.callbacks: list[Callback] = []


class Connection(SocketSettings):
    """Identity, addresses and socket options of a connection.

    Attributes:
        state: Where in its life it is.
        interest: What the poller watches it for at present, or ``UNWATCHED``.
        deadlines: Those that were set; None if none ever was.
        ending: Why and how it ends, once it does.
        context: The application's own.
    """

    __slots__ = (
        "__weakref__",
        "_host",
        "_local",
        "_posted",
        "_remote",
        "context",
        "deadlines",
        "ending",
        "fd",
        "id",
        "interest",
        "network",
        "state",
    )

    id: int
    fd: int
    network: str

    def __init__(
        self, host: Host, fd: int, network: str, remote: bytes | Address, local: Address | None
    ) -> None:
        """Takes over an attached descriptor.

        Args:
            host: The loop that serves it.
            fd: The descriptor.
            network: "tcp", "udp" or "unix".
            remote: The peer's address, or its packed name.
            local: This side's address; None to ask the system when it is wanted.
        """
        self.id = next_id()
        self.fd = fd
        self.network = network
        self.context: Any = None
        self.state = State.OPEN
        self.interest = UNWATCHED
        self.ending: Ending | None = None
        self.deadlines: Deadlines | None = None
        # Asynchronous writes of the loop's own thread that are not carried out yet: a close comes after them.
        self._posted = 0
        self._host = host
        self._remote = remote
        self._local = local

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.network} {self.state.label}>"

    @property
    def loop(self) -> Host:
        """See ``Conn.loop``."""
        return self._host

    @property
    def remote_address(self) -> Address:
        """See ``Conn.remote_address``."""
        if isinstance(self._remote, bytes):
            self._remote = unpack_name(self._remote)
        return self._remote

    @property
    def local_address(self) -> Address:
        """See ``Conn.local_address``; getsockname(2)."""
        if self._local is None:
            with self._host.descriptor_lock:
                self.remember_local_address()
        return self._local or Address(self.network)

    def remember_local_address(self) -> None:
        """Asks the system for this side's address while it can still tell; needs the descriptor lock."""
        if self._local is None:
            try:
                self._local = self._host.sockets.local_address(self.fd)
            except OSError:
                self._local = Address(self.network)

    @property
    def closed(self) -> bool:
        """See ``Conn.closed``."""
        return self.state is State.CLOSING or self.state is State.CLOSED

    @property
    def close_reason(self) -> CloseReason | None:
        """See ``Conn.close_reason``."""
        ending = self.ending
        return None if ending is None else ending.reason

    @property
    def may_leave_input(self) -> bool:
        """Whether the kernel may hold bytes of a peer that nobody will read: a close would reset then."""
        return False

    @property
    def leaves_input(self) -> bool:
        """Whether the peer may be in the midst of sending such bytes."""
        return False

    def advance(self, event: Event) -> None:
        """Moves on in ``TRANSITIONS`` and has the connection looked at again at the end of the turn."""
        state = TRANSITIONS[self.state][event]
        if state is not self.state:
            self.state = state
            self.entered(state)
        self._host.settle_later(self)

    def entered(self, state: State) -> None:
        """Called after each change of state; each part of a connection draws its own consequences."""

    def abandon(self) -> None:
        """Closes this process's side of it, in a forked child, and tells nobody."""
        self.state = State.CLOSED
        self.entered(State.CLOSED)
        self.ending = Ending(CloseReason.SHUTDOWN)
        self.ending.over = True

    def end(self, event: Event, reason: CloseReason, error: Exception | None = None) -> Ending:
        """Begins, or hastens, the end of the connection. The first reason and the first error stay."""
        ending = self.ending
        if ending is None:
            ending = self.ending = Ending(reason)
        if ending.error is None:
            ending.error = error
        self.advance(event)
        return ending

    @abc.abstractmethod
    def settle(self) -> None:
        """Draws the consequences of a turn; see ``Host.settle_later``."""

    @abc.abstractmethod
    def ended(self) -> None:
        """Tells the handler that the descriptor has been closed."""

    @contextmanager
    def borrowed(self) -> Iterator[socket.socket]:
        """See ``SocketSettings.borrowed``; the lock keeps the loop from closing the descriptor."""
        with self._host.descriptor_lock:
            if self.state is State.CLOSED:
                raise ConnectionClosedError(f"connection {self.id} is closed")
            with self._host.sockets.borrow(self.fd) as sock:
                yield sock
