"""What getaddrinfo(3) and its kin answer in a simulated world, at once; ``names`` has what keeps one."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from netcore.testing.simulation.net.addresses import ANY, LOOPBACK, canonical, system_name, version_of

if TYPE_CHECKING:
    from netcore.testing.simulation.net.network import Network

__all__ = ["ADDRFAMILY", "AddressInfo", "NameTable", "key_of", "refuse"]

AddressInfo = tuple[int, int, int, str, Any]
"""Family, kind, protocol, canonical name and socket name: an entry of what ``socket.getaddrinfo`` gives."""

ADDRFAMILY: int = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)

_TEXTS = {
    ADDRFAMILY: "Address family for hostname not supported",
    socket.EAI_AGAIN: "Temporary failure in name resolution",
    socket.EAI_BADFLAGS: "Bad value for ai_flags",
    socket.EAI_FAIL: "Non-recoverable failure in name resolution",
    socket.EAI_FAMILY: "ai_family not supported",
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_SERVICE: "Servname not supported for ai_socktype",
    socket.EAI_SOCKTYPE: "ai_socktype not supported",
}
"""The words of glibc, on every platform."""

_SERVICES = {
    "domain": 53,
    "echo": 7,
    "ftp": 21,
    "http": 80,
    "https": 443,
    "imap": 143,
    "ntp": 123,
    "pop3": 110,
    "smtp": 25,
    "ssh": 22,
    "telnet": 23,
}
_NAMES_OF_SERVICES = {port: name for name, port in _SERVICES.items()}

_KINDS = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    (socket.SOCK_RAW, 0),
)
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_NUMERIC_SERVICE: int = getattr(socket, "AI_NUMERICSERV", 0)


def refuse(code: int) -> NoReturn:
    """Raises the error of getaddrinfo(3) that an EAI number stands for."""
    raise socket.gaierror(code, _TEXTS.get(code, "Name resolution has failed"))


class NameTable:
    """The names of a world: those of its hosts, "localhost", and whatever others are added.

    Args:
        network: Has the hosts.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._more: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, targets: Iterable[str]) -> None:
        """Adds a name, or replaces what it stands for.

        Args:
            name: Any case.
            targets: Names of hosts, and addresses, which need not be anybody's.
        """
        self._more[key_of(name)] = tuple(targets)

    def is_numeric(self, host: str | None) -> bool:
        """Whether a host is known without asking anybody: none, an address, or "localhost"."""
        return not host or canonical(host) is not None or _is_localhost(host)

    def addresses(self, name: str) -> tuple[str, ...]:
        """Returns the addresses of a name, in canonical form and IPv4 first; none for one that is unknown."""
        if _is_localhost(name):
            return LOOPBACK
        key = key_of(name)
        if key not in self._more:
            return self._of_host(key)
        found: dict[str, None] = {}
        for target in self._more[key]:
            ip = canonical(target)
            found.update(dict.fromkeys(self._of_host(target) if ip is None else (ip,)))
        return tuple(sorted(found, key=version_of))

    def _of_host(self, name: str) -> tuple[str, ...]:
        known = self._network.known_addresses(name)
        if known is not None:
            return known
        hosts = (host for host in self._network.hosts() if key_of(host) == key_of(name))
        return next((self._network.addresses(host) for host in hosts), ())

    def name_of(self, ip: str) -> str | None:
        """Returns the name of who has an address, or None."""
        return "localhost" if ip in LOOPBACK else self._network.host_at(ip)

    def entries(
        self, host: str | None, port: object, family: int, kind: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        """Answers as ``socket.getaddrinfo`` does, IPv4 first.

        Raises:
            socket.gaierror: There is no such name or service, or the question makes no sense.
        """
        if family not in (socket.AF_UNSPEC, *_FAMILIES.values()):
            refuse(socket.EAI_FAMILY)
        if host is None and port is None:
            refuse(socket.EAI_NONAME)
        if flags & socket.AI_CANONNAME and host is None:
            refuse(socket.EAI_BADFLAGS)
        kinds = [pair for pair in _KINDS if kind in (0, pair[0]) and proto in (0, pair[1])]
        if not kinds:
            refuse(socket.EAI_SOCKTYPE if kind else socket.EAI_SERVICE)
        number = _service(port, flags)
        found = [
            (system_family, ip)
            for system_family, ip in self._found(host, flags)
            if family in (socket.AF_UNSPEC, system_family)
        ]
        if not found:
            refuse(ADDRFAMILY)
        entries: list[AddressInfo] = [
            (system_family, each, protocol, "", system_name(system_family, (ip, number)))
            for system_family, ip in found
            for each, protocol in kinds
        ]
        if flags & socket.AI_CANONNAME and host is not None:
            entries[0] = (*entries[0][:3], host, entries[0][4])
        return entries

    def _found(self, host: str | None, flags: int) -> list[tuple[socket.AddressFamily, str]]:
        """Returns families and addresses."""
        if not host:
            ips: tuple[str, ...] = ANY if flags & socket.AI_PASSIVE else LOOPBACK
        elif (ip := canonical(host)) is not None:
            return [(_FAMILIES[6 if ":" in host else 4], ip)]  # a mapped one stays one of IPv6
        elif flags & socket.AI_NUMERICHOST:
            refuse(socket.EAI_NONAME)
        else:
            ips = self.addresses(host)
            if not ips:
                refuse(socket.EAI_NONAME)
        return [(_FAMILIES[version_of(ip)], ip) for ip in ips]


def service_name(port: int) -> str | None:
    """Returns what a port is called, if it has a name."""
    return _NAMES_OF_SERVICES.get(port)


def _service(port: object, flags: int) -> int:
    if port is None:
        return 0
    if isinstance(port, (bytes, bytearray)):
        port = bytes(port).decode()
    if isinstance(port, str):
        if port.isdecimal():
            port = int(port)
        elif flags & _NUMERIC_SERVICE:
            refuse(socket.EAI_NONAME)
        else:
            port = _SERVICES.get(port, -1)
    if not isinstance(port, int):
        raise OSError("Int or String expected")  # as the standard library says it
    if not 0 <= port <= 0xFFFF:
        refuse(socket.EAI_SERVICE)
    return port


def key_of(name: str) -> str:
    """Returns what a name is kept by: the same in any case, with the dot of the root, and as IDNA has it.

    Raises:
        ValueError: A part of it is empty or too long.
    """
    if not name.isascii():
        name = name.encode("idna").decode()
    return name.lower().removesuffix(".")


def _is_localhost(name: str) -> bool:
    """RFC 6761, section 6.3."""
    return key_of(name) == "localhost" or key_of(name).endswith(".localhost")
