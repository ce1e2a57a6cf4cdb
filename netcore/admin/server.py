"""The admin server: a listener and a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from netcore._complaints import complain, place_of, plain
from netcore.address import Address
from netcore.admin.answers import Answer, Request
from netcore.admin.limits import AdminLimits
from netcore.admin.lobby import Lobby
from netcore.admin.reach import is_private
from netcore.admin.site import Site
from netcore.admin.source import Source
from netcore.engine.binding import Bound, bind
from netcore.options import Options

__all__ = ["AdminServer"]

_FILE_MODE = 0o600
"""Of a Unix socket's file: its owner's."""

_LONGEST_REST = 1.0
"""Seconds for which one round, however long it took, holds up the next."""

_thread_time: Callable[[], float] = getattr(time, "thread_time", time.perf_counter)


class AdminServer:
    """Serves what a source says by HTTP/1.1, on a thread of its own.

    No request changes anything, and none goes through a loop: it answers when all of them are stuck. What
    strangers may take of it is bounded; see ``AdminLimits``. Its methods may be called on any thread.

    Args:
        address: Where, of network tcp, tcp4, tcp6 or unix. The file of a Unix socket is its owner's only.
        source: What is shown; see ``engine_source``. What it raises is logged, and answered by status 500.
        logger: Where it is said what goes wrong, and that the address is a public one; netcore's if None.
        limits: What strangers may take; the defaults if None.
        clock: Seconds that never go back.

    Attributes:
        address: Where it is; with the real port from ``start`` on.
    """

    def __init__(
        self,
        address: str | Address,
        source: Source,
        logger: logging.Logger | None = None,
        *,
        limits: AdminLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address: Address = Address.parse(address)
        self._source = source
        self._logger = logger or logging.getLogger("netcore")
        self._limits = limits or AdminLimits()
        self._clock = clock
        self._closing = threading.Event()
        self._bound: Bound | None = None
        self._lobby: Lobby | None = None
        self._site: Site | None = None
        self._thread = threading.Thread(target=self._run, name="netcore-admin", daemon=True)

    def start(self) -> None:
        """Binds, and answers from then on; what it raises leaves nothing open.

        Raises:
            OSError: The address cannot be bound.
            UnsupportedProtocolError: This platform cannot serve it.
            RuntimeError: The system has no thread left, or it was started before.
        """
        bound = bind(self.address, Options(), reuse_port=False, mode=_FILE_MODE)
        try:
            self.address = bound.address
            self._site = Site(self._source, bound.address, self._limits.shown_connections, self._clock)
            self._lobby = Lobby(bound.sock, self._respond, self._limits, self._clock, self._cannot_accept)
            self._bound = bound
            if not is_private(bound.sock):
                self._logger.warning(
                    "the admin server on %s can be reached from other machines: whoever does so sees who is "
                    "connected to this one",
                    bound.address,
                )
            self._thread.start()
        except BaseException:
            self._release()
            bound.close()
            raise

    def close(self, timeout: float = 2.0) -> None:
        """Ends it. Idempotent.

        Args:
            timeout: Seconds to wait for its thread at most: a source may keep it.
        """
        self._closing.set()
        lobby = self._lobby
        if lobby is not None:
            lobby.wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def abandon(self) -> None:
        """Closes its copies of descriptors in a forked child: it lives on in the parent, and only there."""
        self._closing.set()
        if self._bound is not None:
            self._bound.sock.close()  # and not its file, which is the parent's
        if self._lobby is not None:
            self._lobby.close()
        self._bound = self._lobby = None

    def _run(self) -> None:
        assert self._lobby is not None
        try:
            while not self._closing.is_set():
                began = _thread_time()
                self._lobby.round()
                # What it has used is the loops' for a while, whatever is asked: they share the GIL.
                rest = (_thread_time() - began) * (1 / self._limits.share - 1)
                self._closing.wait(min(rest, _LONGEST_REST))
        finally:
            self._release()

    def _release(self) -> None:
        """Closes everything."""
        lobby, self._lobby = self._lobby, None
        bound, self._bound = self._bound, None
        if lobby is not None:
            lobby.close()
        if bound is not None:
            bound.close()

    def _respond(self, request: Request) -> Answer:
        assert self._site is not None
        try:
            return self._site.respond(request)
        except Exception as error:
            complain(
                self._logger, logging.ERROR, place_of(error), "the admin server cannot answer", error=error
            )
            return Answer.text(500, last=True)

    def _cannot_accept(self, error: OSError) -> None:
        complain(
            self._logger, logging.WARNING, error.errno, "the admin server cannot accept: %s", plain(error)
        )
