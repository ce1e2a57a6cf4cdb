"""The options of a simulated UDP socket, as socket(7), ip(7) and ipv6(7) have them."""

from __future__ import annotations

import errno
import socket
import struct

from netcore.testing.simulation.net.addresses import is_multicast
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.interfaces import INTERFACES
from netcore.testing.simulation.net.linux import named, option_called
from netcore.testing.simulation.net.options import COMMON, INTERNET, INTERNET6, EndpointOptions

__all__ = ["DatagramOptions", "group_in"]

_BUFFER = 212_992
"""Bytes of a buffer unless somebody sets it: rmem_default and wmem_default of Linux."""

_SOL, _IP = socket.SOL_SOCKET, socket.IPPROTO_IP
_IPV6: int = getattr(socket, "IPPROTO_IPV6", 41)

_DATAGRAMS: dict[tuple[int, int], int | bytes] = {
    **COMMON,
    **INTERNET,
    **named(_SOL, SO_ACCEPTCONN=0),
    **named(_IP, IP_MULTICAST_LOOP=1, IP_MULTICAST_TTL=1),
    (_IP, socket.IP_MULTICAST_IF): bytes(4),
}

_DATAGRAMS6 = {
    **INTERNET6,
    **named(_IPV6, IPV6_MULTICAST_HOPS=1, IPV6_MULTICAST_IF=0, IPV6_MULTICAST_LOOP=1),
}

_TELLING = ((_IP, option_called("IP_PKTINFO")), (_IPV6, option_called("IPV6_RECVPKTINFO")))
"""Options that ask to which address each datagram came."""


class DatagramOptions(EndpointOptions):
    """The options of one UDP socket.

    Args:
        family: AF_INET or AF_INET6.
    """

    def __init__(self, family: int) -> None:
        super().__init__(family, _BUFFER, _BUFFER)

    def _start(self, key: tuple[int, int]) -> int | bytes | None:
        found = _DATAGRAMS.get(key)
        if found is None and self._family == socket.AF_INET6:
            found = _DATAGRAMS6.get(key)
        return found

    def is_on(self, level: int, option: int) -> bool:
        """Whether a switch is on; not if the family has none such."""
        key = level, option
        value = self._values.get(key)
        return bool(self._start(key) if value is None else value)

    @property
    def tells_destinations(self) -> bool:
        """Whether the socket asks to which address each datagram came."""
        return any(self.is_on(level, option) for level, option in _TELLING)

    @property
    def reuse_port(self) -> bool:
        """Whether the socket shares its port with others, over which the flows are spread."""
        return self.is_on(_SOL, option_called("SO_REUSEPORT"))


def group_in(version: int, value: int | bytes) -> str:
    """Returns the multicast group that is to be joined or left, in canonical form.

    Args:
        version: 4 or 6.
        value: ``struct ip_mreq``, ``ip_mreqn`` or ``ipv6_mreq``.

    Raises:
        OSError: EINVAL: it is none of them, or no group; ENODEV: there is no such interface.
    """
    sizes = (8, 12) if version == 4 else (20,)
    if isinstance(value, int) or len(value) not in sizes:
        raise failure(errno.EINVAL)
    if version == 4:
        group = socket.inet_ntop(socket.AF_INET, value[:4])
        number = struct.unpack("i", value[8:])[0] if len(value) == 12 else 0
    else:
        group = socket.inet_ntop(socket.AF_INET6, value[:16])
        number = struct.unpack("I", value[16:])[0]
    if number and number not in INTERFACES.values():
        raise failure(errno.ENODEV)
    if not is_multicast(group):
        raise failure(errno.EINVAL)
    return group
