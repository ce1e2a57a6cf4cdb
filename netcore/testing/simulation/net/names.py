"""Names and their resolution in a simulated world: at once, after a while, or not at all."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from netcore.address import Address
from netcore.errors import InvalidAddressError
from netcore.sockets import Found, Lookup, needs_lookup, resolve
from netcore.testing.simulation import current
from netcore.testing.simulation.net import interfaces
from netcore.testing.simulation.net.addresses import BROADCAST, canonical
from netcore.testing.simulation.net.links import Number, drawn, number_of
from netcore.testing.simulation.net.name_table import (
    AddressInfo,
    NameTable,
    key_of,
    refuse,
    service_name,
)

if TYPE_CHECKING:
    from netcore.testing.simulation.net.network import Ground, Network
    from netcore.testing.simulation.scheduler import Scheduler

__all__ = ["Names", "SimulatedResolver", "check_host_name"]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the resolution of a name goes; see ``Names.plan``."""

    delay: Number = 0.0
    failure: Number = 0.0
    error: int = socket.EAI_AGAIN


_AT_ONCE = _Plan()

_EAI_NUMBERS = frozenset(number for name, number in vars(socket).items() if name.startswith("EAI_"))


class Names:
    """What ``socket`` has to do with names, for code that runs in a world. On the world's thread.

    Names of hosts have the hosts' addresses, whether these run or not. Addresses and "localhost" are known
    without asking anybody, so that no plan concerns them.
    """

    FUNCTIONS = (
        "getaddrinfo",
        "gethostbyaddr",
        "gethostbyname",
        "gethostbyname_ex",
        "gethostname",
        "getnameinfo",
        "if_indextoname",
        "if_nameindex",
        "if_nametoindex",
    )
    """The functions of ``socket`` that it stands for, under their names; what they take is the same.

    :meta private:
    """

    if_indextoname: Callable[[int], str] = staticmethod(interfaces.if_indextoname)
    if_nameindex: Callable[[], list[tuple[int, str]]] = staticmethod(interfaces.if_nameindex)
    if_nametoindex: Callable[[str], int] = staticmethod(interfaces.if_nametoindex)

    def __init__(self, scheduler: Scheduler, network: Network) -> None:
        """Made by ``Simulation.names``.

        Args:
            scheduler: The world's time and randomness.
            network: Has the hosts.
        """
        self._scheduler = scheduler
        self._network = network
        self._table = NameTable(network)
        self._plans: dict[str | None, _Plan] = {}

    # Faults.

    def add(self, name: str, *targets: str) -> None:
        """Adds a name, or replaces what it stands for.

        Args:
            name: Such as "db.example".
            targets: Names of hosts, and addresses, which need not be anybody's.

        Raises:
            TypeError: One is no text.
            ValueError: One is empty or can be no name, or the name is an address or "localhost".
        """
        for target in targets:
            _check_text(target, "target")
        self._table.add(self._planned(name), targets)

    def plan(
        self, name: str | None, *, delay: Number = 0.0, failure: Number = 0.0, error: int = socket.EAI_AGAIN
    ) -> None:
        """Says how the resolution of a name goes from now on; what is not given is as at the beginning.

        Args:
            name: Of a host or any other; None for all that have no plan of their own.
            delay: Seconds that a lookup takes, or a function of the source of randomness.
            failure: How likely it is to fail, 0 to 1, or such a function.
            error: With which of the EAI numbers of ``socket`` it fails.

        Raises:
            TypeError: A value is neither a number nor a function, or the name is no text.
            ValueError: A value is out of its range, or the name is none that is looked up; see ``add``.
        """
        key = None if name is None else self._planned(name)
        if isinstance(error, bool) or not isinstance(error, int):
            raise TypeError(f"error is {error!r}: it must be one of the EAI numbers of socket")
        if error not in _EAI_NUMBERS:
            raise ValueError(f"error is {error}: it must be one of the EAI numbers of socket")
        self._plans[key] = _Plan(number_of(delay, "delay"), number_of(failure, "failure", 1.0), error)

    def _planned(self, name: str) -> str:
        """Returns the key of a name that can be looked up."""
        _check_text(name, "name")
        if self._table.is_numeric(name):
            raise ValueError(f"name is {name!r}: an address or localhost is known without a lookup")
        return key_of(name)

    def begin(self, host: str | None, kernel: current.Kernel | None) -> tuple[float, int]:
        """Begins a lookup; returns how many seconds it takes, and the EAI number of its failure or 0.

        Args:
            host: Which is looked up.
            kernel: Where.

        :meta private:
        """
        if host is None or self._table.is_numeric(host):
            return 0.0, 0
        plan = self._plans.get(key_of(host)) or self._plans.get(None, _AT_ONCE)
        source = self._scheduler.random
        delay = drawn(plan.delay, source, "delay", where=("of", host))
        chance = drawn(plan.failure, source, "failure", 1.0, ("of", host))
        if not chance or source.random() >= chance:
            return delay, 0
        where = "" if kernel is None else kernel.host
        self._network.trace.add("fault", where, "", "", f"the lookup of {host!r} fails")
        return delay, plan.error

    def _wait(self, host: str | None) -> None:
        """Does what a blocking lookup does until its answer is there."""
        delay, error = self.begin(host, current.kernel_or_none())
        if delay:
            current.wait(lambda: False, delay, f"the lookup of {host!r}")
        if error:
            refuse(error)

    # The functions of ``socket``.

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: object,
        family: int = 0,
        type: int = 0,  # as ``socket`` calls it
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """See ``socket.getaddrinfo``; IPv4 comes first.

        :meta private:
        """
        name = _decoded(host)
        if not flags & socket.AI_NUMERICHOST:
            self._wait(name)
        return self._table.entries(name, port, family, type, proto, flags)

    def gethostbyname(self, hostname: str) -> str:
        """See ``socket.gethostbyname``.

        :meta private:
        """
        first: str = self._addresses_ipv4(hostname)[0]
        return first

    def gethostbyname_ex(self, hostname: str) -> tuple[str, list[str], list[str]]:
        """See ``socket.gethostbyname_ex``.

        :meta private:
        """
        return hostname, [], self._addresses_ipv4(hostname)

    def _addresses_ipv4(self, hostname: str | bytes) -> list[str]:
        name = _decoded(hostname)
        if not name:
            return ["0.0.0.0"]
        if name == "<broadcast>":
            return [BROADCAST[0]]
        found = self.getaddrinfo(name, 0, socket.AF_INET, socket.SOCK_STREAM)
        return [entry[4][0] for entry in found]

    def gethostbyaddr(self, ip_address: str) -> tuple[str, list[str], list[str]]:
        """See ``socket.gethostbyaddr``.

        :meta private:
        """
        entries = self.getaddrinfo(ip_address, 0, 0, socket.SOCK_STREAM)
        ip = str(canonical(entries[0][4][0]))
        name = self._table.name_of(ip)
        if name is None:
            raise socket.herror(1, "Unknown host")
        return name, [], [ip]

    def gethostname(self) -> str:
        """See ``socket.gethostname``: the name of the host whose code runs.

        :meta private:
        """
        return current.kernel().host

    def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        """See ``socket.getnameinfo``.

        :meta private:
        """
        if not isinstance(sockaddr, tuple) or not 2 <= len(sockaddr) <= 4:
            raise TypeError("getnameinfo() argument 1 must be a tuple")
        host, port = sockaddr[:2]
        ip = canonical(host)
        if ip is None:
            refuse(socket.EAI_NONAME)
        name = None if flags & socket.NI_NUMERICHOST else self._table.name_of(ip)
        if name is None and flags & socket.NI_NAMEREQD:
            refuse(socket.EAI_NONAME)
        service = None if flags & socket.NI_NUMERICSERV else service_name(port)
        return name or host, service or str(port)

    # Without blocking.

    def resolver(self, kernel: Ground) -> SimulatedResolver:
        """Makes what stands for ``netcore.sockets.Resolver`` on a host.

        :meta private:
        """
        return SimulatedResolver(self, kernel)

    def answer(self, error: int, host: str | None, *question: Any) -> list[AddressInfo]:
        """Answers as ``getaddrinfo`` does, without a wait.

        Args:
            error: What ``begin`` has said.
            host: As of ``getaddrinfo``.
            question: The rest of its arguments, all of them.

        :meta private:
        """
        if error:
            refuse(error)
        return self._table.entries(_decoded(host), *question)


