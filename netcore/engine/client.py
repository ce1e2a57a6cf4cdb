"""An engine that listens nowhere: for programs that only connect."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import TYPE_CHECKING

from netcore.address import Address
from netcore.engine.choices import chosen
from netcore.engine.engine import Engine
from netcore.errors import WrongThreadError
from netcore.handler import Conn, EventHandler
from netcore.options import Options
from netcore.proxy import ProxyHeader

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Unpack

    from netcore.overrides import OptionOverrides

__all__ = ["Client"]


class Client:
    """Dials and enrolls connections, and serves them with a handler. Also a context manager.

    Its methods may be called on any thread; those that wait, not on one of its loops.

    Args:
        handler: The application, whose ``on_boot`` and ``on_shutdown`` frame the client's life too.
        options: How; the defaults if None.
        overrides: Fields of ``Options`` that replace those of ``options``.

    Raises:
        TypeError: See ``Engine``.
        OptionsError: An option is unknown, has a bad value, or contradicts another one.

    Attributes:
        engine: The engine, which is without listeners; its ``dial`` and its loops' do not wait.
    """

    def __init__(
        self,
        handler: EventHandler,
        options: Options | None = None,
        **overrides: Unpack[OptionOverrides],
    ) -> None:
        self.engine: Engine = Engine.without_listeners(handler, chosen(options, overrides))

    def __enter__(self) -> Client:
        """Starts the client."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops the client and waits for its end."""
        self.stop()

    def start(self) -> None:
        """Starts the loops and calls ``on_boot``; see ``Engine.start``."""
        self.engine.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Closes the connections gracefully and waits; see ``Engine.stop``."""
        return self.engine.stop(timeout)

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
    ) -> Conn:
        """Connects to an address, and returns when ``on_open`` has run.

        Args:
            address: Where to.
            context: What ``conn.context`` is from the start.
            timeout: Seconds until it fails with ``TimeoutError``; None for the system's patience.
            tls: See ``EventLoop.dial``, as for the rest.
            server_hostname: See there.
            tls_session: See there.
            proxy: See there.

        Raises:
            OSError: What went wrong, such as ``ConnectionRefusedError``.
            Exception: What ``EventLoop.dial`` raises, or its future gets.
            EngineNotRunningError: The client is not running.
            WrongThreadError: Called on a loop of this client, which would wait for itself.
        """
        self._check_thread("dial")
        return self.engine.dial(
            address,
            context,
            timeout,
            tls=tls,
            server_hostname=server_hostname,
            tls_session=tls_session,
            proxy=proxy,
        ).result()

    def enroll(self, sock: socket.socket, context: object = None) -> Conn:
        """Takes a connected stream socket over, and returns when ``on_open`` has run.

        Raises:
            UnsupportedOperationError: It is no stream socket; it stays the caller's.
            OSError: It is not connected, or the poller refuses it.
            EngineNotRunningError: The client is not running.
            WrongThreadError: Called on a loop of this client, which would wait for itself.
        """
        self._check_thread("enroll")
        return self.engine.enroll(sock, context).result()

    def _check_thread(self, method: str) -> None:
        if any(loop.in_loop() for loop in self.engine.loops):
            raise WrongThreadError(
                f"{method} waits, and so cannot be called on a loop: use conn.loop.{method}"
            )
