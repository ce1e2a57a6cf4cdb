"""Addresses: where to listen and where a peer is, as one value with one spelling."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

from netcore.errors import InvalidAddressError, UnsupportedProtocolError

__all__ = ["ZONE", "Address"]

_INET_NETWORKS = tuple(
    f"{name}{version}" for name in ("tcp", "tls", "udp", "kcp") for version in ("", "4", "6")
)
_INHERITED = ("fd", "tls+fd", "kcp+fd")
_NETWORKS = (*_INET_NETWORKS, "unix", *_INHERITED)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<plain>[^\[\]:/?#@\s]*)):(?P<port>[0-9]{1,5})"
)
_HOST_NAME = re.compile(r"(?=.{1,253}\.?$)[^\W-][\w-]{0,62}(?:\.[^\W-][\w-]{0,62})*\.?")
_DESCRIPTOR_NAME = re.compile(r"[ -9;-~]{1,255}")
"""What FileDescriptorName= of systemd.socket(5) may be: ASCII but for control characters and colons."""

ZONE = re.compile(r"[\w.:-]+")
"""What a zone may be: the name or number of an interface."""

_NUL = re.compile(r"%((?:25)*)00")
"""How a NUL is spelled in the path of a Unix socket, and the text that would look like it."""

_MAX_DESCRIPTOR = (1 << 31) - 1
"""Descriptors are ints of C."""

_SHAPE = "use tcp://HOST:PORT (tcp4, tcp6, tls, udp, kcp and so on likewise), unix://PATH or fd://N"


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint of one of the networks tcp, tls, udp, kcp and unix, or an inherited socket.

    ``tls`` is TCP with TLS, and ``kcp`` are streams over UDP, see ``netcore.kcp``. A 4 or 6 behind tcp, tls,
    udp and kcp fixes the IP version.

    ``fd://N`` is a descriptor of this process: a socket that listens, or a bound datagram socket. Which
    network that is, the socket tells when an engine starts. ``fd://NAME`` is the descriptor to which the
    service manager gave this name; see sd_listen_fds_with_names(3). ``tls+fd`` is one that listens for TCP,
    with TLS on what it accepts, and ``kcp+fd`` one of UDP with sessions of KCP, which the socket cannot tell.

    Attributes:
        network: The scheme, which for ``tcp4`` and its like also fixes the IP version.
        host: A host name or IP address without brackets; empty means every interface.
        port: 0 to 65535; 0 lets the system choose when listening.
        path: The file of a Unix socket, or ``@name`` for an abstract one, in which NULs may be; empty for a
            Unix peer without a name. The number or name of an inherited socket; empty otherwise.
        zone: The interface of a link-local IPv6 address (RFC 4007), by name or number.
    """

    network: str
    host: str = ""
    port: int = 0
    path: str = ""
    zone: str = ""

    @classmethod
    def parse(cls, text: str | Address) -> Address:
        """Reads an address from its text; an ``Address`` is checked and returned as it is.

        Raises:
            InvalidAddressError: The text is not of the form ``scheme://...``, or a part is wrong, such as a
                host that IDNA (RFC 3490) cannot encode. An ``Address`` has no name that could be used.
            UnsupportedProtocolError: The scheme is none of the networks named above.
        """
        if isinstance(text, Address):
            if cls.parse(str(text)) != text or type(text.port) is not int:  # a Decimal equals one
                raise InvalidAddressError(f"{text!r} is not an address: its parts do not belong together")
            text.check_named()
            return text
        match = _SCHEME.fullmatch(text) if isinstance(text, str) else None  # type: ignore[redundant-expr]
        if match is None:
            raise InvalidAddressError(f"{text!r} is not an address: {_SHAPE}")
        network, rest = match[1].lower(), match[2]
        if network not in _NETWORKS:
            raise UnsupportedProtocolError(
                f"{text!r} has the unknown scheme {match[1]!r}: use one of {', '.join(_NETWORKS)}"
            )
        if network == "unix":
            return cls(network, path=_checked_path(text, rest))
        if network in _INHERITED:
            return cls(network, path=_checked_descriptor(text, rest))
        return _parse_inet(text, network, rest)

    def __str__(self) -> str:
        """Returns the text from which ``parse`` makes an equal address.

        For a Unix socket that is the path as it is, but for what a path cannot have: a NUL of an abstract
        name is ``%00``, and the text ``%00`` itself ``%2500``, and so on. A peer without a name is
        ``unix://%00``, and the abstract name that is empty ``unix://%00@``.
        """
        if self.network == "unix":
            return f"unix://{_spelled(self.path)}"
        if self.is_inherited:
            return f"{self.network}://{self.path}"
        host = f"{self.host}%{self.zone}" if self.zone else self.host
        return f"{self.network}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def check_named(self) -> None:
        """Raises InvalidAddressError for a Unix socket without a name, which nobody can listen on or dial."""
        if self.network == "unix" and not self.path:
            raise InvalidAddressError(f"{self!r} is a Unix socket without a name, which nobody can find")

    @property
    def is_tls(self) -> bool:
        """Whether this is an address of TCP with TLS (tls, tls4, tls6, tls+fd)."""
        return self.network.startswith("tls")

    @property
    def is_inherited(self) -> bool:
        """Whether this is a descriptor, by number or name (fd, tls+fd, kcp+fd)."""
        return self.network in _INHERITED

    @property
    def is_datagram(self) -> bool:
        """Whether this is an address of a datagram network (udp, udp4, udp6).

        False for KCP: its sockets are those of UDP, but what is served there are streams. False for an
        inherited socket, since its address cannot tell; ``Engine.addresses`` has the real one.
        """
        return self.network.startswith("udp")

    @property
    def is_kcp(self) -> bool:
        """Whether this is an address of streams over UDP by KCP (kcp, kcp4, kcp6, kcp+fd)."""
        return self.network.startswith("kcp")

    @property
    def is_udp(self) -> bool:
        """Whether the sockets of this address are known to be UDP's: it is one of datagrams, or of KCP."""
        return self.is_datagram or self.is_kcp


