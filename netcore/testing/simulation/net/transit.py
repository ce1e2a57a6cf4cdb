"""Datagrams on their way: over the paths to whom they are for, and the news that there is nobody."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from netcore.testing.simulation.net.addresses import BROADCAST, IPName, is_multicast
from netcore.testing.simulation.net.datagram_ports import Datagram
from netcore.testing.simulation.net.losses import DOWN, note_lost, why_lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from netcore.testing.simulation.net.links import Path
    from netcore.testing.simulation.net.network import Ground

    Arrival = Callable[[Ground, Path, Datagram], None]

__all__ = ["dispatch", "dispatch_to_all", "to_all"]

_HEADERS = 28
"""Bytes of an IPv4 and a UDP header. That of IPv6 is longer, which changes nothing that anybody asks for."""

_ICMP = 36
"""Bytes of an ICMP message besides the headers that it quotes."""


def dispatch(site: Ground, data: bytes, source: IPName, target: IPName) -> float:
    """Sends a datagram to one address.

    Args:
        site: Where it is sent.
        data: The payload.
        source: From where.
        target: To where.

    Returns:
        When its last byte has left, in virtual seconds; in the past unless the path has a bandwidth.
    """
    host = site.host_at(target[0])
    flow = f"{site.host}:{source[1]} > {host or target[0]}:{target[1]}"
    number = site.trace.add("datagram", site.host, host or "", flow, "", len(data), -1, data)
    datagram = Datagram(data, source, target, site.host, flow, number)
    if host is None:
        site.trace.add("drop", site.host, "", flow, f"nobody has {target[0]}", len(data), number)
        return 0.0
    return _launch(site, datagram, host, _arrive)


def dispatch_to_all(
    site: Ground, data: bytes, source: IPName, target: IPName, loop: bool, far: bool
) -> float:
    """Sends a datagram to everybody, or to all of a multicast group. See ``dispatch``.

    Args:
        site: Where it is sent.
        data: The payload.
        source: From where.
        target: To where: a broadcast address or a group's.
        loop: Whether this host gets it, too.
        far: Whether others get it.
    """
    network = site.network
    flow = f"{site.host}:{source[1]} > {target[0]}:{target[1]}"
    number = site.trace.add("datagram", site.host, "", flow, "", len(data), -1, data)
    datagram = Datagram(data, source, target, site.host, flow, number)
    left = 0.0
    for host in network.members(target[0]) if is_multicast(target[0]) else network.hosts():
        if loop if host == site.host else far:
            left = max(left, _launch(site, datagram, host, _arrive_for_all))
    return left


def to_all(ip: str) -> bool:
    """Whether an address is everybody's or a group's."""
    return ip in BROADCAST or is_multicast(ip)


def _launch(site: Ground, datagram: Datagram, host: str, arrive: Arrival) -> float:
    path = site.links.path(site.host, host)
    size = len(datagram.data) + _HEADERS
    for _ in range(1 + path.duplicated()):
        arrival = path.transmit(size)
        if arrival is None:
            _drop(site, datagram, host, why_lost(path), at=site.host)
        else:
            site.scheduler.call_at(arrival, arrive, site, path, datagram)
    return path.busy_until


def _arrive(site: Ground, path: Path, datagram: Datagram) -> None:
    """What happens at the end of a path; ``site`` is where it began, which may be no more."""
    kernel = _there(site, path, datagram)
    if kernel is None:
        return
    port = kernel.datagrams.receiver(datagram.source, datagram.target)
    if port is None:
        _refuse(kernel, datagram)
    else:
        port.arrive(datagram)


def _arrive_for_all(site: Ground, path: Path, datagram: Datagram) -> None:
    kernel = _there(site, path, datagram)
    if kernel is not None:  # nobody is told if there is none who wants it
        for port in kernel.datagrams.receivers(datagram.source, datagram.target):
            port.arrive(datagram)


def _there(site: Ground, path: Path, datagram: Datagram) -> Ground | None:
    """Returns the kernel that a path leads to now, unless the datagram is lost in the last moment."""
    if path.cut:
        _drop(site, datagram, path.target, why_lost(path), at=path.target)
        return None
    kernel = site.network.running(path.target)
    if kernel is None:
        _drop(site, datagram, path.target, DOWN, at=path.target)
    return kernel


def _drop(site: Ground, datagram: Datagram, host: str, why: str, at: str) -> None:
    """Notes that a datagram to a host is lost, at the one host or the other."""
    peer = host if at == datagram.host else datagram.host
    site.trace.add("drop", at, peer, datagram.flow, why, len(datagram.data), datagram.number)


def _refuse(kernel: Ground, datagram: Datagram) -> None:
    """Sends the news that nobody has the port: ICMP port unreachable, of RFC 1122, section 3.2.2.1."""
    _, port = datagram.target
    why = f"nobody has port {port}"
    number = kernel.trace.add(
        "refused", kernel.host, datagram.host, datagram.flow, why, len(datagram.data), datagram.number
    )
    path = kernel.links.path(kernel.host, datagram.host)
    arrival = path.transmit(_HEADERS + _ICMP)
    if arrival is None:
        note_lost(kernel, path, datagram.flow, "ICMP", number)
    else:
        kernel.scheduler.call_at(arrival, _learn, kernel, path, datagram, number)


def _learn(site: Ground, path: Path, datagram: Datagram, cause: int) -> None:
    """The news arrive where the datagram came from: they concern who is connected to where it went."""
    kernel = site.network.running(path.target)
    if path.cut or kernel is None:
        note_lost(site, path, datagram.flow, "ICMP", cause, "" if path.cut else DOWN)
    else:
        port = kernel.datagrams.receiver(datagram.target, datagram.source)
        if port is not None and port.remote is not None:
            kernel.trace.add("refused", kernel.host, site.host, datagram.flow, "", 0, cause)
            port.fail(errno.ECONNREFUSED)
