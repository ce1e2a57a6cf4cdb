"""From an address to what bind(2) and connect(2) take."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.sockets.literals import ip_of, scope_of

__all__ = ["Endpoint", "naming", "needs_lookup", "resolve"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A family, and a name in it.

    Attributes:
        family: Such as AF_INET.
        name: What ``socket.bind`` and ``socket.connect`` take for that family.
    """

    family: int
    name: tuple[object, ...] | str


def needs_lookup(address: Address) -> bool:
    """Tells whether ``resolve`` would ask a name service, and so may block for seconds."""
    return address.network != "unix" and bool(address.host) and ip_of(address.host) is None


def resolve(
    address: Address, passive: bool = False, getaddrinfo: Callable[..., list[Any]] | None = None
) -> list[Endpoint]:
    """Finds the endpoints that an address stands for, IPv4 first; see getaddrinfo(3).

    Args:
        address: An empty host is every interface if ``passive``, and this machine otherwise.
        passive: Whether to listen there rather than to connect.
        getaddrinfo: Whom to ask about names, with all arguments; None for the system.

    Raises:
        OSError: The name is not known, the name service fails, or there is no interface of the zone's name.
    """
    if address.network == "unix":
        path = address.path
        return [Endpoint(AF_UNIX, f"\0{path[1:]}" if path.startswith("@") else path)]
    if (ip := ip_of(address.host)) is not None:
        if ip.version == 4:
            return [Endpoint(socket.AF_INET, (str(ip), address.port))]
        try:
            return [Endpoint(socket.AF_INET6, (str(ip), address.port, 0, scope_of(address.zone)))]
        except OSError as error:
            raise naming(error, address) from None
    kind = socket.SOCK_DGRAM if address.is_udp else socket.SOCK_STREAM
    families = {"4": socket.AF_INET, "6": socket.AF_INET6}
    family = families.get(address.network[-1], socket.AF_UNSPEC)
    flags = socket.AI_PASSIVE if passive else 0
    try:
        ask = socket.getaddrinfo if getaddrinfo is None else getaddrinfo
        found = ask(address.host or None, address.port, family, kind, 0, flags)
    except OSError as error:
        raise naming(error, address) from error
    except Exception as error:  # such as the UnicodeError of IDNA (RFC 3490): there is no such name
        code = socket.EAI_NONAME if isinstance(error, ValueError) else socket.EAI_FAIL
        raise socket.gaierror(code, f"{str(error) or repr(error)} ({address})") from error
    # A name such as "localhost" often has both, and servers that know only one family know IPv4.
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return [Endpoint(entry[0], entry[4]) for entry in found]


def naming(error: OSError, address: Address, advice: str = "") -> OSError:
    """Makes an error of the same kind that names the address, and says what to do about it."""
    text = f"{error.strerror or error} ({address}){advice}"
    code = error.errno
    if code is None and address.network == "unix":
        code = errno.ENAMETOOLONG  # the standard library's "AF_UNIX path too long" has none
    try:
        return type(error)(code, text)
    except Exception:  # a class of somebody's own, which takes something else
        return OSError(code, text)
