"""Listeners, spread over the loops as their network and the kernel allow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from netcore._machine import current
from netcore.address import Address
from netcore.engine.binding import Bound, bind
from netcore.engine.binding_datagrams import BoundDatagrams, bind_datagrams, group_of, probe_free
from netcore.engine.given import GivenListener, Source
from netcore.engine.open_listeners import OpenListener, Part
from netcore.engine.proxied import phases_of
from netcore.engine.secured import Secured
from netcore.engine.taking import Takings
from netcore.eventloop import Listener, Loop
from netcore.options import Options

__all__ = ["Opener", "Pick"]

Pick = Callable[[Address | None], Loop]
"""Chooses a loop for a peer's address, or for a socket whose peer does not matter. Any thread."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens the listeners of an engine, before its loops run and while they do. Any thread.

    Attributes:
        options: The engine's.
        loops: The engine's.
        pick: Chooses a loop for each connection where there is one listener; None to keep them on its loop.
        secured: What listeners with TLS have for it.
        logger: Where it is said that something does not balance.
    """

    options: Options
    loops: tuple[Loop, ...]
    pick: Pick | None
    secured: Secured
    logger: logging.Logger

    def open(self, source: Source, wanted: Address, takings: Takings) -> OpenListener:
        """Makes one listener, on the first loop, or one for each loop where the kernel balances them.

        None accepts yet. If it raises, nothing is left open, but for what is ``takings``' to give back.

        Args:
            source: An address to bind, or a socket that is given, which is one listener always.
            wanted: The address under which it was asked for.
            takings: Takes over what is given.

        Raises:
            OSError: The address cannot be bound, or the socket does not listen.
            UnsupportedOperationError: This platform lacks something that was asked for, or the socket is of a
                kind that cannot be served.
        """
        bounds: list[Bound | BoundDatagrams] = []
        parts: list[Part] = []
        pick, given = self.pick, isinstance(source, GivenListener)
        try:
            if isinstance(source, GivenListener):
                bounds.append(takings.take(source, self.options))
                self._warn_of_one(bounds[0])
            elif source.is_udp:
                self._bind_datagrams(source, bounds)
            elif self._bind_streams(source, bounds):
                pick = None
            for bound, loop in zip(bounds, self.loops, strict=False):
                if isinstance(bound, Bound):
                    parts.append(self._attach(bound, loop, pick, given))
                else:
                    parts.append(_attach_datagrams(bound, loop))
            return OpenListener(source, wanted, bounds[-1].address, parts)
        except BaseException:
            for part in parts:
                part.loop.post(part.loop.stop_listening, part.listener)
            for bound in bounds[len(parts) :]:
                bound.close()
            raise

    def _warn_of_one(self, bound: Bound | BoundDatagrams) -> None:
        if len(self.loops) < 2:
            return
        if isinstance(bound, BoundDatagrams):
            self.logger.warning(
                "a socket that is given is one: one loop serves all datagrams of %s", bound.address
            )
        elif self.options.reuse_port:
            self.logger.warning(
                "a socket that is given is one: one loop accepts for all on %s", bound.address
            )

    def _bind_streams(self, address: Address, bounds: list[Bound | BoundDatagrams]) -> bool:
        """Makes a socket, or one for each loop; returns whether the kernel spreads connections over them."""
        balanced = self.options.reuse_port and self._can_share(address)
        for _ in self.loops if balanced else self.loops[:1]:
            bound = bind(address, self.options, reuse_port=self.options.reuse_port)
            bounds.append(bound)
            address = bound.address  # so that port 0 is chosen once
        return balanced

    def _can_share(self, address: Address) -> bool:
        if address.network != "unix" and current().facts.reuse_port is not None:
            return True
        if len(self.loops) > 1:
            self.logger.warning(
                "the kernel does not balance listeners of %s: one loop accepts for all", address
            )
        return False

    def _bind_datagrams(self, address: Address, bounds: list[Bound | BoundDatagrams]) -> None:
        """Makes a socket for each loop, since datagrams have no accept by which they could be handed on."""
        several = len(self.loops) > 1
        if several and (why := _why_one_loop(address)):
            self.logger.warning("%s: one loop serves all datagrams of %s", why, address)
            several = False
        elif several and address.port and not self.options.reuse_port:
            probe_free(address)
        share_port = several or self.options.reuse_port
        for _ in self.loops if several else self.loops[:1]:
            bound = bind_datagrams(address, self.options, share_port=share_port)
            bounds.append(bound)
            address = bound.address

    def _attach(self, bound: Bound, loop: Loop, pick: Pick | None, given: bool) -> Part:
        fd = bound.sock.detach()
        loop.sockets.attach(fd)
        network = "unix" if bound.address.network == "unix" else "tcp"
        listener = Listener(fd, bound.address, network, bound.local, bound.cleanup)
        if self.options.proxy_protocol:
            listener = replace(listener, phases=phases_of(self.options, network))
        if bound.address.is_tls:
            listener = replace(listener, phases=self.secured.phases(listener.phases))
        if given:  # others than Unix sockets pass nothing but bytes
            listener = replace(listener, shared=True, was_open=network == "unix")
        return Part(loop, loop.listen(listener, pick), bound.share)


def _attach_datagrams(bound: BoundDatagrams, loop: Loop) -> Part:
    family, fd = bound.sock.family, bound.sock.detach()
    loop.sockets.attach(fd)
    listen = loop.listen_for_sessions if bound.address.is_kcp else loop.listen_for_datagrams
    return Part(loop, listen(fd, family, bound.local), bound.share)


def _why_one_loop(address: Address) -> str:
    if current().facts.reuse_port is None:
        return "the kernel does not balance datagrams between sockets"
    if group_of(address) is not None:
        return "each socket of a multicast group gets every datagram"
    return ""
