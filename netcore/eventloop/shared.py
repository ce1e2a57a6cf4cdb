"""What the loops of one engine have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netcore._durations import seconds
from netcore._machine import current
from netcore.connection import Limits
from netcore.eventloop.access_log import AccessLog
from netcore.eventloop.gate import Gate
from netcore.eventloop.moves import Moves
from netcore.handler import EventHandler, OddResults
from netcore.kcp import KcpOptions
from netcore.options import Options
from netcore.sockets import Resolver, SocketOptions

if TYPE_CHECKING:
    import ssl

__all__ = ["Shared"]


_LINGER = 0.25
"""Seconds, more than a round trip: so long after the FIN a request that was under way may still arrive."""


def _nothing(*args: object) -> None:
    """Stands in for an engine where there is none."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The part of a loop's surroundings that it shares with its siblings.

    Attributes:
        handler: The application.
        limits: Of each connection.
        logger: Where faults are reported.
        gate: The limit on all connections together; None for no limit.
        debug: Check the thread rules and warn about slow callbacks.
        socket_options: Of the sockets that loops make.
        shutdown: Begins to stop the engine. Any thread.
        loop_ended: Called by each loop as the last thing on its thread.
        exiting: Told what a callback has raised that is no ``Exception``, before ``shutdown``. Any thread.
        odd_results: What was said of the handler's results already.
        resolver: Looks names up.
        tls: See ``Options.tls``.
        access_log: What notes each connection that has ended; None for nobody.
        measured: Whether turns and callbacks are measured; see ``Timings``.
        moves: Of connections between the loops.
        kcp: See ``Options.kcp``.
    """

    handler: EventHandler
    limits: Limits = field(default_factory=Limits)
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("netcore"))
    gate: Gate | None = None
    debug: bool = False
    socket_options: SocketOptions = field(default_factory=SocketOptions)
    shutdown: Callable[[], object] = _nothing
    loop_ended: Callable[[], object] = _nothing
    odd_results: OddResults = field(default_factory=OddResults)
    resolver: Resolver = field(default_factory=lambda: current().make(Resolver))
    exiting: Callable[[BaseException], object] = _nothing
    tls: ssl.SSLContext | None = None
    measured: bool = False
    access_log: AccessLog | None = None
    moves: Moves = field(default_factory=Moves)
    kcp: KcpOptions | None = None

    @classmethod
    def from_options(
        cls,
        handler: EventHandler,
        options: Options,
        logger: logging.Logger,
        sockets: SocketOptions,
        shutdown: Callable[[], object],
        loop_ended: Callable[[], object],
        exiting: Callable[[BaseException], object],
        measured: bool = False,
        access_log: AccessLog | None = None,
    ) -> Shared:
        """Draws from an engine's options what concerns its loops."""
        limits = Limits(
            high_water=options.high_water,
            low_water=options.low_water,
            max_outbound=options.max_outbound,
            max_inbound=options.max_inbound,
            write_cap=options.write_buffer_cap,
            close_timeout=options.close_timeout,
            linger=min(_LINGER, options.close_timeout),
            idle_timeout=options.idle_timeout,
            edge_chunk=options.edge_triggered_chunk,
            tls_handshake_timeout=seconds(options.tls_handshake_timeout, "a timeout"),
        )
        gate = None
        if options.max_connections:
            gate = Gate(options.max_connections, refuse=options.max_connections_policy == "refuse")
        return cls(
            handler,
            limits,
            logger,
            gate,
            options.debug,
            sockets,
            shutdown,
            loop_ended,
            exiting=exiting,
            tls=options.tls,
            measured=measured,
            access_log=access_log,
            kcp=options.kcp,
        )
