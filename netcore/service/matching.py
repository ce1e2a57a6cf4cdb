"""Which of the sockets that were passed is the one that an address asks for."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

from netcore._platform import AF_UNIX, SO_ACCEPTCONN
from netcore.address import Address
from netcore.service.passed import PassedSocket
from netcore.sockets import address_of, ip_of, resolve, scope_of, socket_of

__all__ = ["match"]

_INET = (socket.AF_INET, socket.AF_INET6)
_EVERY_INTERFACE = ("0.0.0.0", "::")


def match(address: Address, sockets: Iterable[PassedSocket]) -> list[PassedSocket]:
    """Returns those that an address asks for, in their order. Any thread.

    ``fd://3`` and ``fd://NAME`` ask for a number and a name. Any other address asks for the stream sockets
    that listen there, or the datagram sockets that are bound there; ``tls`` for those of TCP. There can be
    several, of a name or, with ``ReusePort=``, of one place: all of them are to be served then, since the
    kernel spreads clients over them. An address of every interface (``tcp://:80``) asks for a socket of every
    interface, of both families or of one. Port 0 is no place, and a multicast group must be joined, not only
    bound: they match nothing.

    A host name is looked up, if there is a socket at all that could be meant, which may take its time.
    """
    if address.is_inherited:
        wanted = address.path
        return [each for each in sockets if wanted == (str(each.fd) if wanted.isdecimal() else each.name)]
    if address.network != "unix" and not address.port:
        return []
    bound = [(each, place) for each in sockets if (place := _place(each.fd, address))]
    if not bound:
        return []
    hosts = _hosts(address)
    return [each for each, place in bound if _is_at(address, hosts, place)]


def _place(fd: int, wanted: Address) -> Address | None:
    """Returns where a descriptor is bound, if it is a socket of the kind that is wanted and has the port."""
    try:
        sock = socket_of(fd)
    except OSError:  # passed or not, it is no socket
        return None
    unix = wanted.network == "unix"
    kind = socket.SOCK_DGRAM if wanted.is_udp else socket.SOCK_STREAM
    try:
        if sock.family not in ((AF_UNIX,) if unix else _INET) or sock.type != kind or not _may_serve(sock):
            return None
        place = address_of(sock)
    except OSError:
        return None
    finally:
        sock.detach()
    return place if unix or place.port == wanted.port else None


def _may_serve(sock: socket.socket) -> bool:
    """Whether it listens, if it must: a connection has the address of its listener (``Accept=yes``)."""
    if sock.type == socket.SOCK_DGRAM or SO_ACCEPTCONN is None:
        return True
    return bool(sock.getsockopt(socket.SOL_SOCKET, SO_ACCEPTCONN))


def _hosts(address: Address) -> tuple[str, ...]:
    """Returns the hosts of sockets that would be bound for an address, as the kernel spells them."""
    if address.network == "unix":
        return ()
    if not address.host:
        return {"4": _EVERY_INTERFACE[:1], "6": _EVERY_INTERFACE[1:]}.get(
            address.network[-1], _EVERY_INTERFACE
        )
    ip = ip_of(address.host)
    if ip is None:
        try:
            ip = ip_of(str(resolve(address, passive=True)[0].name[0]))
        except OSError:  # nobody can bind it either, who then says why
            return ()
    return () if ip is None or ip.is_multicast else (str(ip),)


def _is_at(address: Address, hosts: tuple[str, ...], place: Address) -> bool:
    if address.network == "unix":
        return _file(address.path) == _file(place.path)
    if str(ip_of(place.host)) not in hosts:
        return False
    try:
        return not place.zone or scope_of(place.zone) == scope_of(address.zone)
    except OSError:
        return False


def _file(path: str) -> str:
    """Returns one spelling for a path; an abstract name has one only."""
    return path if path.startswith("@") or not path else os.path.realpath(path)
