"""Putting an engine together: loops with their pollers and sockets, and listeners spread over them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from netcore._native import MISSING
from netcore._platform import REUSE_PORT_OPTION
from netcore.address import Address
from netcore.engine.binding import Bound, bind
from netcore.engine.choices import Choices
from netcore.errors import EngineNotRunningError, OptionsError
from netcore.eventloop import Acceptor, Listener, Loop, Shared
from netcore.options import Options
from netcore.poll import Poller
from netcore.sockets import open_sockets

__all__ = ["Assembly", "assemble"]

_Pick = Callable[[Address | None], Loop]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of an engine.

    Attributes:
        loops: Not running yet.
        acceptors: For each address, as bound, an acceptor of it.
        pick: Chooses a loop for a peer's address, or for a socket whose peer does not matter. Any thread.
    """

    loops: tuple[Loop, ...]
    acceptors: tuple[tuple[Address, Acceptor], ...]
    pick: _Pick


def _pick_none(remote: Address | None) -> Loop:
    raise EngineNotRunningError("the engine has no loops yet")


EMPTY = Assembly((), (), _pick_none)
"""What an engine has before its start."""


def assemble(shared: Shared, options: Options, choices: Choices, addresses: tuple[Address, ...]) -> Assembly:
    """Opens pollers, makes loops, and binds the addresses; nothing stays open if any of it fails.

    Raises:
        OSError: An address cannot be bound.
        PollerUnavailableError: This machine cannot run the poller.
        UnsupportedOperationError: This machine lacks something the options ask for.
    """
    _report_missing_native_part(shared.logger)
    loops: list[Loop] = []
    try:
        while len(loops) < len(choices.cpus):
            poller = choices.open_poller()
            try:
                _check_edges(poller, options)
                sockets = open_sockets(options.read_buffer_cap)
            except BaseException:
                poller.close()
                raise
            loops.append(Loop(len(loops), shared, poller, sockets))
        pick = _picker(choices, tuple(loops), shared.logger)
        accept_pick = pick if choices.balances else None
        acceptors = tuple(
            _listen(address, options, loops, accept_pick, shared.logger) for address in addresses
        )
    except BaseException:
        for loop in loops:
            loop.close()
        raise
    return Assembly(tuple(loops), acceptors, pick)


def _check_edges(poller: Poller, options: Options) -> None:
    if options.edge_triggered and not poller.supports_edge:
        raise OptionsError(
            f"option edge_triggered is True: the poller {poller.name!r} is level-triggered only"
        )


def _listen(
    address: Address, options: Options, loops: list[Loop], pick: _Pick | None, logger: logging.Logger
) -> tuple[Address, Acceptor]:
    """Makes one listener, on the first loop, or one for each loop where the kernel balances them."""
    if not (options.reuse_port and _can_share(address, len(loops), logger)):
        bound = bind(address, options, reuse_port=options.reuse_port)
        return bound.address, _attach(bound, loops[0], pick)
    acceptors = []
    for loop in loops:
        bound = bind(address, options, reuse_port=True)
        address = bound.address  # so that port 0 is chosen once
        acceptors.append(_attach(bound, loop, None))
    return address, acceptors[0]


def _can_share(address: Address, loop_count: int, logger: logging.Logger) -> bool:
    if address.network != "unix" and REUSE_PORT_OPTION is not None:
        return True
    if loop_count > 1:
        logger.warning("the kernel does not balance listeners of %s: one loop accepts for all", address)
    return False


def _attach(bound: Bound, loop: Loop, pick: _Pick | None) -> Acceptor:
    fd = bound.sock.detach()
    loop.sockets.attach(fd)
    network = "unix" if bound.address.network == "unix" else "tcp"
    return loop.listen(Listener(fd, bound.address, network, bound.local, bound.cleanup), pick)


def _picker(choices: Choices, loops: tuple[Loop, ...], logger: logging.Logger) -> _Pick:
    """Asks the balancer, and does without when it fails: a connection should not pay for its fault."""
    lock = threading.Lock()

    def pick(remote: Address | None) -> Loop:
        try:
            with lock:  # the accepting loop and any thread that dials
                loop = choices.balancer.pick(loops, remote)
            if loop in loops:
                return loop
            logger.error("the load balancer picked %r, which is none of the loops", loop)
        except Exception:
            logger.exception("the load balancer failed")
        return loops[0]

    return pick


_reported = False


def _report_missing_native_part(logger: logging.Logger) -> None:
    global _reported
    if MISSING and not _reported:
        _reported = True
        logger.warning("%s: running on the standard library, several times slower", MISSING)
