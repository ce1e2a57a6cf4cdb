"""Options of simulated sockets: which there are, what they begin with, and what they refuse."""

from __future__ import annotations

import errno
import socket
import struct
import sys

from netcore._platform import AF_UNIX, LINGER_FORMAT
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.interfaces import if_nametoindex
from netcore.testing.simulation.net.linux import named, option_called

__all__ = ["COMMON", "INTERNET", "INTERNET6", "EndpointOptions", "StreamOptions", "number_of"]

_SOL = socket.SOL_SOCKET
_TCP = socket.IPPROTO_TCP
_IP = socket.IPPROTO_IP
_IPV6: int = getattr(socket, "IPPROTO_IPV6", 41)

_SNDBUF = (_SOL, socket.SO_SNDBUF)
_RCVBUF = (_SOL, socket.SO_RCVBUF)
_LINGER = (_SOL, socket.SO_LINGER)

_LARGEST_BUFFER = 212_992
"""What SO_SNDBUF and SO_RCVBUF can ask for: wmem_max and rmem_max of Linux."""

_SMALLEST = {_SNDBUF: 4608, _RCVBUF: 2304}
"""Bytes: SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of Linux."""


COMMON = named(
    _SOL,
    SO_REUSEADDR=0,
    SO_REUSEPORT=0,
    SO_KEEPALIVE=0,
    SO_BROADCAST=0,
    SO_DONTROUTE=0,
    SO_OOBINLINE=0,
    SO_RCVLOWAT=1,
    SO_PRIORITY=0,
    SO_MARK=0,
    SO_EXCLUSIVEADDRUSE=0,  # which programs set on Windows, and which changes nothing
    SO_INCOMING_CPU=-1,
)
_STREAMS = named(
    _TCP,
    TCP_NODELAY=0,
    TCP_KEEPIDLE=7200,
    TCP_KEEPINTVL=75,
    TCP_KEEPCNT=9,
    TCP_USER_TIMEOUT=0,
    TCP_CORK=0,
    TCP_QUICKACK=1,
    TCP_DEFER_ACCEPT=0,
    TCP_LINGER2=60,
    TCP_SYNCNT=6,
    TCP_MAXSEG=1460,
    TCP_NOTSENT_LOWAT=0,
    TCP_WINDOW_CLAMP=0,
    TCP_FASTOPEN=0,
)
INTERNET = named(_IP, IP_TOS=0, IP_TTL=64, IP_BIND_ADDRESS_NO_PORT=0, IP_RECVTOS=0, IP_PKTINFO=0)
INTERNET6 = named(
    _IPV6, IPV6_V6ONLY=0, IPV6_RECVPKTINFO=0, IPV6_UNICAST_HOPS=64, IPV6_TCLASS=0, IPV6_RECVTCLASS=0
)
_LARGEST = {
    **named(_TCP, TCP_KEEPIDLE=32767, TCP_KEEPINTVL=32767, TCP_KEEPCNT=127),
    **named(_TCP, TCP_SYNCNT=127),
}
"""The largest values of what begins at 1; see tcp(7)."""

_AMOUNTS = {
    *named(_SOL, SO_PRIORITY=0, SO_MARK=0),
    *named(_IP, IP_TOS=0),
    *named(_IPV6, IPV6_TCLASS=0, IPV6_MULTICAST_IF=0),
    *named(
        _TCP, TCP_USER_TIMEOUT=0, TCP_DEFER_ACCEPT=0, TCP_NOTSENT_LOWAT=0, TCP_WINDOW_CLAMP=0, TCP_FASTOPEN=0
    ),
}
"""Options that begin with 0 and are no switch."""

_DEVICE = (_SOL, option_called("SO_BINDTODEVICE"))


def number_of(value: int | bytes, least: int = 4) -> int:
    """Makes a number of an option's value.

    Args:
        value: As it was given.
        least: How many bytes it has to have: those of an int, or 1 where one byte is fine.

    Raises:
        OSError: It has fewer (EINVAL).
    """
    if isinstance(value, int):
        return value
    if least <= len(value) < 4:
        return value[0]
    if len(value) < 4:
        raise failure(errno.EINVAL)
    return int.from_bytes(value[:4], sys.byteorder, signed=True)


