"""From an address to what bind(2) and connect(2) take."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from netcore._platform import AF_UNIX
from netcore.address import Address

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
    if address.network == "unix" or not address.host:
        return False
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        return True
    return False


def resolve(address: Address, passive: bool = False) -> list[Endpoint]:
    """Finds the endpoints that an address stands for, IPv4 first; see getaddrinfo(3).

    Args:
        address: An empty host is every interface if ``passive``, and this machine otherwise.
        passive: Whether to listen there rather than to connect.

    Raises:
        OSError: The name is not known, or the name service fails.
    """
    if address.network == "unix":
        assert AF_UNIX is not None
        path = address.path
        return [Endpoint(AF_UNIX, f"\0{path[1:]}" if path.startswith("@") else path)]
    kind = socket.SOCK_DGRAM if address.is_datagram else socket.SOCK_STREAM
    families = {"4": socket.AF_INET, "6": socket.AF_INET6}
    family = families.get(address.network[-1], socket.AF_UNSPEC)
    host = f"{address.host}%{address.zone}" if address.zone else address.host
    flags = socket.AI_PASSIVE if passive else 0
    try:
        found = socket.getaddrinfo(host or None, address.port, family, kind, 0, flags)
    except OSError as error:
        raise naming(error, address) from error
    except ValueError as error:  # such as the UnicodeError of IDNA (RFC 3490): there is no such name
        raise socket.gaierror(socket.EAI_NONAME, f"{error} ({address})") from error
    # A name such as "localhost" often has both, and servers that know only one family know IPv4.
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return [Endpoint(entry[0], entry[4]) for entry in found]


def naming(error: OSError, address: Address) -> OSError:
    """Makes an error of the same kind that names the address."""
    text = f"{error.strerror or error} ({address})"
    try:
        return type(error)(error.errno, text)
    except Exception:  # a class of somebody's own, which takes something else
        return OSError(error.errno, text)
