"""Listeners, spread over the loops as their network and the kernel allow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from netcore._platform import REUSE_PORT_OPTION
from netcore.address import Address
from netcore.engine.binding import Bound, bind
from netcore.engine.binding_datagrams import BoundDatagrams, bind_datagrams, group_of, probe_free
from netcore.engine.given import GivenListener, Source
from netcore.engine.proxied import phases_of
from netcore.engine.secured import Secured
from netcore.engine.taking import Takings
from netcore.eventloop import Acceptor, DatagramListener, Listener, Loop
from netcore.options import Options

__all__ = ["Duplicable", "Pick", "listen"]

Pick = Callable[[Address | None], Loop]
"""Chooses a loop for a peer's address, or for a socket whose peer does not matter. Any thread."""


class Duplicable(Protocol):
    """A listener as ``Engine.dup_listener`` sees it."""

    def dup(self) -> int:
        """Duplicates the descriptor. Any thread; OSError once it is closed."""


class _StreamListener:
    """A listener whose socket file, once it has been duplicated, stays as long as a duplicate is open."""

    def __init__(self, bound: Bound, acceptor: Acceptor) -> None:
        self._bound = bound
        self._acceptor = acceptor

    def dup(self) -> int:
        self._bound.share()  # first: in between the listener may be closed
        return self._acceptor.dup()


def listen(
    source: Source,
    options: Options,
    loops: Sequence[Loop],
    pick: Pick | None,
    takings: Takings,
    secured: Secured,
    logger: logging.Logger,
) -> tuple[Address, Duplicable]:
    """Makes one listener, on the first loop, or one for each loop where the kernel balances them.

    Args:
        source: An address to bind, or a socket that is given, which is one listener always.
        options: The engine's.
        loops: The engine's, not running yet.
        pick: Chooses a loop for each connection where there is one listener; None to keep them on its loop.
        takings: Takes over what is given.
        secured: What listeners with TLS have for it.
        logger: Where it is said that something does not balance.

    Returns:
        The address with its real port, and one of the listeners.
    """
    if isinstance(source, GivenListener):
        return _listen_on_given(takings.take(source, options), options, secured, loops, pick, logger)
    if source.is_datagram:
        return _listen_for_datagrams(source, options, loops, logger)
    return _listen_for_streams(source, options, secured, loops, pick, logger)


def _listen_on_given(
    bound: Bound | BoundDatagrams,
    options: Options,
    secured: Secured,
    loops: Sequence[Loop],
    pick: Pick | None,
    logger: logging.Logger,
) -> tuple[Address, Duplicable]:
    several = len(loops) > 1
    if isinstance(bound, BoundDatagrams):
        if several:
            logger.warning(
                "a socket that is given is one: one loop serves all datagrams of %s", bound.address
            )
        return bound.address, _attach_datagrams(bound, loops[0])
    if several and options.reuse_port:
        logger.warning("a socket that is given is one: one loop accepts for all on %s", bound.address)
    return bound.address, _attach(bound, options, secured, loops[0], pick, was_open=True)


def _listen_for_streams(
    address: Address,
    options: Options,
    secured: Secured,
    loops: Sequence[Loop],
    pick: Pick | None,
    logger: logging.Logger,
) -> tuple[Address, Duplicable]:
    if not (options.reuse_port and _can_share(address, len(loops), logger)):
        bound = bind(address, options, reuse_port=options.reuse_port)
        return bound.address, _attach(bound, options, secured, loops[0], pick)
    acceptors = []
    for loop in loops:
        bound = bind(address, options, reuse_port=True)
        address = bound.address  # so that port 0 is chosen once
        acceptors.append(_attach(bound, options, secured, loop, None))
    return address, acceptors[0]


def _can_share(address: Address, loop_count: int, logger: logging.Logger) -> bool:
    if address.network != "unix" and REUSE_PORT_OPTION is not None:
        return True
    if loop_count > 1:
        logger.warning("the kernel does not balance listeners of %s: one loop accepts for all", address)
    return False


def _attach(
    bound: Bound,
    options: Options,
    secured: Secured,
    loop: Loop,
    pick: Pick | None,
    was_open: bool = False,
) -> _StreamListener:
    fd = bound.sock.detach()
    loop.sockets.attach(fd)
    network = "unix" if bound.address.network == "unix" else "tcp"
    listener = Listener(fd, bound.address, network, bound.local, bound.cleanup)
    if options.proxy_protocol:
        listener = replace(listener, phases=phases_of(options, network))
    if bound.address.is_tls:
        listener = replace(listener, phases=secured.phases(listener.phases))
    if was_open and network == "unix":  # others pass nothing but bytes
        listener = replace(listener, was_open=True)
    return _StreamListener(bound, loop.listen(listener, pick))


def _attach_datagrams(bound: BoundDatagrams, loop: Loop) -> DatagramListener:
    family, fd = bound.sock.family, bound.sock.detach()
    loop.sockets.attach(fd)
    return loop.listen_for_datagrams(fd, family, bound.local)


def _listen_for_datagrams(
    address: Address, options: Options, loops: Sequence[Loop], logger: logging.Logger
) -> tuple[Address, DatagramListener]:
    """Makes a socket for each loop, since datagrams have no accept by which they could be handed on."""
    several = len(loops) > 1
    if several and (why := _why_one_loop(address)):
        logger.warning("%s: one loop serves all datagrams of %s", why, address)
        several = False
    elif several and address.port and not options.reuse_port:
        probe_free(address)
    listeners = []
    for loop in loops if several else loops[:1]:
        bound = bind_datagrams(address, options, share_port=several or options.reuse_port)
        address = bound.address
        listeners.append(_attach_datagrams(bound, loop))
    return address, listeners[0]


def _why_one_loop(address: Address) -> str:
    if REUSE_PORT_OPTION is None:
        return "the kernel does not balance datagrams between sockets"
    if group_of(address) is not None:
        return "each socket of a multicast group gets every datagram"
    return ""