class EndpointOptions:
    """The options of one socket.

    Args:
        family: Of the socket.
        send_buffer: Bytes that SO_SNDBUF begins with.
        receive_buffer: The same of SO_RCVBUF.

    Attributes:
        linger: Seconds of SO_LINGER; None where it is off.
        send_buffer: See above, as for the other.
        receive_buffer: See above.
    """

    def __init__(self, family: int, send_buffer: int, receive_buffer: int) -> None:
        self.linger: int | None = None
        self.send_buffer: int = send_buffer
        self.receive_buffer: int = receive_buffer
        self._family = family
        self._values: dict[tuple[int, int], int | bytes] = {}

    def _start(self, key: tuple[int, int]) -> int | bytes | None:
        """What an option begins with; None if there is no such."""
        raise NotImplementedError

    def number(self, level: int, name: str) -> int:
        """Returns an option by its name."""
        return number_of(self.get(level, option_called(name)))

    def get(self, level: int, option: int) -> int | bytes:
        """Returns an option.

        Raises:
            OSError: There is none such (ENOPROTOOPT; EOPNOTSUPP of what is another family's).
        """
        key = (level, option)
        if key == _SNDBUF:
            return self.send_buffer
        if key == _RCVBUF:
            return self.receive_buffer
        if key == _LINGER:
            return struct.pack(LINGER_FORMAT, self.linger is not None, self.linger or 0)
        value = self._values.get(key)
        if value is None:
            value = b"" if key == _DEVICE else self._start(key)
        if value is None:
            raise self._unknown(level, getting=True)
        return value

    def set(self, level: int, option: int, value: int | bytes) -> None:
        """Sets an option.

        Raises:
            OSError: There is none such, see ``get``; or its value is none (EINVAL).
        """
        key = (level, option)
        if key == _SNDBUF:
            self.send_buffer = _buffer(key, number_of(value))
        elif key == _RCVBUF:
            self.receive_buffer = _buffer(key, number_of(value))
        elif key == _LINGER:
            if not isinstance(value, bytes) or len(value) < struct.calcsize(LINGER_FORMAT):
                raise failure(errno.EINVAL)
            on, seconds = struct.unpack_from(LINGER_FORMAT, value)
            self.linger = max(seconds, 0) if on else None
        elif key == _DEVICE:
            if not isinstance(value, bytes):
                raise failure(errno.EINVAL)
            device = value.partition(b"\0")[0].decode("latin-1")
            self._values[key] = device.encode() if device and if_nametoindex(device) else b""
        elif isinstance(self._start(key), bytes):
            self._values[key] = value
        else:
            self._set_number(key, number_of(value, 1 if level == _IP else 4))

    def _set_number(self, key: tuple[int, int], value: int) -> None:
        start = self._start(key)
        if start is None:
            raise self._unknown(key[0])
        if key in _LARGEST and not 1 <= value <= _LARGEST[key]:
            raise failure(errno.EINVAL)
        if key in _AMOUNTS and value < 0 and key[0] == _TCP:
            raise failure(errno.EINVAL)
        self._values[key] = int(bool(value)) if start == 0 and key not in _AMOUNTS else value

    def _unknown(self, level: int, getting: bool = False) -> OSError:
        foreign = self._family == AF_UNIX or (getting and self._family != socket.AF_INET6 and level == _IPV6)
        return failure(errno.EOPNOTSUPP if foreign and level != _SOL else errno.ENOPROTOOPT)


class StreamOptions(EndpointOptions):
    """The options of one stream socket."""

    def inherited(self) -> StreamOptions:
        """Returns a copy, for a connection that a listener accepts."""
        copy = StreamOptions(self._family, self.send_buffer, self.receive_buffer)
        copy.linger = self.linger
        copy._values = dict(self._values)
        return copy

    def _start(self, key: tuple[int, int]) -> int | None:
        found = COMMON.get(key)
        if found is None and self._family != AF_UNIX:
            found = _STREAMS.get(key, INTERNET.get(key))
            if found is None and self._family == socket.AF_INET6:
                found = INTERNET6.get(key)
        return found


def _buffer(key: tuple[int, int], value: int) -> int:
    """What a buffer becomes: twice what was asked for, since Linux counts its own structures (socket(7))."""
    return max(2 * min(max(value, 0), _LARGEST_BUFFER), _SMALLEST[key])
