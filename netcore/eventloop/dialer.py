"""The connections that this side dials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from netcore._futures import disown
from netcore._machine import current
from netcore.address import Address
from netcore.connection import DIALLED, BaseStream
from netcore.errors import UnsupportedProtocolError
from netcore.eventloop.arrival import Newcomer
from netcore.eventloop.arrivals import Arrivals
from netcore.eventloop.connections import Connections
from netcore.eventloop.dialing import Dial
from netcore.eventloop.fates import forked, stopping
from netcore.eventloop.faults import as_exception
from netcore.eventloop.phases import Phase
from netcore.eventloop.race import Dialled
from netcore.eventloop.sessions import Sessions
from netcore.eventloop.site import Site
from netcore.handler import Conn

__all__ = ["Dialer", "check_dialable"]


def check_dialable(address: Address) -> Address:
    """Returns the address, or raises UnsupportedProtocolError if this platform cannot connect to such."""
    address.check_named()
    if address.is_inherited:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be dialled: it is a socket that listens (enroll takes a connected one)"
        )
    if address.network == "unix" and not current().facts.unix_sockets:
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
        sessions: Makes those that are of KCP.
    """

    def __init__(self, site: Site, connections: Connections, arrivals: Arrivals, sessions: Sessions) -> None:
        self._site = site
        self._connections = connections
        self._arrivals = arrivals
        self._sessions = sessions
        # From the call on, so that no end of the loop passes them over. Any thread adds to them.
        self._under_way: dict[Dial, bool] = {}  # and whether it can still be given up

    def dial(
        self,
        address: Address,
        context: object,
        timeout: float | None,
        make_phases: Callable[[], Sequence[Phase]] | None = None,
    ) -> Future[Conn]:
        """See ``EventLoop.dial``. Any thread.

        Args:
            address: See there, as for the rest.
            context: See there.
            timeout: See there; the phases are within it.
            make_phases: Makes what has to pass before the connection opens; None for nothing.
        """
        future: Future[Conn] = self._site.machine.make(Future)
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled

        connected = partial(self._connected, context, make_phases)
        dial = Dial(self._site, address, future, connected, self._ended)
        self._under_way[dial] = True
        try:
            self._site.execute(self._start, dial, timeout)
        except BaseException:
            self._ended(dial)
            raise
        return future

    @property
    def count(self) -> int:
        """Dials under way, from the call until the connection is open. Any thread."""
        return len(self._under_way)

    @property
    def targets(self) -> list[Address]:
        """Where these lead, as it was asked for. Any thread."""
        return [dial.address for dial in list(self._under_way)]

    def fail_all(self, error: Exception) -> None:
        """Ends all dials under way, whatever one of them raises. The loop's thread."""
        for dial, undecided in list(self._under_way.items()):
            try:
                if undecided:
                    dial.fail(error)
            except BaseException as raised:
                self._site.charge(None, raised)

    def abandon(self) -> list[int]:
        """Lets go of all dials, in a forked child; returns their descriptors, which are left to close."""
        fds = [fd for dial in self._under_way for fd in dial.fds]
        for dial in self._under_way:
            disown(dial.future, forked(self._site))
        self._under_way.clear()
        return fds

    def _start(self, dial: Dial, timeout: float | None) -> None:
        if dial.future.done():  # the loop's end was quicker
            return
        if self._site.stopping:
            dial.fail(stopping(self._site))
            return
        try:
            dial.start(timeout)
        except Exception as error:  # whatever it is, somebody waits for the future
            dial.fail(error)

    def _ended(self, dial: Dial) -> None:
        self._under_way.pop(dial, None)

    def _connected(
        self,
        context: object,
        make_phases: Callable[[], Sequence[Phase]] | None,
        dial: Dial,
        dialled: Dialled,
    ) -> None:
        """Makes the connection of a dial, or leads it on to what has to pass before."""
        site = self._site
        counters = site.counters
        site.descriptors.add(dialled.fd)

        def opening() -> None:
            self._under_way[dial] = False
            counters.dialled += 1  # no sooner: what has to pass may take long, and fail
            dial.finish()

        def failed(error: Exception) -> None:
            if not self._under_way.get(dial, True):
                counters.dialled -= 1
            dial.fail(error)

        if make_phases is not None:
            newcomer = Newcomer(
                dialled.fd,
                dialled.network,
                dialled.remote,
                dialled.local,
                context,
                prepare=_note_origin,
                opening=opening,
                opened=dial.succeed,
                failed=failed,
            )
            dial.give_up_onward = self._arrivals.begin(newcomer, make_phases)
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
        if network == "kcp":
            return self._sessions.dial(fd, dialled.family, remote, local or Address("kcp"), context)
        return self._connections.establish(fd, network, remote, local, context, prepare=_note_origin)


def _note_origin(conn: BaseStream) -> None:
    conn.note_origin(DIALLED)
