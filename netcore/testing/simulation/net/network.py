"""Which host has which address, which kernel runs on it now, and what a kernel is to its sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcore.testing.simulation.net.addresses import ANY, is_loopback
from netcore.testing.simulation.net.datagram_ports import DatagramPorts
from netcore.testing.simulation.net.descriptors import Descriptors
from netcore.testing.simulation.net.files import SocketFiles
from netcore.testing.simulation.net.ports import Listeners, Listening, Ports

if TYPE_CHECKING:
    from netcore.testing.simulation.net.links import Links
    from netcore.testing.simulation.scheduler import Scheduler
    from netcore.testing.simulation.trace import Trace

__all__ = ["Ground", "Network"]

_HOSTS_PER_NET = 254
_MOST_HOSTS = 255 * _HOSTS_PER_NET
_FIRST_PORT, _LAST_PORT = 49152, 65535
"""The ports that are nobody's, for whoever does not care (RFC 6335, section 6)."""


class Network:
    """The hosts of a world, by their addresses. They are all in one net, 10.0.0.0/16 and fd00::/64.

    Args:
        scheduler: The world's time.
        trace: Where events are noted.
        links: What lies between the hosts.

    Attributes:
        scheduler: See above, as for the others.
        trace: See above.
        links: See above.
        descriptors: The open sockets of all hosts.
    """

    def __init__(self, scheduler: Scheduler, trace: Trace, links: Links) -> None:
        self.scheduler = scheduler
        self.trace = trace
        self.links = links
        self.descriptors: Descriptors = Descriptors()
        self._addresses: dict[str, tuple[str, str]] = {}
        self._hosts: dict[str, str] = {}
        self._running: dict[str, Ground] = {}
        self._groups: dict[str, dict[str, int]] = {}
        self._ports: dict[str, int] = {}
        self._files: dict[str, SocketFiles] = {}

    def addresses(self, host: str) -> tuple[str, str]:
        """Returns a host's IPv4 and IPv6 address, which it has from the first question on.

        Raises:
            ValueError: There are too many hosts.
        """
        known = self._addresses.get(host)
        if known is None:
            if len(self._addresses) == _MOST_HOSTS:
                raise ValueError(f"there are {_MOST_HOSTS} hosts, and a net holds no more")
            x, y = divmod(len(self._addresses), _HOSTS_PER_NET)
            known = self._addresses[host] = f"10.0.{x}.{y + 1}", _ipv6(x, y + 1)
            for ip in known:
                self._hosts[ip] = host
        return known

    def known_addresses(self, host: str) -> tuple[str, str] | None:
        """Returns the addresses of a host that has some; None for one that nobody has heard of."""
        return self._addresses.get(host)

    def hosts(self) -> list[str]:
        """Returns the names of all hosts, in the order in which they got their addresses."""
        return list(self._addresses)

    def files(self, host: str) -> SocketFiles:
        """Returns the files of Unix sockets on a host, which a crash leaves."""
        return self._files.setdefault(host, SocketFiles())

    def host_at(self, ip: str) -> str | None:
        """Returns the name of the host that has an address, whether it runs or not."""
        return self._hosts.get(ip)

    def boot(self, kernel: Ground) -> None:
        """Makes a kernel the one that its host runs."""
        self._running[kernel.host] = kernel

    def running(self, host: str) -> Ground | None:
        """Returns the kernel that a host runs; None if it has crashed, or never ran."""
        kernel = self._running.get(host)
        return kernel if kernel is not None and kernel.alive else None

    def kernel_at(self, ip: str, asking: Ground) -> Ground | None:
        """Returns who has an address now, as one host sees it; None for nobody that runs."""
        host = asking.host_at(ip)
        return None if host is None else self.running(host)

    def down(self, ip: str) -> bool:
        """Whether an address is that of a host which does not run: what is sent there meets with silence."""
        host = self._hosts.get(ip)
        return host is not None and self.running(host) is None

    def free_port(self, host: str) -> int:
        """Returns the next of the ports that are nobody's, 49152 to 65535, whether it is free or not.

        They go on where they were when a host restarts, so that a new socket is not taken for an old one.
        """
        port = self._ports.get(host, _FIRST_PORT)
        self._ports[host] = port + 1 if port < _LAST_PORT else _FIRST_PORT
        return port

    # Multicast groups.

    def join(self, group: str, host: str) -> None:
        """Has what is sent to a group come to a host, until it has left as often."""
        members = self._groups.setdefault(group, {})
        members[host] = members.get(host, 0) + 1

    def leave(self, group: str, host: str) -> None:
        """Ends one ``join``."""
        members = self._groups[group]
        members[host] -= 1
        if not members[host]:
            del members[host]

    def members(self, group: str) -> list[str]:
        """Returns the hosts that have joined a group, in the order in which they have."""
        return list(self._groups.get(group, ()))


class Ground:
    """What a kernel gives to its sockets.

    Args:
        network: The world's.
        host: The name of the host that it runs on.

    Attributes:
        network: See above, as for the host.
        host: See above.
        addresses: The host's IPv4 and IPv6 address.
        alive: False from a crash on.
        scheduler: The world's time.
        trace: Where events are noted.
        links: What lies between the hosts.
        datagrams: Who has which UDP port.
        tcp_ports: Who has which TCP port.
        tcp_listeners: Who listens on which.
        files: Those of Unix sockets.
        abstract_names: Unix sockets by names that are no files.
    """

    def __init__(self, network: Network, host: str) -> None:
        self.network = network
        self.host = host
        self.addresses: tuple[str, str] = network.addresses(host)
        self.alive = True
        self.scheduler: Scheduler = network.scheduler
        self.trace: Trace = network.trace
        self.links: Links = network.links
        self.datagrams: DatagramPorts = DatagramPorts()
        self.tcp_ports: Ports = Ports()
        self.tcp_listeners: Listeners[Listening] = Listeners()
        self.files: SocketFiles = network.files(host)
        self.abstract_names: dict[bytes, object] = {}

    def owns(self, ip: str) -> bool:
        """Whether a socket can be bound to an address here."""
        return ip in self.addresses or ip in ANY or is_loopback(ip)

    def host_at(self, ip: str) -> str | None:
        """Returns the host that has an address, as this one sees it; None if nobody has it."""
        return self.host if is_loopback(ip) or ip in ANY else self.network.host_at(ip)


def _ipv6(x: int, y: int) -> str:
    """Returns fd00::x:y in canonical form: the first of two hosts' numbers is hexadecimal, too."""
    return f"fd00::{x:x}:{y:x}" if x else f"fd00::{y:x}"
