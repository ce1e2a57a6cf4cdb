"""The connections that this side brings about: dialled, or handed over as a socket."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from netcore._futures import disown
from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.errors import EngineNotRunningError, UnsupportedOperationError, UnsupportedProtocolError
from netcore.eventloop.arrivals import Arrivals, Newcomer, Phase
from netcore.eventloop.connections import Connections
from netcore.eventloop.dialing import Dial
from netcore.eventloop.faults import as_exception
from netcore.eventloop.race import Dialled
from netcore.eventloop.site import Site
from netcore.handler import Conn
from netcore.sockets import address_of, pack_name, unpack_name

__all__ = ["Dialer", "check_dialable"]


def check_dialable(address: Address) -> Address:
    """Returns the address, or raises UnsupportedProtocolError if this platform cannot connect to such."""
    address.check_named()
    if address.network == "fd":
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be dialled: it is a socket that listens (enroll takes a connected one)"
        )
    if address.network == "unix" and AF_UNIX is None:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be dialled: this platform has no Unix sockets"
        )
    return address


class Dialer:
    """Makes connections of one loop; keeps account of those that are not yet made.

    Args:
        site: The loop.
        connections: What they become a part of.
        arrivals: Where they go if something has to pass before they open.
    """

    def __init__(self, site: Site, connections: Connections, arrivals: Arrivals) -> None:
        self._site = site
        self._connections = connections
        self._arrivals = arrivals
        # From the call on, so that no end of the loop passes them over. Any thread adds to them.
        self._under_way: dict[Dial, bool] = {}  # and whether it can still be given up
        self._joining: dict[Future[Conn], socket.socket] = {}

    def dial(
        self, address: Address, context: object, timeout: float | None, phases: Sequence[Phase] = ()
    ) -> Future[Conn]:
        """See ``EventLoop.dial``. Any thread.

        Args:
            address: See there, as for the rest.
            context: See there.
            timeout: See there; the phases are within it.
            phases: What has to pass before the connection opens.
        """
        future: Future[Conn] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled

        def connected(dialled: Dialled) -> None:
            self._connected(dialled, context, phases, dial)

        dial = Dial(self._site, address, future, connected, self._ended)
        self._under_way[dial] = True
        try:
            self._site.execute(self._start, dial, timeout)
        except BaseException:
            self._ended(dial)
            raise
        return future

    def enroll(self, sock: socket.socket, context: object) -> Future[Conn]:
        """See ``EventLoop.enroll``. Any thread."""
        _check_enrollable(sock)
        network = "udp" if sock.type == socket.SOCK_DGRAM else "tcp"
        remote = unpack_name(pack_name(sock.family, sock.getpeername()), network)
        local = address_of(sock)
        sock.setblocking(False)
        sock.set_inheritable(False)
        # Detached here, so that the caller cannot close it under us; a twin carries it to the loop.
        ours = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        future: Future[Conn] = Future()
        future.set_running_or_notify_cancel()
        self._joining[future] = ours
        try:
            self._site.post(self._join, remote, local, context, future)
        except BaseException:
            self._joining.pop(future, None)
            ours.close()
            raise
        return future

    @property
    def count(self) -> int:
        """Dials and enrolments under way, from the call until the connection is open. Any thread."""
        return len(self._under_way) + len(self._joining)

    def fail_all(self, error: Exception) -> None:
        """Ends all dials under way, whatever one of them raises. The loop's thread."""
        for dial, undecided in list(self._under_way.items()):
            try:
                if undecided:
                    dial.fail(error)
            except BaseException as raised:
                self._site.charge(None, raised)

    def abandon(self) -> list[int]:
        """Lets go of all dials and sockets, in a forked child; returns the descriptors, left to be closed."""
        error = _stopping(self._site, "runs in another process, of which this one is a fork")
        fds = [fd for dial in self._under_way for fd in dial.fds]
        for sock in self._joining.values():
            with suppress(OSError):  # nobody has attached it yet
                sock.close()
        for future in [*(dial.future for dial in self._under_way), *self._joining]:
            disown(future, error)
        self._under_way.clear()
        self._joining.clear()
        return [fd for fd in fds if fd >= 0]  # but for one that is joining right now

    def _start(self, dial: Dial, timeout: float | None) -> None:
        if dial.future.done():  # the loop's end was quicker
            return
        if self._site.stopping:
            dial.fail(_stopping(self._site))
        else:
            dial.start(timeout)

    def _ended(self, dial: Dial) -> None:
        self._under_way.pop(dial, None)

    def _connected(self, dialled: Dialled, context: object, phases: Sequence[Phase], dial: Dial) -> None:
        """Makes the connection of a dial, or leads it on to what has to pass before."""
        site = self._site
        counters = site.counters
        counters.dialled += 1
        site.descriptors.add(dialled.fd)

        def opening() -> None:
            self._under_way[dial] = False
            dial.finish()

        def failed(error: Exception) -> None:
            counters.dialled -= 1
            dial.fail(error)

        if phases:
            newcomer = Newcomer(
                dialled.fd,
                dialled.network,
                dialled.remote,
                dialled.local,
                context,
                opening=opening,
                opened=dial.succeed,
                failed=failed,
            )
            dial.give_up_onward = self._arrivals.begin(newcomer, lambda: phases)
            return
        opening()
        try:
            conn = self._make(dialled, context)
        except BaseException as error:
            failed(as_exception(error))
            if not isinstance(error, Exception):
                raise
        else:
            dial.succeed(conn)

    def _make(self, dialled: Dialled, context: object) -> Conn:
        fd, network, remote, local = dialled.fd, dialled.network, dialled.remote, dialled.local
        if network == "udp":
            return self._connections.establish_datagrams(fd, dialled.family, remote, local, context)
        return self._connections.establish(fd, network, remote, local, context)

    def _join(self, remote: Address, local: Address, context: object, future: Future[Conn]) -> None:
        sock = self._joining[future]
        try:
            if self._site.stopping:
                sock.close()
                raise _stopping(self._site)
            conn = self._take_in(sock, remote, local, context)
        except BaseException as error:
            future.set_exception(as_exception(error))
            if not isinstance(error, Exception):
                raise
        else:
            if not future.done():  # as in a child that on_open has forked
                future.set_result(conn)
        finally:
            self._joining.pop(future, None)

    def _take_in(self, sock: socket.socket, remote: Address, local: Address, context: object) -> Conn:
        site = self._site
        datagrams = sock.type == socket.SOCK_DGRAM
        network = "udp" if datagrams else "unix" if sock.family == AF_UNIX else "tcp"
        family, fd = sock.family, sock.detach()
        site.counters.enrolled += 1
        try:
            site.descriptors.add(fd)
            site.descriptors.admit(fd)
            return self._make(Dialled(fd, family, network, remote, local), context)
        except BaseException:
            site.counters.enrolled -= 1
            raise


def _stopping(site: Site, fate: str = "is stopping and takes no more connections") -> EngineNotRunningError:
    return EngineNotRunningError(f"loop {site.index} {fate}")


def _check_enrollable(sock: socket.socket) -> None:
    """Refuses other kinds of sockets; the kernel's getpeername(2) then refuses what is not connected."""
    inet = (socket.AF_INET, socket.AF_INET6)
    stream = sock.type == socket.SOCK_STREAM and sock.family in (*inet, AF_UNIX)
    if not stream and not (sock.type == socket.SOCK_DGRAM and sock.family in inet):
        raise UnsupportedOperationError(
            f"enroll needs a connected TCP, UDP or Unix stream socket, not {sock}"
        )
