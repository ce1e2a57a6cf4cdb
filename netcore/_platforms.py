"""What each platform does, as data: ``netcore._platform`` acts by it, and a table shows it.

Facts of the kernels, with the version from which on they hold where that is recent. What this very machine
does is found by trying: ``netcore doctor``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLATFORMS", "Platform", "platform_of"]

_KEEP_ALIVE = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")


@dataclass(frozen=True, slots=True)
class Platform:
    """One row of the table.

    Attributes:
        name: As people call it.
        system: How ``sys.platform`` begins there.
        pollers: Names of those that it has, best first.
        reuse_port: The socket option that spreads connections over the listeners of a port; empty where
            none does (then SO_REUSEPORT, if it is there, gives all of them to one listener).
        datagram_batches: Whether one system call moves several datagrams; recvmmsg(2), sendmmsg(2).
        sendfile: Whether the kernel sends files itself; sendfile(2).
        keep_alive: The options for idle time, interval and count of TCP keep-alive; empty where a socket can
            only switch it on, the times being the system's.
        unix_sockets: Whether the standard library has AF_UNIX there.
        abstract_names: Whether a Unix socket may have a name outside the file system.
        bind_to_device: The option that ties a socket to a network interface; empty where there is none.
        no_sigpipe: The option by which a send on a dead connection raises no SIGPIPE, where the flag
            MSG_NOSIGNAL is not to be relied on; else empty.
        pass_rights: The option of a Unix socket that lets its peer pass descriptors to it; empty where
            nothing keeps a peer from that.
        destinations: The option by which a socket learns to which address an IPv4 datagram was sent, and
            sends from a chosen one; empty where netcore cannot ask for it.
        disconnect_resets: Whether connect(2) to AF_UNSPEC resets a TCP connection, whoever else has it open;
            elsewhere a reset comes with the last close(2).
        connected_first: Whether a datagram goes to the socket that is connected to its sender rather than to
            another one that is bound to the same port.
        select_limit: How many sockets select(2) watches at most; 0 where poll(2) takes its place.
        numbers: Options that the standard library does not name in every version.
    """

    name: str
    system: str
    pollers: tuple[str, ...]
    reuse_port: str = ""
    datagram_batches: bool = False
    sendfile: bool = False
    keep_alive: tuple[str, ...] = _KEEP_ALIVE
    unix_sockets: bool = True
    abstract_names: bool = False
    bind_to_device: str = ""
    no_sigpipe: str = ""
    pass_rights: str = ""
    destinations: str = ""
    disconnect_resets: bool = False
    connected_first: bool = False
    select_limit: int = 0
    numbers: tuple[tuple[str, int], ...] = ()


PLATFORMS: tuple[Platform, ...] = (
    Platform(
        "Linux",
        "linux",
        pollers=("epoll", "io_uring", "select"),
        reuse_port="SO_REUSEPORT",
        datagram_batches=True,
        sendfile=True,
        abstract_names=True,
        bind_to_device="SO_BINDTODEVICE",
        pass_rights="SO_PASSRIGHTS",  # Linux 6.16
        destinations="IP_PKTINFO",
        disconnect_resets=True,
        connected_first=True,  # Linux 5.4
        numbers=(("SO_BINDTODEVICE", 25), ("SO_PASSRIGHTS", 83), ("IP_PKTINFO", 8)),
    ),
    Platform(
        "macOS",
        "darwin",
        pollers=("kqueue", "select"),
        sendfile=True,
        keep_alive=("TCP_KEEPALIVE", "TCP_KEEPINTVL", "TCP_KEEPCNT"),
        no_sigpipe="SO_NOSIGPIPE",
        destinations="IP_PKTINFO",
        connected_first=True,
        numbers=(("SO_NOSIGPIPE", 0x1022), ("IP_PKTINFO", 26)),
    ),
    Platform(
        "FreeBSD",
        "freebsd",
        pollers=("kqueue", "select"),
        reuse_port="SO_REUSEPORT_LB",  # FreeBSD 12; SO_REUSEPORT itself does not balance
        datagram_batches=True,
        sendfile=True,
        destinations="IP_RECVDSTADDR",
        connected_first=True,
        numbers=(("SO_REUSEPORT_LB", 0x10000), ("IP_RECVDSTADDR", 7)),
    ),
    Platform(
        "OpenBSD",
        "openbsd",
        pollers=("kqueue", "select"),
        datagram_batches=True,  # OpenBSD 7.2
        keep_alive=(),
        destinations="IP_RECVDSTADDR",
        connected_first=True,
        numbers=(("IP_RECVDSTADDR", 7),),
    ),
    Platform(
        "NetBSD",
        "netbsd",
        pollers=("kqueue", "select"),
        datagram_batches=True,
        destinations="IP_RECVDSTADDR",
        connected_first=True,
        numbers=(("IP_RECVDSTADDR", 7),),
    ),
    Platform(
        "DragonFly",
        "dragonfly",
        pollers=("kqueue", "select"),
        reuse_port="SO_REUSEPORT",
        sendfile=True,
        destinations="IP_RECVDSTADDR",
        numbers=(("IP_RECVDSTADDR", 7),),
    ),
    Platform("Windows", "win32", pollers=("iocp", "select"), unix_sockets=False, select_limit=512),
)

_OTHER = Platform("other", "", pollers=("select",))


def platform_of(system: str) -> Platform:
    """Returns the row of a platform that calls itself ``system`` (``sys.platform``), or a cautious one."""
    return next((platform for platform in PLATFORMS if system.startswith(platform.system)), _OTHER)
