"""The listeners of a supervisor: bound once, kept for good, and lent to processes."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from netcore._platform import FACTS
from netcore.address import Address
from netcore.engine.binding import Bound, bind, probe_port
from netcore.engine.binding_datagrams import BoundDatagrams, bind_datagrams, group_of, probe_free
from netcore.engine.given import GivenListener, Source, sources_of
from netcore.engine.taking import Takings
from netcore.options import Options

__all__ = ["Kept", "Listeners"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A socket that listens, or receives datagrams.

    Attributes:
        wanted: The address as it was asked for.
        address: Where it listens.
        number: The place whose own it is; None if all processes share it.
        bound: The socket.
    """

    wanted: Address
    address: Address
    number: int | None
    bound: Bound | BoundDatagrams

    @property
    def sock(self) -> socket.socket:
        """The socket."""
        return self.bound.sock


class Listeners:
    """Binds what is wanted, for each place or for all.

    A process is only ever given duplicates. So a socket stays open, and with it what waits in its backlog,
    whatever becomes of processes.

    Args:
        wanted: Where to listen.
        options: Those that concern listeners.
        own: Whether each place gets listeners of its own, which share the port by SO_REUSEPORT; where the
            kernel does not balance these, or there is one socket only, all processes share one.
        logger: Where it is said what cannot be balanced.
    """

    def __init__(
        self,
        wanted: Sequence[Address | GivenListener],
        options: Options,
        own: bool,
        logger: logging.Logger,
    ) -> None:
        self.own = own and FACTS.reuse_port is not None
        self._given = wanted
        self._wanted = tuple(one.address if isinstance(one, GivenListener) else one for one in wanted)
        self._options = options
        self._logger = logger
        self._kept: list[Kept] = []
        self._takings = Takings()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where it listens, in the order in which that is wanted, with real ports once it is open."""
        found: dict[Address, list[Address]] = {}
        for kept in self._kept:
            if not kept.number:
                found.setdefault(kept.wanted, []).append(kept.address)
        addresses: list[Address] = []
        for wanted in self._wanted:
            here = found.get(wanted, [wanted])
            addresses += here if wanted.is_inherited else here[:1]  # a name may be that of several sockets
            del here[:1]
        return tuple(addresses)

    @property
    def numbers(self) -> set[int]:
        """The places that have listeners of their own."""
        return {kept.number for kept in self._kept if kept.number is not None}

    def inherit(self, kept: Iterable[Kept]) -> None:
        """Takes over what a predecessor has listened on; what is not wanted any more is closed."""
        for each in kept:
            if each.wanted in self._wanted:
                self._kept.append(each)
            else:
                each.bound.sock.close()

    def open(self, places: int) -> None:
        """Binds everything for so many places, but for what is there.

        Raises:
            OSError: An address cannot be bound, or a socket that was passed does not listen; nothing is open
                then.
            NetcoreError: An address cannot be served here, or no socket of its name was passed.
        """
        try:
            found = list(zip(*sources_of(self._missing()), strict=True))
            self._takings.begin(source for _, source in found)
            for address, source in found:
                self._open_first(address, source)
            for number in range(1, places):
                self.open_place(number)
        except BaseException:
            self._takings.give_back()
            self.close()
            raise
        self._takings.keep()

    def _missing(self) -> list[Address | GivenListener]:
        """Returns what is wanted and not there; an address may be wanted twice, with port 0."""
        there = Counter(kept.wanted for kept in self._kept if not kept.number)
        missing = []
        for one, address in zip(self._given, self._wanted, strict=True):
            if not there[address]:
                missing.append(one)
            elif not address.is_inherited:  # one name may have been that of several sockets
                there[address] -= 1
        return missing

    def open_place(self, number: int) -> None:
        """Binds what a place has of its own, unless it is there."""
        firsts = [kept for kept in self._kept if kept.number == 0]
        there = {kept.address for kept in self._kept if kept.number == number}
        for first in firsts:
            if first.address not in there and self._is_multiple(first):
                self._keep(first.wanted, number, self._bind(first.address, share=True))

    def of(self, numbers: set[int]) -> Iterator[Kept]:
        """Yields what these places have of their own."""
        return (kept for kept in self._kept if kept.number in numbers)

    def shared(self) -> Iterator[Kept]:
        """Yields what all processes share."""
        return (kept for kept in self._kept if kept.number is None)

    def everything(self) -> list[Kept]:
        """Returns all of them."""
        return list(self._kept)

    def hand_on(self) -> None:
        """Leaves the files of Unix sockets to a successor, who listens there."""
        for kept in self._kept:
            if isinstance(kept.bound, Bound):
                kept.bound.share()

    def close(self) -> None:
        """Closes all of them."""
        for kept in self._kept:
            kept.bound.sock.close()
        for kept in self._kept:
            if isinstance(kept.bound, Bound):
                kept.bound.cleanup()
        self._kept.clear()

    def _keep(self, wanted: Address, number: int | None, bound: Bound | BoundDatagrams) -> None:
        self._kept.append(Kept(wanted, bound.address, number, bound))

    def _open_first(self, address: Address, source: Source) -> None:
        if isinstance(source, GivenListener):
            bound = self._takings.take(source, self._options)
            number = 0 if isinstance(bound, BoundDatagrams) else None
            if number is not None:
                self._logger.info("a socket that is given is one: one process serves all datagrams of it")
            self._keep(address, number, bound)
        elif source.is_udp:
            single = group_of(source) is not None or FACTS.reuse_port is None
            if single:
                self._logger.info("one process serves all datagrams of %s", source)
            elif source.port:
                probe_free(source)
            self._keep(address, 0, self._bind(source, share=not single))
        elif self.own and source.network != "unix":
            if source.port:
                probe_port(source, self._options)
            self._keep(address, 0, self._bind(source, share=True))
        else:
            self._keep(address, None, self._bind(source, share=False))

    def _is_multiple(self, first: Kept) -> bool:
        """Whether the kernel balances between several sockets such as this one."""
        if FACTS.reuse_port is None or first.wanted.is_inherited:
            return False
        return bool(first.sock.getsockopt(socket.SOL_SOCKET, FACTS.reuse_port))

    def _bind(self, address: Address, share: bool) -> Bound | BoundDatagrams:
        if address.is_udp:
            return bind_datagrams(address, self._options, share_port=share)
        return bind(address, self._options, reuse_port=share)
