"""The names and the port of a TCP socket, and its connecting to others.

What a call gives in each state is that of Linux (net/ipv4/af_inet.c).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from netcore.testing.simulation.net.addresses import (
    ANY,
    LOOPBACK,
    ip_name,
    is_loopback,
    system_name,
    version_of,
)
from netcore.testing.simulation.net.answering import Child
from netcore.testing.simulation.net.connections import ANSWERING, ASKING, CLOSED, ESTABLISHED, LISTENING
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.handshake import Asking
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.ports import Holder
from netcore.testing.simulation.net.silence import PatientConnection

__all__ = ["DialingEndpoint"]


class DialingEndpoint(PatientConnection):
    """A TCP socket as far as it has a name, and connects. See ``Connection``.

    Attributes:
        ip: The local address in canonical form; one of ``ANY`` for every one.
        only_ipv6: See ``Holder``.
        port: The local port; 0 for none yet.
    """

    def __init__(self, kernel: Ground, family: int) -> None:
        super().__init__(kernel, family)
        self.ip = ANY[family == socket.AF_INET6]
        self.only_ipv6: bool = False
        self.port: int = 0
        self._holds_port = False
        self._asked_for_port = False  # whether bind() or listen() has, so that it stays whatever happens
        self._unasked = False  # whether connect() has still to be told that it has succeeded or failed
        self._was_connected = False
        self._asking: Asking | None = None

    # Names

    @property
    def listening(self) -> bool:
        """Whether it takes connections."""
        return self._state == LISTENING

    def may_share(self, other: Holder) -> bool:
        """See ``Holder``; inet_csk_bind_conflict of Linux."""
        assert isinstance(other, DialingEndpoint)
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
        super()._released()
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
        self.remote: tuple[str, int] = ip, port
        self.peer_host: str = host or ""
        self.flow: str = f"{kernel.host}:{self.port} > {host or ip}:{port}"
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
        if self._state == ASKING:
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

    def grow(self, kernel: Ground) -> tuple[Child | None, str]:
        """See ``Client.grow``."""
        ip, port = self.remote
        listener = kernel.tcp_listeners.find(ip, port, self.flow)
        if listener is None:
            return None, ""
        assert isinstance(listener, DialingEndpoint)
        child = listener.child_for(self)
        return child, "" if child is not None else "the backlog is full"

    def child_for(self, client: DialingEndpoint) -> Child | None:
        """Makes a listener's end of a connection that a client asks for; None if no more fit."""
        return None

    def connecting(self) -> bool:
        """See ``Client.connecting``."""
        return self._state == ASKING

    def connected_to(self, child: Child) -> bool:
        """See ``Client.connected_to``."""
        peer: object = self._peer
        return self._state == ESTABLISHED and peer is child

    def established(self, child: Child, round_trip: float, cause: int) -> float | None:
        """See ``Client.established``."""
        assert isinstance(child, DialingEndpoint)
        self._asking = None
        self._state = ESTABLISHED
        self._was_connected = True
        self.join(child.kernel.host, self.remote, self.port, child)
        assert self._sender is not None
        self._sender.took(round_trip)
        kernel = self.kernel
        kernel.trace.add("connect", kernel.host, self.peer_host, self.flow, "established", 0, cause)
        self.watch_peer()
        when = self._sender.passes()
        self.changed()
        return when

    def confirm(self) -> float | None:
        """See ``Client.confirm``."""
        assert self._sender is not None
        return self._sender.passes()
