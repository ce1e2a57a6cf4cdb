"""UDP sockets of a simulated kernel, as udp(7) of Linux has them."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING

from netcore.poll import Readiness
from netcore.testing.simulation.net.addresses import (
    ANY,
    BROADCAST,
    LOOPBACK,
    IPName,
    canonical,
    ip_name,
    is_loopback,
    is_multicast,
    system_name,
    version_of,
)
from netcore.testing.simulation.net.datagram_options import DatagramOptions, group_in
from netcore.testing.simulation.net.endpoint import ERROR_QUEUE, PEEK, Ancillary, Payload, Received, Watched
from netcore.testing.simulation.net.failures import failure, would_block
from netcore.testing.simulation.net.interfaces import INTERFACES
from netcore.testing.simulation.net.linux import option_called
from netcore.testing.simulation.net.transit import dispatch, dispatch_to_all, to_all

if TYPE_CHECKING:
    from netcore.testing.simulation.net.datagram_ports import Datagram
    from netcore.testing.simulation.net.endpoint import Endpoint
    from netcore.testing.simulation.net.network import Ground

__all__ = ["DatagramEndpoint"]

_LONGEST = {4: 65507, 6: 65527}
"""Bytes that fit into one datagram, by the version of IP (RFC 768; without jumbograms)."""

_OVERHEAD = 768
"""Bytes of a buffer that a datagram takes besides its payload: what Linux's own structures come to."""

_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_HANGUP, _ERROR = int(Readiness.HANGUP), int(Readiness.ERROR)

_IPV6: int = getattr(socket, "IPPROTO_IPV6", 41)
_IP_PKTINFO = option_called("IP_PKTINFO")
_IPV6_PKTINFO, _IPV6_RECVPKTINFO = option_called("IPV6_PKTINFO"), option_called("IPV6_RECVPKTINFO")
_V6ONLY = (_IPV6, option_called("IPV6_V6ONLY"))

# As plain ints: those of ``socket`` are enums, which take several times as long to combine.
_OOB = int(socket.MSG_OOB)
_TRUNCATED = int(getattr(socket, "MSG_TRUNC", 0x20))

_MAPPED = bytes(10) + b"\xff\xff"


