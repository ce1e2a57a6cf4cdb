"""TCP sockets: listening, ending, readiness, and options.

What a call gives in each state, and what a poller tells, is that of Linux (net/ipv4/af_inet.c, and tcp_poll
of net/ipv4/tcp.c).
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from netcore._platform import SO_ACCEPTCONN
from netcore.poll import Readiness
from netcore.testing.simulation.net.addresses import system_name
from netcore.testing.simulation.net.answering import Answering
from netcore.testing.simulation.net.connections import (
    ANSWERING,
    ASKING,
    CLOSED,
    ESTABLISHED,
    LISTENING,
)
from netcore.testing.simulation.net.dialing import DialingEndpoint
from netcore.testing.simulation.net.failures import failure, would_block
from netcore.testing.simulation.net.linux import option_called
from netcore.testing.simulation.net.listening import Backlog
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.options import number_of

__all__ = ["StreamEndpoint"]

_READABLE = int(Readiness.READABLE)
_WRITABLE = int(Readiness.WRITABLE)
_HANGUP = int(Readiness.HANGUP)
_ERROR = int(Readiness.ERROR)

_ACCEPTCONN = (socket.SOL_SOCKET, SO_ACCEPTCONN)
_V6ONLY = (getattr(socket, "IPPROTO_IPV6", 41), option_called("IPV6_V6ONLY"))
_USER_TIMEOUT = (socket.IPPROTO_TCP, option_called("TCP_USER_TIMEOUT"))
_WATCHING = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    *((socket.IPPROTO_TCP, option_called(name)) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")),
}


class StreamEndpoint(DialingEndpoint):
    """A TCP socket.

    Args:
        kernel: Of the host that it is on.
        family: AF_INET or AF_INET6.

    Attributes:
        answering: The part of the handshake of a connection that a listener has.
    """

    def __init__(self, kernel: Ground, family: int) -> None:
        super().__init__(kernel, family)
        self.answering: Answering | None = None
        self._backlog: Backlog[StreamEndpoint] | None = None
        self._listener: StreamEndpoint | None = None

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

    def _disconnect(self) -> None:
        if self._state == LISTENING:
            self._stop_listening()
        super()._disconnect()

    def accept(self) -> tuple[StreamEndpoint, Any]:
        """See ``Endpoint.accept``."""
        if self._state != LISTENING:
            raise failure(errno.EINVAL)
        assert self._backlog is not None
        child = self._backlog.take()
        if child is None:
            raise would_block()
        return child, system_name(child.family, child.remote)

    def child_for(self, client: DialingEndpoint) -> StreamEndpoint | None:
        """See ``DialingEndpoint.child_for``."""
        if self._backlog is None or self._backlog.full:
            return None
        ip, port = client.remote
        child = StreamEndpoint(self.kernel, self.family)
        child._options = self._options.inherited()
        child.user_timeout = self.user_timeout
        child.only_ipv6 = self.only_ipv6
        child.ip, child.port = ip, port
        child._holds_port = child._was_connected = True
        child._state = ANSWERING
        child._backlog, child._listener = self._backlog, self
        child.join(client.kernel.host, (client.ip, client.port), port, client)
        self.kernel.tcp_ports.enter(child, port)
        return child

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
        self.stop_asking_peer()
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

    def waits(self) -> str:
        """See ``Endpoint.waits``."""
        if self._state == LISTENING:
            return f"connections to be accepted: {len(self._backlog)}" if self._backlog else ""
        if self._asking is not None:
            return f"{self.flow}: {self._asking.waits()}{self._cut()}"
        parts = [f"{self._queue.size} bytes are not received yet"] if self._queue.size else []
        if self._sender is not None and (unsent := self._sender.waits()):
            parts.append(f"{unsent}{self._cut()}")
        return f"{self.flow}: {'; '.join(parts)}" if parts else ""

    def _cut(self) -> str:
        links, here, there = self.kernel.links, self.kernel.host, self.peer_host
        cut = [f"{a} > {b}" for a, b in ((here, there), (there, here)) if links.path(a, b).cut]
        down = there and self.kernel.network.running(there) is None
        return (f"; cut: {', '.join(cut)}" if cut else "") + (f"; {there} has crashed" if down else "")

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
