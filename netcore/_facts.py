"""What netcore has to know of a kernel to serve on it, in the numbers that its sockets take.

Those of the kernel below are in ``netcore._platform``; what may run in a simulation asks its machine for them
(``netcore._machine``), where they are those of the simulated kernel.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netcore._platforms import Platform

__all__ = ["Facts", "facts_of"]


@dataclass(frozen=True, slots=True)
class Facts:
    """One kernel. Options are numbers, or None where there is none such, or Python does not know it.

    Attributes:
        sockets_are_handles: Whether sockets are no descriptors of the C library, which then may use the same
            number for a file.
        unix_sockets: Whether there are Unix sockets.
        abstract_names: Whether one may have a name outside the file system (unix(7)).
        reuse_port: The socket option that balances connections between listeners of one port. macOS, OpenBSD
            and NetBSD accept SO_REUSEPORT but give every connection to one listener.
        share_port: SO_REUSEPORT, by which sockets share a port, whether it balances or not.
        exclusive_port: SO_EXCLUSIVEADDRUSE of Windows. There SO_REUSEADDR would let another process take over
            a port that is in use.
        bind_to_device: The option that ties a socket to a network interface (socket(7)).
        no_sigpipe: SO_NOSIGPIPE of macOS: a send on a dead connection is to fail without SIGPIPE.
            MSG_NOSIGNAL is too new there.
        pass_rights: The option of a Unix socket that lets its peer pass descriptors (unix(7)).
        ip_pktinfo: The option, and the control message, that tells where an IPv4 datagram came to (ip(7) of
            Linux, macOS).
        ip_recvdstaddr: The same where only the address is told (ip(4) of BSD).
        ipv6_recvpktinfo: The option for IPv6 (RFC 3542).
        ipv6_pktinfo: Its control message.
        keep_alive: The options for idle time, interval and count of TCP keep-alive.
        keep_alive_units: How many units of each of these options make a second (or one probe).
        disconnect_resets: Whether connect(2) to AF_UNSPEC resets a TCP connection, whoever else has it open.
        connected_first: Whether a datagram goes to the socket that is connected to its sender rather than to
            others of the port. Linux before 5.4 hashed senders over all sockets of a SO_REUSEPORT group,
            connected ones included.
        connected_leave: Whether datagram sockets leave, when they are connected, the group over which senders
            are spread.
        binds_to_groups: Whether a socket can be bound to a multicast group, and so gets nothing else; Windows
            refuses.
        ip_mreqn: Whether IPv4 has ``struct ip_mreqn`` for an interface: group, address, number. Windows takes
            the number, in network order, in place of an address, which never begins with a zero.
    """

    sockets_are_handles: bool
    unix_sockets: bool
    abstract_names: bool
    reuse_port: int | None
    share_port: int | None
    exclusive_port: int | None
    bind_to_device: int | None
    no_sigpipe: int | None
    pass_rights: int | None
    ip_pktinfo: int | None
    ip_recvdstaddr: int | None
    ipv6_recvpktinfo: int | None
    ipv6_pktinfo: int | None
    keep_alive: tuple[int | None, ...]
    keep_alive_units: tuple[int, ...]
    disconnect_resets: bool
    connected_first: bool
    connected_leave: bool
    binds_to_groups: bool
    ip_mreqn: bool

    def pack_group(self, group: bytes, index: int) -> bytes:
        """Packs the value of IP_ADD_MEMBERSHIP or IPV6_JOIN_GROUP (ip(7), ipv6(7)).

        Args:
            group: The group's address, 4 or 16 bytes.
            index: The number of the interface to join on; 0 for the system's choice.
        """
        if len(group) == 16:
            return struct.pack("16sI", group, index)
        if index and self.ip_mreqn:
            return group + self.pack_interface(index)[4:]
        return group + index.to_bytes(4, "big")

    def pack_interface(self, index: int) -> bytes:
        """Packs the value of IP_MULTICAST_IF for an interface's number; see ``ip_mreqn``."""
        if self.ip_mreqn:
            return struct.pack("4s4si", b"", b"", index)
        return index.to_bytes(4, "big")


def facts_of(row: Platform, release: Sequence[int], number: Callable[[str], int | None]) -> Facts:
    """Makes the facts of a kernel.

    Args:
        row: Of the table of platforms.
        release: The first two numbers of its version.
        number: Returns the number of an option, given its name; None if there is none such, or no name.
    """
    is_linux, is_windows, version = row.name == "Linux", row.name == "Windows", tuple(release)
    old_dragonfly = row.name == "DragonFly" and version < (5, 8)  # which counted milliseconds
    return Facts(
        sockets_are_handles=is_windows,
        unix_sockets=row.unix_sockets and number("AF_UNIX") is not None,
        abstract_names=row.abstract_names,
        reuse_port=number(row.reuse_port),
        share_port=number("SO_REUSEPORT"),
        exclusive_port=number("SO_EXCLUSIVEADDRUSE") if is_windows else None,
        bind_to_device=number(row.bind_to_device),
        no_sigpipe=number(row.no_sigpipe),
        pass_rights=number(row.pass_rights),
        ip_pktinfo=number("IP_PKTINFO") if row.destinations == "IP_PKTINFO" else None,
        ip_recvdstaddr=number("IP_RECVDSTADDR") if row.destinations == "IP_RECVDSTADDR" else None,
        ipv6_recvpktinfo=number("IPV6_RECVPKTINFO"),
        ipv6_pktinfo=number("IPV6_PKTINFO"),
        keep_alive=tuple(map(number, row.keep_alive)) or (None, None, None),
        keep_alive_units=(1000, 1000, 1) if old_dragonfly else (1, 1, 1),
        disconnect_resets=row.disconnect_resets,
        connected_first=row.connected_first and (not is_linux or version >= (5, 4)),
        connected_leave=is_linux and version >= (6, 13),
        binds_to_groups=not is_windows,
        ip_mreqn=not is_windows,
    )