def _spelled(path: str) -> str:
    if path in ("", "@"):
        return f"%00{path}"
    return _NUL.sub(r"%25\g<1>00", path).replace("\0", "%00") if "%" in path or "\0" in path else path


def _checked_path(text: str, spelled: str) -> str:
    path = _NUL.sub(lambda match: f"%{match[1][2:]}00" if match[1] else "\0", spelled)
    if path in ("\0", "\0@"):
        return path[1:]
    if spelled in ("", "@") or "\0" in spelled or ("\0" in path and not path.startswith("@")):
        raise InvalidAddressError(f"{text!r} names no Unix socket: use unix://PATH or unix://@NAME")
    try:
        os.fsencode(path)
    except UnicodeError:
        raise InvalidAddressError(f"{text!r} has a path that the file system cannot encode") from None
    return path


def _checked_descriptor(text: str, descriptor: str) -> str:
    """Returns a descriptor's number without leading zeros, or its name."""
    if re.fullmatch(r"[0-9]{1,10}", descriptor) and int(descriptor) <= _MAX_DESCRIPTOR:
        return str(int(descriptor))
    if re.fullmatch(r"[+-]?[0-9]+", descriptor) or not _DESCRIPTOR_NAME.fullmatch(descriptor):
        raise InvalidAddressError(
            f"{text!r} names no descriptor: use fd://N, or fd://NAME with systemd's name"
        )
    return descriptor


def _parse_inet(text: str, network: str, rest: str) -> Address:
    match = _HOST_AND_PORT.fullmatch(rest)
    if match is None:
        raise InvalidAddressError(f"{text!r} has no valid host and port: {_SHAPE}, IPv6 hosts in brackets")
    port = int(match["port"])
    if port > 65535:
        raise InvalidAddressError(f"{text!r} has the port {port}: ports go from 0 to 65535")
    if match["bracketed"] is not None:
        host, zone = _checked_ipv6(text, match["bracketed"])
        if network.endswith("4"):
            raise InvalidAddressError(f"{text!r} has an IPv6 host, which {network} does not allow")
        return Address(network, host, port, zone=zone)
    host = match["plain"]
    if host and _is_ipv4(text, host) and network.endswith("6"):
        raise InvalidAddressError(f"{text!r} has an IPv4 host, which {network} does not allow")
    return Address(network, host, port)


def _checked_ipv6(text: str, literal: str) -> tuple[str, str]:
    host, percent, zone = literal.partition("%")
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise InvalidAddressError(f"{text!r} has {host!r} in brackets, which is no IPv6 address") from None
    if percent and not ZONE.fullmatch(zone):
        raise InvalidAddressError(f"{text!r} has the zone {zone!r}: use an interface's name or number")
    return host, zone


def _is_ipv4(text: str, host: str) -> bool:
    """Tells an IPv4 literal from a host name; refuses what is neither."""
    if re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise InvalidAddressError(f"{text!r} has the host {host!r}, which is no IPv4 address") from None
        return True
    if not _HOST_NAME.fullmatch(host) or not (host.isascii() or _is_international(host)):
        raise InvalidAddressError(f"{text!r} has the host {host!r}, which is no host name")
    return False


def _is_international(host: str) -> bool:
    """Whether a name service can be asked for it: IDNA (RFC 3490) makes a host name of it, and no number."""
    try:
        asked = host.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return bool(_HOST_NAME.fullmatch(asked)) and not re.fullmatch(r"[0-9.]+", asked)
