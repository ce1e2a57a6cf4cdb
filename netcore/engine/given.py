"""What an engine listens on: addresses that it binds, and sockets that it is given."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netcore.address import Address
from netcore.errors import InvalidAddressError, UnsupportedProtocolError
from netcore.options import Options
from netcore.service import PassedSocket, match, passed_sockets

__all__ = ["GivenListener", "Source", "source_of", "sources_of", "warn_of_unserved"]


@dataclass(frozen=True, slots=True)
class GivenListener:
    """A socket to listen on that was bound elsewhere: by a parent process, or by a predecessor.

    It takes the place of an address: ``"fd://3"`` is short for ``GivenListener(3)``, ``"tls+fd://3"`` for
    ``GivenListener(3, tls=True)``, and ``"kcp+fd://3"`` for ``GivenListener(3, kcp=True)``.

    When ``Engine.start``, or ``listen``, returns, the engine has taken the descriptor over: it is closed, and
    what the engine listens on is a duplicate, which is non-blocking like all other duplicates from then on
    (fcntl(2)). If it raises, the descriptor stays open and the caller's, blocking or not as it was.

    Attributes:
        fd: The descriptor of a stream socket that listens, TCP or Unix, or of a bound UDP socket.
        unlink: Whether the file of a Unix socket is removed when the listener closes, unless somebody else
            still has that socket open, or another file stands in its place. Other sockets leave none.
        tls: Whether its connections begin with a handshake of TLS, in the context of ``Options.tls``; of a
            socket for TCP only.
        kcp: Whether its datagrams are those of sessions of KCP; of a UDP socket only.

    Raises:
        InvalidAddressError: ``fd`` is no descriptor, or it is to have both TLS and KCP.
    """

    fd: int
    unlink: bool = False
    tls: bool = False
    kcp: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.fd, int) or isinstance(self.fd, bool):  # type: ignore[redundant-expr]
            raise InvalidAddressError(f"{self.fd!r} is no descriptor: a GivenListener needs its number")
        if self.tls and self.kcp:
            raise InvalidAddressError("a GivenListener has sessions of KCP or connections with TLS, not both")
        Address.parse(self.address)

    @property
    def address(self) -> Address:
        """The descriptor as an address, ``fd://N``, ``tls+fd://N`` or ``kcp+fd://N``."""
        network = "tls+fd" if self.tls else "kcp+fd" if self.kcp else "fd"
        return Address(network, path=str(self.fd))

    @classmethod
    def at(cls, fd: int, address: Address) -> GivenListener:
        """Makes the listener of a descriptor that stands for an address."""
        return cls(fd, tls=address.is_tls, kcp=address.is_kcp)


Source = Address | GivenListener
"""What a listener is made from: an address to bind, or a socket."""


def sources_of(
    addresses: Sequence[str | Address | GivenListener],
) -> tuple[tuple[Address, ...], tuple[Source, ...]]:
    """Reads what an engine is to listen on; an address where a passed socket is bound stands for that socket.

    Returns:
        For each listener the address under which it was asked for, and what it is made from.

    Raises:
        InvalidAddressError: An address is none, or a descriptor is given twice.
        UnsupportedProtocolError: A scheme is unknown, or no inherited socket has the name.
    """
    wanted: list[Address] = []
    sources: list[Source] = []
    for given in addresses:
        for address, source in _read(given):
            if isinstance(source, GivenListener) and source.fd in _descriptors(sources):
                raise InvalidAddressError(f"{str(source.address)!r} is given twice: it is one listener")
            wanted.append(address)
            sources.append(source)
    return tuple(wanted), tuple(sources)


def _read(given: str | Address | GivenListener) -> Iterator[tuple[Address, Source]]:
    """Yields an address and its source; several if it stands for several inherited sockets."""
    if isinstance(given, GivenListener):
        yield given.address, given
        return
    if isinstance(given, Options):  # type: ignore[unreachable]
        raise InvalidAddressError("options are given by name, as options=...: what comes before is addresses")
    address = Address.parse(given)
    if address.is_inherited and address.path.isdecimal():  # whoever has passed it
        yield address, GivenListener.at(int(address.path), address)
        return
    passed = passed_sockets()
    found = match(address, passed)
    if address.is_inherited and not found:
        raise UnsupportedProtocolError(f"{str(address)!r} cannot be served: {_complaint(passed)}")
    for fd, _ in found:
        yield address, GivenListener.at(fd, address)
    if not found:
        yield address, address


def _complaint(passed: Sequence[PassedSocket]) -> str:
    if not passed:
        return "no sockets were passed to this process (LISTEN_FDS, LISTEN_PID)"
    return f"the sockets passed to this process are named {', '.join(repr(name) for _, name in passed)}"


def warn_of_unserved(logger: logging.Logger) -> None:
    """Says which passed sockets nobody serves: their clients would be connected, and wait for ever."""
    for fd, name in passed_sockets():
        logger.warning("the service manager has passed fd://%d (%s), which no address asks for", fd, name)


def source_of(given: str | Address | GivenListener) -> tuple[Address, Source]:
    """Reads what is to be one listener; see ``sources_of``."""
    (wanted, source), *more = _read(given)
    if more:
        text = f"{str(wanted)!r} is {1 + len(more)} inherited sockets: listen on each by its number"
        raise InvalidAddressError(text)
    return wanted, source


def _descriptors(sources: list[Source]) -> list[int]:
    return [source.fd for source in sources if isinstance(source, GivenListener)]
