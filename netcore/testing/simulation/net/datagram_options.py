"""The options of a simulated UDP socket, as socket(7), ip(7) and ipv6(7) have them."""

from __future__ import annotations

import errno
import socket
import struct
import sys

from netcore._platform import IP_PKTINFO, IP_RECVDSTADDR, REUSE_PORT_OPTION, SO_BINDTODEVICE
from netcore.testing.simulation.net.addresses import is_multicast
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.interfaces import INTERFACES

__all__ = ["DatagramOptions", "group_in", "interface_number"]

BUFFER = 212_992
"""Bytes of a buffer unless somebody sets it: net.core.rmem_default of Linux."""

_LEAST_BUFFER = 2304
"""Bytes of the smallest receive buffer that Linux gives: SOCK_MIN_RCVBUF."""

_Option = tuple[int, int]


def _table(level: int, defaults: dict[str, int | bytes]) -> dict[_Option, int | bytes]:
    """Makes the options of a level; names that this platform's Python does not have are left out."""
    named = ((getattr(socket, name, None), default) for name, default in defaults.items())
    return {(level, number): default for number, default in named if number is not None}


_IPV6: int = getattr(socket, "IPPROTO_IPV6", 41)
_IPV6_RECVPKTINFO: int | None = getattr(socket, "IPV6_RECVPKTINFO", None)

_DEFAULTS: dict[_Option, int | bytes] = {
    **_table(
        socket.SOL_SOCKET,
        {
            "SO_ACCEPTCONN": 0,
            "SO_BROADCAST": 0,
            "SO_DONTROUTE": 0,
            "SO_EXCLUSIVEADDRUSE": 0,
            "SO_INCOMING_CPU": -1,
            "SO_KEEPALIVE": 0,
            "SO_LINGER": bytes(8),
            "SO_MARK": 0,
            "SO_NOSIGPIPE": 0,
            "SO_OOBINLINE": 0,
            "SO_PRIORITY": 0,
            "SO_RCVBUF": BUFFER,
            "SO_RCVLOWAT": 1,
            "SO_RCVTIMEO": bytes(16),
            "SO_REUSEADDR": 0,
            "SO_REUSEPORT": 0,
            "SO_REUSEPORT_LB": 0,
            "SO_SNDBUF": BUFFER,
            "SO_SNDTIMEO": bytes(16),
        },
    ),
    **_table(
        socket.IPPROTO_IP,
        {
            "IP_MULTICAST_IF": bytes(4),
            "IP_MULTICAST_LOOP": 1,
            "IP_MULTICAST_TTL": 1,
            "IP_RECVTOS": 0,
            "IP_TOS": 0,
            "IP_TTL": 64,
        },
    ),
}
_DEFAULTS_IPV6 = _table(
    _IPV6,
    {
        "IPV6_MULTICAST_HOPS": 1,
        "IPV6_MULTICAST_IF": 0,
        "IPV6_MULTICAST_LOOP": 1,
        "IPV6_RECVPKTINFO": 0,
        "IPV6_RECVTCLASS": 0,
        "IPV6_TCLASS": 0,
        "IPV6_UNICAST_HOPS": 64,
        "IPV6_V6ONLY": 0,
    },
)
for _number in (IP_PKTINFO, IP_RECVDSTADDR):
    if _number is not None:
        _DEFAULTS[socket.IPPROTO_IP, _number] = 0
if SO_BINDTODEVICE is not None:
    _DEFAULTS[socket.SOL_SOCKET, SO_BINDTODEVICE] = b""

_READ_ONLY = {(socket.SOL_SOCKET, getattr(socket, "SO_ACCEPTCONN", None))}


class DatagramOptions:
    """What is set of one socket; numbers, but for the few options that are structures.

    Args:
        family: AF_INET or AF_INET6.

    Attributes:
        receive_buffer: Bytes of datagrams that wait to be received, headers included.
        send_buffer: Bytes that wait for a line.
    """

    def __init__(self, family: int) -> None:
        self._ipv6 = family == socket.AF_INET6
        self._set: dict[_Option, int | bytes] = {}
        self.receive_buffer = self.send_buffer = BUFFER

    def get(self, level: int, option: int) -> int | bytes:
        """Returns an option; ENOPROTOOPT if there is none such."""
        key = level, option
        value = self._set.get(key, _DEFAULTS.get(key))
        if value is None and self._ipv6:
            value = _DEFAULTS_IPV6.get(key)
        if value is None:
            raise failure(errno.ENOPROTOOPT)
        return value

    def set(self, level: int, option: int, value: int | bytes) -> None:
        """Sets an option; ENOPROTOOPT if there is none such, EINVAL if its value is of no use."""
        before = self.get(level, option)
        key = level, option
        if key in _READ_ONLY:
            raise failure(errno.ENOPROTOOPT)
        if key == (socket.SOL_SOCKET, SO_BINDTODEVICE):
            interface_number(value)
        elif isinstance(before, int):
            value = _number_in(value)
        self._set[key] = value
        if key == (socket.SOL_SOCKET, socket.SO_RCVBUF):
            self.receive_buffer = self._set[key] = _doubled(value)
        elif key == (socket.SOL_SOCKET, socket.SO_SNDBUF):
            self.send_buffer = self._set[key] = _doubled(value)

    def is_on(self, level: int, option: int | None) -> bool:
        """Whether a switch is on; not if this platform has none such, or the family."""
        if option is None:
            return False
        key = level, option
        return bool(self._set.get(key, _DEFAULTS.get(key, _DEFAULTS_IPV6.get(key, 0) if self._ipv6 else 0)))

    @property
    def tells_destinations(self) -> bool:
        """Whether the socket asks to which address each datagram came."""
        ipv4 = (IP_PKTINFO, IP_RECVDSTADDR)
        asked = [(socket.IPPROTO_IP, option) for option in ipv4] + [(_IPV6, _IPV6_RECVPKTINFO)]
        return any(self.is_on(level, option) for level, option in asked)

    @property
    def reuse_port(self) -> bool:
        """Whether the socket shares its port with others, over which the flows are spread."""
        return self.is_on(socket.SOL_SOCKET, REUSE_PORT_OPTION)


def _number_in(value: int | bytes) -> int:
    if isinstance(value, int):
        return value
    if len(value) not in (1, 4):
        raise failure(errno.EINVAL)
    return int.from_bytes(value, sys.byteorder, signed=len(value) == 4)


def _doubled(value: int | bytes) -> int:
    """Returns the size of a buffer: what was asked for and as much for the bookkeeping (socket(7))."""
    assert isinstance(value, int)
    return max(2 * value, _LEAST_BUFFER)


def interface_number(value: int | bytes) -> int:
    """Returns the number of an interface, 0 for none; ENODEV if there is none such.

    Args:
        value: Its number, or its name with a zero behind.
    """
    if isinstance(value, int):
        found = value if value == 0 or value in INTERFACES.values() else None
    else:
        name = value.partition(b"\0")[0].decode("latin-1")
        found = INTERFACES.get(name) if name else 0
    if found is None:
        raise failure(errno.ENODEV)
    return found


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
    interface_number(number)
    if not is_multicast(group):
        raise failure(errno.EINVAL)
    return group
