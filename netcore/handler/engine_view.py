"""What a handler sees of the engine that serves it."""

from __future__ import annotations

import abc
import socket
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netcore.address import Address
from netcore.handler.interfaces import Conn, EventLoop
from netcore.handler.metrics import Metrics
from netcore.handler.timings import Timings
from netcore.options import Options
from netcore.proxy import ProxyHeader

if TYPE_CHECKING:
    import ssl

__all__ = ["EngineView"]


@runtime_checkable
class EngineView(Protocol):
    """Several loops, their listeners and connections, started and stopped as one. Any thread for all of it.

    It is what ``on_boot``, ``on_shutdown`` and ``on_tick`` are given: an ``Engine``, a client's included.
    """

    options: Options
    """How it was set up."""

    @property
    @abc.abstractmethod
    def addresses(self) -> tuple[Address, ...]:
        """Where it listens, with real ports."""

    @property
    @abc.abstractmethod
    def loops(self) -> tuple[EventLoop, ...]:
        """The event loops."""

    @property
    @abc.abstractmethod
    def connection_count(self) -> int:
        """Connections of all loops together; see ``EventLoop.connection_count``."""

    @property
    @abc.abstractmethod
    def running(self) -> bool:
        """Whether it has started and not begun to stop."""

    @property
    @abc.abstractmethod
    def accepting(self) -> bool:
        """Whether it takes connections: from when ``on_boot`` has returned until it is told not to."""

    @property
    @abc.abstractmethod
    def admin_address(self) -> Address | None:
        """Where ``Options.admin`` is served; None without."""

    @abc.abstractmethod
    def connections(self) -> list[Conn]:
        """Returns the open connections, dialled ones included."""

    @abc.abstractmethod
    def get(self, conn_id: int) -> Conn | None:
        """Returns the open connection with this id, or None."""

    @abc.abstractmethod
    def metrics(self) -> Metrics:
        """Returns the numbers of all loops added up."""

    @abc.abstractmethod
    def timings(self) -> Timings | None:
        """Returns how long turns and callbacks take, on all loops together. See ``Engine.timings``."""

    @abc.abstractmethod
    def stuck_for(self) -> float:
        """Returns for how long the turn lasts of the loop that is worst off. See ``Engine.stuck_for``."""

    @abc.abstractmethod
    def stop(self, timeout: float | None = None) -> bool:
        """Stops; in a callback that begins it and returns False at once. See ``Engine.stop``."""

    @abc.abstractmethod
    def join(self, timeout: float | None = None) -> bool:
        """Waits for the end; in a callback it returns False at once. See ``Engine.join``."""

    @abc.abstractmethod
    def stop_accepting(self) -> None:
        """Closes the listeners; connections go on. See ``Engine.stop_accepting``."""

    @abc.abstractmethod
    def drain(self, timeout: float) -> bool:
        """Waits for the connections to end by themselves. See ``Engine.drain``."""

    @abc.abstractmethod
    def rebalance(self) -> int:
        """Has crowded loops give idle connections to others. See ``Engine.rebalance``."""

    @abc.abstractmethod
    def dial(
        self,
        address: str | Address,
        context: object = None,
        timeout: float | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        tls_session: ssl.SSLSession | None = None,
        proxy: ProxyHeader | None = None,
    ) -> Future[Conn]:
        """Connects to an address. See ``Engine.dial``."""

    @abc.abstractmethod
    def enroll(self, sock: socket.socket, context: object = None) -> Future[Conn]:
        """Takes a connected socket over. See ``Engine.enroll``."""

    @abc.abstractmethod
    def dup_listener(self, address: str | Address | None = None) -> int:
        """Duplicates the descriptor of a listener. See ``Engine.dup_listener``."""

    @abc.abstractmethod
    def replace_tls(self, context: ssl.SSLContext) -> None:
        """Takes another context for listeners with TLS. See ``Engine.replace_tls``."""