class SimulatedResolver:
    """Looks names up as ``netcore.sockets.Resolver`` does, and answers at a virtual time.

    Args:
        names: Of the world.
        kernel: Of the host that asks. After its end nobody is told of anything.
    """

    def __init__(self, names: Names, kernel: Ground) -> None:
        self._names = names
        self._kernel = kernel

    def look_up(self, address: Address, done: Callable[[Found], object]) -> Lookup:
        """See ``Resolver.look_up``; ``done`` is called in an event of its own."""
        host = address.host if needs_lookup(address) else None
        delay, error = self._names.begin(host, self._kernel)
        planned = self._kernel.scheduler.call_later(delay, lambda: self._answer(lookup, error))
        lookup = Lookup(address, done, lambda _: planned.cancel())
        return lookup

    def _answer(self, lookup: Lookup, error: int) -> None:
        if not self._kernel.alive:
            return
        try:
            found: Found = resolve(lookup.address, getaddrinfo=partial(self._names.answer, error))
        except Exception as raised:
            found = raised
        lookup.done(found)


def _decoded(host: str | bytes | None) -> str | None:
    """Returns a host as the standard library gives it to getaddrinfo(3); UnicodeError if it cannot be one."""
    if host is None:
        return None
    if isinstance(host, (bytes, bytearray)):
        return bytes(host).decode()
    if not isinstance(host, str):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    return host.encode("idna").decode() if canonical(host) is None else host


def _check_text(name: object, what: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{what} is {name!r}: it must be text")
    if not name:
        raise ValueError(f"{what} is empty: it must be a name")


def check_host_name(name: object) -> None:
    """Refuses what an address cannot have as a host's name, or what is one of every host.

    Raises:
        TypeError: It is no text.
        ValueError: It is no name, an IP address, or "localhost".
    """
    if not isinstance(name, str):
        raise TypeError(f"a host's name is {name!r}: it must be text")
    try:
        usable = Address.parse(f"tcp://{name}:1").host == name and canonical(name) is None
    except InvalidAddressError:
        usable = False
    if not usable or name.lower() in ("", "localhost"):
        raise ValueError(f"{name!r} is no name for a host: others have to be able to dial it")
