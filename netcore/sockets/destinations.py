"""To which of this machine's addresses a datagram came, and from which its answer is to go.

A socket that is bound to every interface would answer from the address that the route to the peer suggests,
which a connected peer does not take for the one it has asked. So the system is asked to tell the destination
of each datagram (IP_PKTINFO of ip(7), IP_RECVDSTADDR of ip(4), IPV6_RECVPKTINFO of RFC 3542), and it goes
with the sender's packed name: a name with this is longer, and its first byte says so. Sending to such a name
sends from there. ``src/netcore.h`` has the layout.

The destination of a broadcast or multicast datagram is nobody's own: there it is the address of the interface
that it came by, or just that interface.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import suppress

from netcore._facts import Facts
from netcore._machine import current
from netcore.address import Address
from netcore.sockets.names import unpack_name

__all__ = [
    "AncillaryData",
    "destination_name",
    "destination_of",
    "from_ancillary",
    "tell_destinations",
    "tells_destinations",
    "to_ancillary",
    "with_destination",
    "with_destination_of",
    "without_destination",
]

AncillaryData = list[tuple[int, int, bytes]]
"""What ``socket.recvmsg`` gives, and ``socket.sendmsg`` takes, besides the payload."""

_KNOWN = 0x40
"""The bit of a packed name's first byte that says that a destination is behind it."""

_SIZES = {4: 7, 6: 23}
"""Bytes of the packed names without."""

_MAPPED = bytes(10) + b"\xff\xff"
_IPPROTO_IPV6: int = getattr(socket, "IPPROTO_IPV6", 41)


def tell_destinations(sock: socket.socket) -> None:
    """Asks the system to tell where each datagram came to, as far as it can; best before bind(2)."""
    facts = current().facts
    if sock.family == socket.AF_INET6 and facts.ipv6_recvpktinfo is not None:
        with suppress(OSError):
            sock.setsockopt(_IPPROTO_IPV6, facts.ipv6_recvpktinfo, 1)
    # For IPv4 on an IPv6 socket too: Linux tells by this alone whose a broadcast was.
    option = facts.ip_pktinfo if facts.ip_pktinfo is not None else facts.ip_recvdstaddr
    if option is not None:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, option, 1)


def tells_destinations(sock: socket.socket, facts: Facts) -> bool:
    """Whether the system, whose facts these are, tells where the datagrams of a socket came to."""
    if not hasattr(sock, "recvmsg_into"):
        return False
    asked = [(socket.IPPROTO_IP, facts.ip_pktinfo), (socket.IPPROTO_IP, facts.ip_recvdstaddr)]
    if sock.family == socket.AF_INET6:
        asked = [(_IPPROTO_IPV6, facts.ipv6_recvpktinfo)]
    for level, option in asked:
        with suppress(OSError):
            if option is not None and sock.getsockopt(level, option):
                return True
    return False


def with_destination(name: bytes, raw: bytes, scope: int = 0) -> bytes:
    """Puts a destination behind a packed name.

    Args:
        name: An IPv4 or IPv6 name.
        raw: The address, 4 or 16 bytes as the name's own; all zero for none.
        scope: The interface to answer by, of IPv6; 0 for the system's choice.
    """
    tail = scope.to_bytes(4, "big") + raw if name[0] == 6 else raw
    return bytes([name[0] | _KNOWN]) + name[1 : _SIZES[name[0]]] + tail


def with_destination_of(name: bytes, other: bytes) -> bytes:
    """Puts behind a packed name what is behind another one, if anything is and it is of the same family."""
    if not other[0] & _KNOWN or name[0] != other[0] & ~_KNOWN:
        return name
    return bytes([other[0]]) + name[1:] + other[_SIZES[name[0]] :]


def without_destination(name: bytes) -> bytes:
    """Returns a packed name without what is behind it."""
    if not name[0] & _KNOWN:
        return name
    family = name[0] & ~_KNOWN
    return bytes([family]) + name[1 : _SIZES[family]]


def destination_name(name: bytes, port: int) -> bytes | None:
    """Makes the packed name of a destination; None if there is none.

    Args:
        name: The packed name that it is behind.
        port: That of the socket.
    """
    if not name[0] & _KNOWN:
        return None
    family = name[0] & ~_KNOWN
    tail = name[_SIZES[family] :]
    if not any(tail[-4:] if family == 4 else tail[4:]):
        return None
    return bytes([family]) + port.to_bytes(2, "big") + tail


def destination_of(name: bytes, port: int) -> Address | None:
    """Makes the address of a destination; see ``destination_name``."""
    packed = destination_name(name, port)
    return None if packed is None else unpack_name(packed, "udp")


def from_ancillary(name: bytes, ancillary: AncillaryData, facts: Facts) -> bytes:
    """Puts behind a packed name the destination that came with a datagram; a name without one gets none."""
    v4 = v6 = None
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == facts.ip_pktinfo and len(data) >= 12:
            v4 = data[4:8]
        elif level == socket.IPPROTO_IP and kind == facts.ip_recvdstaddr and len(data) >= 4:
            v4 = _own(data[:4])
        elif level == _IPPROTO_IPV6 and kind == facts.ipv6_pktinfo and len(data) >= 20:
            v6 = data[:16], struct.unpack("I", data[16:20])[0]
    if name[0] == 4:
        return name if v4 is None else with_destination(name, v4)
    if name[0] != 6 or (v4 is None and v6 is None):
        return name
    if v4 is not None:
        return with_destination(name, _mapped(v4))
    assert v6 is not None
    return with_destination(name, *_own_ipv6(*v6))


def _own(raw: bytes) -> bytes:
    """An IPv4 destination, unless it is certainly nobody's own."""
    address = ipaddress.IPv4Address(raw)
    return bytes(4) if address.is_multicast or raw == b"\xff\xff\xff\xff" else raw


def _own_ipv6(raw: bytes, index: int) -> tuple[bytes, int]:
    """An IPv6 destination, and the interface if the answer has to leave by it."""
    address = ipaddress.IPv6Address(raw)
    if address.ipv4_mapped is not None:
        return _mapped(_own(raw[12:])), 0
    if address.is_multicast:
        return bytes(16), index
    return raw, index if address.is_link_local else 0


def _mapped(raw: bytes) -> bytes:
    return _MAPPED + raw if any(raw) else bytes(16)


def to_ancillary(name: bytes, facts: Facts) -> AncillaryData:
    """Makes what has a datagram sent from the destination that is behind its receiver's packed name."""
    if not name[0] & _KNOWN:
        return []
    if name[0] & ~_KNOWN == 4:
        raw = name[_SIZES[4] :]
        if not any(raw):
            return []
        if facts.ip_pktinfo is not None:
            return [(socket.IPPROTO_IP, facts.ip_pktinfo, struct.pack("I4s4s", 0, raw, bytes(4)))]
        return [(socket.IPPROTO_IP, facts.ip_recvdstaddr, raw)] if facts.ip_recvdstaddr is not None else []
    tail = name[_SIZES[6] :]
    scope, raw = int.from_bytes(tail[:4], "big"), tail[4:]
    if facts.ipv6_pktinfo is None or (not scope and not any(raw)):
        return []
    return [(_IPPROTO_IPV6, facts.ipv6_pktinfo, raw + struct.pack("I", scope))]
