"""From one supervisor to the next: the listeners go on, and nobody is refused meanwhile."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from netcore.address import Address
from netcore.engine.binding import Bound
from netcore.engine.binding_datagrams import BoundDatagrams
from netcore.engine.socket_file import SocketFile
from netcore.sockets import address_of, socket_of
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.listeners import Kept

__all__ = ["Predecessor", "Successor"]

_VARIABLE = "NETCORE_TAKEOVER"
"""Which descriptor is the channel to the predecessor, and the number of its process, lest others heed it."""


class Successor:
    """The supervisor that is to take over, as its predecessor sees it.

    It is started with the command line of this process, so that it is the version that is installed by now.

    Args:
        kept: What it is to listen on.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, kept: Sequence[Kept]) -> None:
        self.channel, theirs = Channel.pair()
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, _VARIABLE: f"{theirs.fileno()}:{os.getpid()}"},
            )
        said = [(str(each.wanted), str(each.address), each.number) for each in kept]
        self.channel.send({"kept": said}, [each.sock.fileno() for each in kept])

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._popen.pid

    def status(self) -> int | None:
        """Returns how it has ended; None if it has not."""
        return self._popen.poll()

    def give_up(self) -> None:
        """Tells it that it is not wanted any more."""
        self.channel.send({"give_up": True})

    def close(self) -> None:
        """Lets go of it."""
        self.channel.close()


class Predecessor:
    """The supervisor that was here before, as its successor sees it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._kept: list[Kept] = []

    @classmethod
    def find(cls) -> Predecessor | None:
        """Returns the one that has started this process to take over from it; None if none has."""
        fd, _, parent = os.environ.pop(_VARIABLE, "").partition(":")
        if not fd.isdecimal() or parent != str(os.getppid()):
            return None
        os.set_inheritable(int(fd), False)
        found = cls(Channel(socket.socket(fileno=int(fd))))
        with suppress(EOFError):
            found._learn()
        return found

    def _learn(self) -> None:
        while True:
            for message in self.channel.receive():
                if "kept" in message:
                    self._kept = _read(message)
                    return

    def take_kept(self) -> list[Kept]:
        """Returns what it has listened on, which is the caller's from now on."""
        kept, self._kept = self._kept, []
        return kept

    def taken(self) -> None:
        """Tells it that everything is served."""
        self.channel.send({"taken": True})

    def close(self) -> None:
        """Lets go of it."""
        self.channel.close()


def _read(message: Message) -> list[Kept]:
    kept = []
    for (wanted, address, number), fd in zip(message["kept"], message.get("fds", ()), strict=True):
        bound = _bound(Address.parse(address), socket_of(fd))
        kept.append(Kept(Address.parse(wanted), bound.address, number, bound))
    return kept


def _bound(address: Address, sock: socket.socket) -> Bound | BoundDatagrams:
    if sock.type == socket.SOCK_DGRAM:
        return BoundDatagrams(sock, address, address_of(sock))
    file = None
    if address.network == "unix" and not address.path.startswith("@"):
        with suppress(OSError):  # somebody has removed it
            file = SocketFile(address.path, shared=True)
    return Bound(sock, address, None, file)