def _memberships(version: int) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Returns the options that join a group and those that leave it, under all their names."""
    level = socket.IPPROTO_IP if version == 4 else _IPV6
    names = (
        (("IP_ADD_MEMBERSHIP",), ("IP_DROP_MEMBERSHIP",))
        if version == 4
        else (("IPV6_JOIN_GROUP", "IPV6_ADD_MEMBERSHIP"), ("IPV6_LEAVE_GROUP", "IPV6_DROP_MEMBERSHIP"))
    )
    joining, leaving = (
        {(level, getattr(socket, name)) for name in those if hasattr(socket, name)} for those in names
    )
    return joining, leaving


_MEMBERSHIPS = {4: _memberships(4), 6: _memberships(6)}


class DatagramEndpoint(Watched):
    """A UDP socket. See ``Endpoint`` for its methods, and ``Bound`` for how its port's datagrams reach it.

    Args:
        ground: The kernel that it belongs to.
        family: AF_INET or AF_INET6.
    """

    kind: int = socket.SOCK_DGRAM
    proto: int = socket.IPPROTO_UDP

    def __init__(self, ground: Ground, family: int) -> None:
        super().__init__()
        self.family = family
        self.versions: tuple[int, ...] = (4,) if family == socket.AF_INET else (6, 4)
        self.local: IPName = (ANY[family != socket.AF_INET], 0)
        self.remote: IPName | None = None
        self.reuse_address: bool = False
        self.reuse_port: bool = False
        self._ground = ground
        self._options = DatagramOptions(family)
        self._chosen: IPName = self.local  # what ``bind`` was asked for
        self._tells = False  # to which address a datagram came
        self._groups: dict[str, None] = {}
        self._queue: deque[Datagram] = deque()
        self._queued = 0  # bytes, overheads included
        self._unsent = 0  # bytes that wait for a line
        self._error = 0
        self._ended_reading = False
        self._ended_writing = False

    # Names.

    def bind(self, name: object) -> None:
        """See ``Endpoint.bind``."""
        ip, port = ip_name(self.family, name)
        if self.local[1] or (self._only_ipv6 and version_of(ip) == 4):
            raise failure(errno.EINVAL)
        if not self._ground.owns(ip) and not to_all(ip):
            raise failure(errno.EADDRNOTAVAIL)
        self._take((ip, port))
        self._chosen = ip, port
        if version_of(ip) == 6 and ip not in ANY:  # as __inet6_bind() of Linux has it
            self._options.set(*_V6ONLY, 1)

    def _take(self, local: IPName) -> None:
        """Takes an address and a port, any port if that is 0."""
        before = self.local
        self.local = local
        self._settle()
        network, host = self._ground.network, self._ground.host
        try:
            self._ground.datagrams.bind(self, lambda: network.free_port(host))
        except OSError:
            self.local = before
            self._settle()
            raise

    def _take_any_port(self) -> None:
        if not self.local[1]:
            self._take((self.local[0], 0))

    def _settle(self) -> None:
        """Finds out of which versions of IP datagrams may come."""
        if self.family == socket.AF_INET:
            return
        ip = self.local[0]
        if ip == "::":
            self.versions = (6,) if self._only_ipv6 else (6, 4)
        else:
            self.versions = (version_of(ip),)

    @property
    def _only_ipv6(self) -> bool:
        return self.family == socket.AF_INET6 and self._options.is_on(*_V6ONLY)

    @property
    def _may_speak_ipv4(self) -> bool:
        """Whether it can send over IPv4, though it is connected over IPv6."""
        return self._chosen[0] == ANY[1] and not self._only_ipv6

    def connect(self, name: object) -> None:
        """See ``Endpoint.connect``."""
        if name is None:
            self._disconnect()
            return
        asked = ip_name(self.family, name)
        self._take_any_port()
        target = self._receiver(*asked)
        source = self._source_for(target[0])
        self.local = source, self.local[1]
        self._settle()
        self.remote = target

    def _disconnect(self) -> None:
        """Forgets the peer, and gives back what nobody has asked for by number: a port, an address."""
        self.remote = None
        ip, port = self._chosen
        if not port and self.local[1]:
            self._ground.datagrams.unbind(self)
        self.local = ip, port
        self._settle()

    def _receiver(self, ip: str, port: int) -> IPName:
        """Returns where datagrams to a name go; raises OSError if this socket cannot send there at all."""
        version = version_of(ip)
        if ip == ANY[1] and 6 not in self.versions:
            version = 4
        if version not in self.versions and not (version == 4 and self._may_speak_ipv4):
            raise failure(errno.ENETUNREACH if version == 4 else errno.EAFNOSUPPORT)
        own = self.local[0]
        if ip == ANY[0] and own not in ANY and version_of(own) == 4 and not to_all(own):
            ip = own
        elif ip in ANY:  # this host, too
            ip = LOOPBACK[version == 6]
        if ip in BROADCAST and not self._options.is_on(socket.SOL_SOCKET, socket.SO_BROADCAST):
            raise failure(errno.EACCES)
        return ip, port

    def _source_for(self, target: str) -> str:
        """Returns the address that datagrams to another one leave from, unless they say so themselves."""
        ip = self.local[0]
        if ip in ANY or to_all(ip) or version_of(ip) != version_of(target):
            return self._route(target)
        if is_loopback(ip) and not self._is_here(target):
            raise failure(errno.EINVAL)
        return ip

    def _route(self, target: str) -> str:
        """Returns the address of the interface that leads to another one."""
        if target in self._ground.addresses:
            return target
        own = LOOPBACK if is_loopback(target) else self._ground.addresses
        return own[version_of(target) == 6]

    def _is_here(self, ip: str) -> bool:
        return is_loopback(ip) or ip in self._ground.addresses

    def getsockname(self) -> object:
        """See ``Endpoint.getsockname``."""
        return system_name(self.family, self.local)

    def getpeername(self) -> object:
        """See ``Endpoint.getpeername``."""
        if self.remote is None:
            raise failure(errno.ENOTCONN)
        return system_name(self.family, self.remote)

    def listen(self, backlog: int) -> None:
        """See ``Endpoint.listen``: there are no connections to take."""
        raise failure(errno.EOPNOTSUPP)

    def accept(self) -> tuple[Endpoint, object]:
        """See ``Endpoint.accept``: there are no connections to take."""
        raise failure(errno.EOPNOTSUPP)

    # Sending.

    def send(self, data: Payload, flags: int = 0, name: object = None, ancillary: Ancillary = ()) -> int:
        """See ``Endpoint.send``."""
        asked = None if name is None else ip_name(self.family, name)
        self._take_any_port()  # before anything can fail, as inet_sendmsg() of Linux
        if flags & _OOB:
            raise failure(errno.EOPNOTSUPP)
        target = self.remote if asked is None else self._receiver(*asked)
        if target is None:
            raise failure(errno.EDESTADDRREQ)
        if not target[1]:
            raise failure(errno.EINVAL)
        source = self._chosen_source(ancillary, target[0]) if ancillary else self._source_for(target[0])
        payload = bytes(data)
        if len(payload) > _LONGEST[version_of(target[0])]:
            raise failure(errno.EMSGSIZE)
        if self._error:
            raise self._taken_error()
        if self._ended_writing:
            raise failure(errno.EPIPE)
        if self._unsent >= self._options.send_buffer:
            raise would_block()
        self._dispatch(payload, (source, self.local[1]), target)
        return len(payload)

    def _dispatch(self, payload: bytes, source: IPName, target: IPName) -> None:
        if to_all(target[0]):
            left = dispatch_to_all(self._ground, payload, source, target, *self._reach(target[0]))
        else:
            left = dispatch(self._ground, payload, source, target)
        if left > self._ground.scheduler.now:
            size = len(payload) + _OVERHEAD
            self._unsent += size
            self._ground.scheduler.call_at(left, self._left, size)

    def _reach(self, target: str) -> tuple[bool, bool]:
        """Returns whether what is sent to all comes here, too, and whether it leaves the host."""
        if not is_multicast(target):
            return True, True
        if version_of(target) == 4:
            level, loop, hops = socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, socket.IP_MULTICAST_TTL
        else:
            level, loop, hops = _IPV6, socket.IPV6_MULTICAST_LOOP, socket.IPV6_MULTICAST_HOPS
        return self._options.is_on(level, loop), self._options.is_on(level, hops)

    def _left(self, size: int) -> None:
        """So many bytes do not wait for a line any more."""
        self._unsent -= size
        self.changed()

    def _chosen_source(self, ancillary: Ancillary, target: str) -> str:
        """Returns the address that control messages say to send from; EINVAL if it is not this host's."""
        chosen = None
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) >= 12:
                chosen = socket.inet_ntop(socket.AF_INET, data[4:8])
            elif level == _IPV6 and kind == _IPV6_PKTINFO and len(data) >= 20:
                chosen = canonical(socket.inet_ntop(socket.AF_INET6, data[:16]))
        if chosen is None or chosen in ANY:
            return self._source_for(target)
        if not self._is_here(chosen) or version_of(chosen) != version_of(target):
            raise failure(errno.EINVAL)
        if is_loopback(chosen) and not self._is_here(target):
            raise failure(errno.EINVAL)
        return chosen

    # Receiving.

    def arrive(self, datagram: Datagram) -> None:
        """See ``Bound.arrive``."""
        ground = self._ground
        told = (ground.host, datagram.host, datagram.flow)
        size = len(datagram.data)
        if self._queued > self._options.receive_buffer:
            ground.trace.add("drop", *told, "the receive buffer is full", size, datagram.number)
            return
        ground.trace.add("arrive", *told, "", size, datagram.number)
        self._queue.append(datagram)
        self._queued += size + _OVERHEAD
        self.changed()

    def fail(self, code: int) -> None:
        """See ``Bound.fail``."""
        self._error = code
        self.changed()

    def receive(self, size: int, flags: int = 0) -> Received:
        """See ``Endpoint.receive``."""
        if flags & ERROR_QUEUE:  # which is always empty
            raise would_block()
        if flags & _OOB:
            raise failure(errno.EOPNOTSUPP)
        if self._error:
            raise self._taken_error()
        queue = self._queue
        if not queue:
            if self._ended_reading:
                return Received(b"")
            raise would_block()
        if flags & PEEK:
            datagram = queue[0]
        else:
            datagram = queue.popleft()
            self._queued -= len(datagram.data) + _OVERHEAD
        data = datagram.data
        name = system_name(self.family, datagram.source)
        ancillary = self._destination(datagram.target[0]) if self._tells else ()
        if len(data) <= size:
            return Received(data, name, ancillary, 0, len(data))
        return Received(data[:size], name, ancillary, _TRUNCATED, len(data) if flags & _TRUNCATED else size)

    def _destination(self, ip: str) -> Ancillary:
        """Makes the control messages that tell where a datagram came to, of those that are asked for."""
        options = self._options
        number = INTERFACES["lo" if is_loopback(ip) else "eth0"]
        told: list[tuple[int, int, bytes]] = []
        raw = socket.inet_pton(socket.AF_INET if version_of(ip) == 4 else socket.AF_INET6, ip)
        if len(raw) == 4:
            own = socket.inet_pton(socket.AF_INET, self._ground.addresses[0]) if to_all(ip) else raw
            if options.is_on(socket.IPPROTO_IP, _IP_PKTINFO):
                told.append((socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("I4s4s", number, own, raw)))
            raw = _MAPPED + raw
        if options.is_on(_IPV6, _IPV6_RECVPKTINFO):
            told.append((_IPV6, _IPV6_PKTINFO, raw + struct.pack("I", number)))
        return told

    def _taken_error(self) -> OSError:
        code, self._error = self._error, 0
        return failure(code)

    # The rest.

    def shutdown(self, how: int) -> None:
        """See ``Endpoint.shutdown``; it has its effect without a connection, too, though it fails."""
        self._ended_reading |= how in (socket.SHUT_RD, socket.SHUT_RDWR)
        self._ended_writing |= how in (socket.SHUT_WR, socket.SHUT_RDWR)
        self.changed()
        if self.remote is None:
            raise failure(errno.ENOTCONN)

    def getsockopt(self, level: int, option: int) -> int | bytes:
        """See ``Endpoint.getsockopt``."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            code, self._error = self._error, 0
            return code
        return self._options.get(level, option)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """See ``Endpoint.setsockopt``."""
        key = level, option
        for version, (joining, leaving) in _MEMBERSHIPS.items():
            if key in joining:
                self._join(group_in(version, value))
                return
            if key in leaving:
                self._leave(group_in(version, value))
                return
        if key == _V6ONLY and self.family != socket.AF_INET and self.local[1]:
            raise failure(errno.EINVAL)
        self._options.set(level, option, value)
        self.reuse_address = self._options.is_on(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        self.reuse_port = self._options.reuse_port
        self._tells = self._options.tells_destinations
        self._settle()

    def _join(self, group: str) -> None:
        if group in self._groups:
            raise failure(errno.EADDRINUSE)
        self._groups[group] = None
        self._ground.network.join(group, self._ground.host)

    def _leave(self, group: str) -> None:
        if group not in self._groups:
            raise failure(errno.EADDRNOTAVAIL)
        del self._groups[group]
        self._ground.network.leave(group, self._ground.host)

    def waits(self) -> str:
        """See ``Endpoint.waits``."""
        host, port = self.local
        return f"udp {host}:{port}: datagrams not received yet: {len(self._queue)}" if self._queue else ""

    def readiness(self) -> int:
        """See ``Endpoint.readiness``; datagram_poll() of Linux."""
        flags = _READABLE if self._queue or self._ended_reading else 0
        if self._unsent * 2 < self._options.send_buffer:
            flags |= _WRITABLE
        if self._error:
            flags |= _ERROR
        if self._ended_reading and self._ended_writing:
            flags |= _HANGUP
        return flags

    def close(self) -> None:
        """See ``Endpoint.close``."""
        for group in list(self._groups):
            self._leave(group)
        if self.local[1]:
            self._ground.datagrams.unbind(self)
        self._queue.clear()
        self._watchers = ()

    def vanish(self) -> None:
        """See ``Endpoint.vanish``."""
        self.close()
