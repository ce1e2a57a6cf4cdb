"""From one supervisor to the next: the listeners go on, and nobody is refused meanwhile.

Both serve until the next one has said that it is complete (``taken``), and the one before that it ends then
(``yours``). Until that has come the new one is a child as any other of the old one's: it ends with it.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from netcore.address import Address
from netcore.engine.binding import Bound
from netcore.engine.binding_datagrams import BoundDatagrams
from netcore.engine.socket_file import SocketFile
from netcore.service import scrub
from netcore.sockets import address_of, socket_of
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.listeners import Kept

__all__ = ["Predecessor", "Successor"]

_VARIABLE = "NETCORE_TAKEOVER"
"""Which descriptor is the channel to the predecessor, and its inode: by others it may be something else.

Not the number of the predecessor's process: when that has just been killed somebody else is the parent.
"""

_HERITAGE = ("NOTIFY_SOCKET", "WATCHDOG_USEC")
"""What the service manager has said to the process before, and means for the one that follows."""


class Successor:
    """The supervisor that is to take over, as its predecessor sees it.

    It is started with the command line of this process, so that it is the version that is installed by now.

    Args:
        kept: What it is to listen on.
        shown: Where processes are shown; None for nowhere.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, kept: Sequence[Kept], shown: Address | None = None) -> None:
        self.channel, theirs = Channel.pair()
        heritage = {name: os.environ[name] for name in _HERITAGE if name in os.environ}
        here = {_VARIABLE: f"{theirs.fileno()}:{os.fstat(theirs.fileno()).st_ino}"}
        try:
            with theirs:
                self._popen = subprocess.Popen(
                    [sys.executable, *sys.orig_argv[1:]],
                    pass_fds=(theirs.fileno(),),
                    env={**scrub(os.environ), **heritage, **here},
                )
        except BaseException:
            self.channel.close()
            raise
        self._heeds = False
        said = [(str(each.wanted), str(each.address), each.number) for each in kept]
        self.channel.send({"kept": said, "shown": str(shown or "")}, [each.sock.fileno() for each in kept])
        self.channel.set_blocking(False)

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._popen.pid

    def status(self) -> int | None:
        """Returns how it has ended; None if it has not."""
        return self._popen.poll()

    def hear(self) -> bool:
        """Hears what it says; returns whether it serves everything. EOFError when it has ended."""
        taken = False
        for message in self.channel.receive():
            self._heeds = True
            taken = taken or "taken" in message
        return taken

    def hand_over(self) -> bool:
        """Leaves everything to it; returns False if it has just ended."""
        return self.channel.send({"yours": True})

    def give_up(self) -> None:
        """Has it let its connections end by themselves, and end then."""
        self._order("give_up")

    def stop(self) -> None:
        """Has it do what SIGTERM does."""
        self._order("stop")

    def _order(self, order: str) -> None:
        self.channel.send({order: True})
        if not self._heeds:  # it has not come so far, and serves nobody
            self._popen.terminate()

    def kill(self) -> None:
        """Ends it at once, and its processes with it."""
        self._popen.kill()

    def wait(self) -> None:
        """Waits for its end, which is certain."""
        self._popen.wait()

    def close(self) -> None:
        """Lets go of it."""
        self.channel.close()


class Predecessor:
    """The supervisor that was here before, as its successor sees it.

    Attributes:
        shown: Where it shows its processes; empty for nowhere.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.shown = ""
        self._kept: list[Kept] = []

    @classmethod
    def find(cls) -> Predecessor | None:
        """Returns the one that has started this process to take over from it; None if none has.

        Raises:
            EOFError: It has ended meanwhile.
        """
        fd, _, inode = os.environ.pop(_VARIABLE, "").partition(":")
        if not fd.isdecimal() or not _is_socket(int(fd), inode):
            return None
        os.set_inheritable(int(fd), False)
        found = cls(Channel(socket.socket(fileno=int(fd))))
        try:
            found._learn()
        except BaseException:
            found.close()
            raise
        return found

    def _learn(self) -> None:
        self.channel.send({"here": True})
        while True:
            for message in self.channel.receive():
                if "kept" in message:
                    self._kept = _read(message)
                    self.shown = str(message.get("shown", ""))
                    self.channel.set_blocking(False)
                    return

    def take_kept(self) -> list[Kept]:
        """Returns what it has listened on, which is the caller's from now on."""
        kept, self._kept = self._kept, []
        return kept

    def taken(self) -> None:
        """Tells it that everything is served."""
        self.channel.send({"taken": True})

    def hear(self) -> list[str]:
        """Returns what it says: ``yours``, ``give_up`` or ``stop``. EOFError when it has ended."""
        return [word for message in self.channel.receive() for word in message]

    def close(self) -> None:
        """Lets go of it, and of what nobody has taken."""
        self.channel.close()
        for each in self._kept:
            each.bound.sock.close()


def _is_socket(fd: int, inode: str) -> bool:
    try:
        found = os.fstat(fd)
    except (OSError, OverflowError):
        return False
    return stat.S_ISSOCK(found.st_mode) and str(found.st_ino) == inode


def _read(message: Message) -> list[Kept]:
    kept = []
    fds = message.get("fds", [])
    if len(fds) != len(message["kept"]):
        raise EOFError("there are not enough descriptors for all listeners")
    for (wanted, address, number), fd in zip(message["kept"], fds, strict=True):
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
