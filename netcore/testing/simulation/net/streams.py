"""TCP sockets: new ones, listeners, and ends of connections.

What a call gives in each state, and what a poller tells, is that of Linux (net/ipv4/af_inet.c, and tcp_poll
of net/ipv4/tcp.c).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from netcore._platform import SO_ACCEPTCONN
from netcore.poll import Readiness
from netcore.testing.simulation.net.addresses import (
    ANY,
    LOOPBACK,
    ip_name,
    is_loopback,
    system_name,
    version_of,
)
from netcore.testing.simulation.net.connections import (
    ANSWERING,
    ASKING,
    CLOSED,
    ESTABLISHED,
    LISTENING,
    Connection,
)
from netcore.testing.simulation.net.failures import failure, would_block
from netcore.testing.simulation.net.handshake import Answering, Asking, Child
from netcore.testing.simulation.net.listening import Backlog
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.options import number_of
from netcore.testing.simulation.net.ports import Holder

__all__ = ["StreamEndpoint"]

_READABLE = int(Readiness.READABLE)
_WRITABLE = int(Readiness.WRITABLE)
_HANGUP = int(Readiness.HANGUP)
_ERROR = int(Readiness.ERROR)

_ACCEPTCONN = (socket.SOL_SOCKET, SO_ACCEPTCONN)
_V6ONLY = (getattr(socket, "IPPROTO_IPV6", 41), getattr(socket, "IPV6_V6ONLY", -1))
_USER_TIMEOUT = (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", -1))
_WATCHING = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name, -1))
        for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    ),
}


class StreamEndpoint(Connection):
    """A TCP socket.

    Args:
        kernel: Of the host that it is on.
        family: AF_INET or AF_INET6.

    Attributes:
        ip: The local address in canonical form; one of ``ANY`` for every one.
        only_ipv6: See ``Holder``.
        port: The local port; 0 for none yet.
        answering: The part of the handshake of a connection that a listener has.
    """

    def __init__(self, kernel: Ground, family: int) -> None:
        super().__init__(kernel, family)
        self.ip = ANY[family == socket.AF_INET6]
        self.only_ipv6 = False
        self.port = 0
        self.answering: Answering | None = None
        self._holds_port = False
        self._asked_for_port = False  # whether bind() or listen() has, so that it stays whatever happens
        self._unasked = False  # whether connect() has still to be told that it has succeeded or failed
        self._was_connected = False
        self._asking: Asking | None = None
        self._backlog: Backlog[StreamEndpoint] | None = None
        self._listener: StreamEndpoint | None = None

    # Names

    @property
    def listening(self) -> bool:
        """Whether it takes connections."""
        return self._state == LISTENING

    def may_share(self, other: Holder) -> bool:
        """See ``Holder``; inet_csk_bind_conflict of Linux."""
        assert isinstance(other, StreamEndpoint)
        if self._flag("SO_REUSEPORT") and other._flag("SO_REUSEPORT"):
            return True
        return bool(self._flag("SO_REUSEADDR") and other._flag("SO_REUSEADDR")) and not other.listening

    def _flag(self, name: str) -> int:
        return self._options.number(socket.SOL_SOCKET, name)

    def bind(self, name: object) -> None:
        """See ``Endpoint.bind``."""
        ip, port = ip_name(self.family, name)
        if self._holds_port or self._state != CLOSED:
            raise failure(errno.EINVAL)
        if not self.kernel.owns(ip):
            raise failure(errno.EADDRNOTAVAIL)
        before, self.ip = self.ip, ip
        try:
            self._get_port(port, errno.EADDRINUSE)
        except OSError:
            self.ip = before
            raise
        self._asked_for_port = True

    def _get_port(self, port: int, code: int) -> None:
        ports = self.kernel.tcp_ports
        if port:
            ports.claim(self, port)
        else:
            port = ports.ephemeral(code)
            ports.enter(self, port)
        self.port = port
        self._holds_port = True

    def _finish(self, code: int) -> None:
        if self._asking is not None:
            self._asking.stop()
            self._asking = None
        super()._finish(code)

    def _released(self) -> None:
        if self._holds_port and (self._orphan or not self._asked_for_port):
            self.kernel.tcp_ports.release(self, self.port)
            self._holds_port = False

    def getsockname(self) -> Any:
        """See ``Endpoint.getsockname``."""
        return system_name(self.family, (self.ip, self.port))

    def getpeername(self) -> Any:
        """See ``Endpoint.getpeername``."""
        if self._state < ANSWERING or self.over():
            raise failure(errno.ENOTCONN)
        return system_name(self.family, self.remote)

    # Listening

    def listen(self, backlog: int) -> None:
        """See ``Endpoint.listen``."""
        if self._backlog is not None:
            self._backlog.resize(backlog)
            return
        if self._state != CLOSED or self._unasked or self._was_connected:
            raise failure(errno.EINVAL)
        if not self._holds_port:
            self._get_port(0, errno.EADDRINUSE)
            self._asked_for_port = True
        self.kernel.tcp_ports.claim(self, self.port)  # those who share it may not if one of them listens
        self._state = LISTENING
        self._read_shut = self._write_shut = False
        self._error = 0
        self._backlog = Backlog(backlog)
        self.kernel.tcp_listeners.add(self, self.port)
        self.changed()

    def _stop_listening(self) -> None:
        assert self._backlog is not None
        self._state = CLOSED
        self.kernel.tcp_listeners.remove(self, self.port)
        self._backlog.close()
        self._backlog = None

    def accept(self) -> tuple[StreamEndpoint, Any]:
        """See ``Endpoint.accept``."""
        if self._state != LISTENING:
            raise failure(errno.EINVAL)
        assert self._backlog is not None
        child = self._backlog.take()
        if child is None:
            raise would_block()
        return child, system_name(child.family, child.remote)

    def grow(self, kernel: Ground) -> tuple[Child | None, str]:
        """See ``Client.grow``."""
        ip, port = self.remote
        listener = kernel.tcp_listeners.find(ip, port, self.flow)
        if listener is None:
            return None, ""
        assert isinstance(listener, StreamEndpoint)
        assert listener._backlog is not None
        if listener._backlog.full:
            return None, "the backlog is full"
        child = StreamEndpoint(kernel, listener.family)
        child._options = listener._options.inherited()
        child.user_timeout = listener.user_timeout
        child.only_ipv6 = listener.only_ipv6
        child.ip, child.port = ip, port
        child._holds_port = child._was_connected = True
        child._state = ANSWERING
        child._backlog, child._listener = listener._backlog, listener
        child.join(self.kernel.host, (self.ip, self.port), port, self)
        kernel.tcp_ports.enter(child, port)
        return child, ""

    def awaits(self) -> bool:
        """See ``Child.awaits``."""
        return self._state == ANSWERING

    def confirmed(self) -> bool:
        """See ``Connection.confirmed``."""
        return self.answering is not None and self.answering.completed()

    def complete(self, round_trip: float) -> bool:
        """See ``Child.complete``."""
        listener, backlog = self._listener, self._backlog
        assert backlog is not None
        assert listener is not None
        assert self._sender is not None
        if not backlog.closed and backlog.full:
            return False
        self._backlog = self._listener = self.answering = None
        if backlog.closed:
            self._orphan = True
            self.abort()
            return True
        self._sender.took(round_trip)
        self._state = ESTABLISHED
        self.watch_peer()
        backlog.put(self)
        listener.changed()
        return True

    # Connecting

    def connect(self, name: object) -> None:
        """See ``Endpoint.connect``."""
        if name is None:
            self._disconnect()
            return
        ip, port = ip_name(self.family, name)
        if self._unasked:
            self._tell_outcome()
            return
        if self._state != CLOSED or self._was_connected:
            raise failure(errno.EISCONN)
        if version_of(ip) == 4 and self.only_ipv6:
            raise failure(errno.ENETUNREACH)
        if ip in ANY:
            ip = LOOPBACK[version_of(ip) == 6]
        kernel = self.kernel
        here = is_loopback(ip) or ip in kernel.addresses
        self._choose_source(ip, here)
        host = kernel.host if here else kernel.network.host_at(ip)
        self._read_shut = self._write_shut = False
        self._error = 0
        self._state = ASKING
        self._unasked = True
        self.remote = ip, port
        self.peer_host = host or ""
        self.flow = f"{kernel.host}:{self.port} > {host or ip}:{port}"
        if host is not None:
            self.line_out = kernel.links.path(kernel.host, host)
        self._asking = Asking(self)
        self._asking.begin()
        raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))

    def _tell_outcome(self) -> None:
        """What a connect gives after the one that has begun it; see __inet_stream_connect of Linux."""
        if self._state == ASKING:
            raise failure(errno.EALREADY)
        self._unasked = False
        if self._state == CLOSED:
            code = self._take_error() or errno.ECONNABORTED
            self._was_connected = self._read_shut = self._write_shut = False
            raise failure(code)

    def _choose_source(self, ip: str, here: bool) -> None:
        kernel = self.kernel
        if self.ip in ANY or not self._asked_for_port:
            if is_loopback(ip):
                self.ip = LOOPBACK[version_of(ip) == 6]
            else:
                self.ip = ip if here else kernel.addresses[version_of(ip) == 6]
        elif is_loopback(self.ip) and not here:
            raise failure(errno.EINVAL)
        if not self._holds_port:
            self._get_port(0, errno.EADDRNOTAVAIL)

    def _disconnect(self) -> None:
        """What connect(2) to AF_UNSPEC does: a reset, after which the socket is as good as new."""
        if self._state == LISTENING:
            self._stop_listening()
        elif self._state == ASKING:
            self._stop_asking()
        else:
            self.abort()
        self._unasked = self._was_connected = self._ended = False
        self._read_shut = self._write_shut = False
        self._queue.clear()
        self.changed()

    def _stop_asking(self) -> None:
        self._finish(0)
        self._read_shut = self._write_shut = False

    def connecting(self) -> bool:
        """See ``Client.connecting``."""
        return self._state == ASKING

    def connected_to(self, child: Child) -> bool:
        """See ``Client.connected_to``."""
        peer: object = self._peer
        return self._state == ESTABLISHED and peer is child

    def established(self, child: Child, round_trip: float, cause: int) -> float | None:
        """See ``Client.established``."""
        assert isinstance(child, StreamEndpoint)
        self._asking = None
        self._state = ESTABLISHED
        self._was_connected = True
        self.join(child.kernel.host, self.remote, self.port, child)
        assert self._sender is not None
        self._sender.took(round_trip)
        kernel = self.kernel
        kernel.trace.note("connect", kernel.host, self.peer_host, self.flow, "established", 0, cause)
        self.watch_peer()
        when = self._sender.passes()
        self.changed()
        return when

    def confirm(self) -> float | None:
        """See ``Client.confirm``."""
        assert self._sender is not None
        return self._sender.passes()

    # Ends

    def shutdown(self, how: int) -> None:
        """See ``Endpoint.shutdown``; inet_shutdown of Linux."""
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise failure(errno.EINVAL)
        reading, writing = how != socket.SHUT_WR, how != socket.SHUT_RD
        if self._state == LISTENING:
            if reading:
                self._stop_listening()
        elif self._state == ASKING:
            self._stop_asking()
            self._unasked = False
            self._error = errno.ECONNRESET
        else:
            self._read_shut = self._read_shut or reading
            finishing = writing and not self._write_shut and self._state == ESTABLISHED
            self._write_shut = self._write_shut or writing
            if finishing and self._sender is not None:
                self._sender.finish()
            if self._state == CLOSED or self.over():
                self.changed()
                raise failure(errno.ENOTCONN)
        self.changed()

    def close(self) -> None:
        """See ``Endpoint.close``."""
        self._orphan = True
        self._watchers = ()
        if self._keep_alive is not None:
            self._keep_alive.stop()
        if self._state == LISTENING:
            self._stop_listening()
        elif self._state == ASKING:
            self._stop_asking()
        elif self._state == ESTABLISHED:
            if self._queue.size or self._options.linger == 0:
                self._queue.clear()
                self.abort()
                return
            assert self._sender is not None
            self._read_shut = True
            if not self._write_shut:
                self._write_shut = True
                self._sender.finish()
            if not self._ended or self._sender.unsent:
                self.forsake_later()
            if not self._ended:
                return  # the port is its own until the peer has finished, too
        self._released()

    # Readiness and options

    def readiness(self) -> int:
        """See ``Endpoint.readiness``; tcp_poll of Linux."""
        state = self._state
        if state == LISTENING:
            return _READABLE if self._backlog else 0
        found = _ERROR if self._error else 0
        if state == CLOSED or (self._read_shut and self._write_shut):
            found |= _HANGUP
        if self._read_shut or self._queue.size:
            found |= _READABLE
        if state == ASKING:
            return found
        if self._write_shut or self._sender is None or self._sender.writable():
            found |= _WRITABLE
        return found

    def getsockopt(self, level: int, option: int) -> int | bytes:
        """See ``Endpoint.getsockopt``."""
        if level == socket.SOL_SOCKET and option == socket.SO_ERROR:
            return self._take_error()
        if (level, option) == _ACCEPTCONN:
            return int(self._state == LISTENING)
        return self._options.get(level, option)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """See ``Endpoint.setsockopt``."""
        key = (level, option)
        if key == _V6ONLY and self._holds_port:
            raise failure(errno.EINVAL)
        self._options.set(level, option, value)
        if key == _V6ONLY and self.family == socket.AF_INET6:
            self.only_ipv6 = bool(number_of(value))
        elif key == _USER_TIMEOUT:
            self.user_timeout = number_of(value) / 1000
        elif key in _WATCHING:
            self.watch_peer()
        elif self._sender is not None:
            self._sender.capacity = self._options.send_buffer
