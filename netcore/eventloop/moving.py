"""How connections change their loop: given by the one, and taken by the other.

It is done on the thread of the loop that gives, in a task, that is between the callbacks of a turn and its
end. What was received has been served by then, and what was written is sent before. In this order nobody
misses the connection, and nobody uses what is not his:

    the other loop expects it    it is counted, and found, there as well
    the poller forgets it        what comes now waits in the kernel
    it leaves the tables and the wheel
    its descriptor changes hands
    it is the other loop's       from here on all that is asked of it goes there
    that loop takes it in        a task there, put before all that; its poller tells what has come meanwhile

If a step fails, or something was asked of the connection in the meantime, all before it is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

from netcore.connection import PLEDGING, UNWATCHED, BaseStream
from netcore.eventloop.aftermath import Aftermath
from netcore.eventloop.connections import Connections
from netcore.eventloop.intake import Intake
from netcore.eventloop.site import Site
from netcore.sockets import Releasing

__all__ = ["Home", "Moving"]

_PER_TURN = 256
"""Connections that are looked at in one turn, so that a crowd of them does not keep the loop from serving."""


class Home(Protocol):
    """A loop as another one sees it that gives it connections. Any thread."""

    @property
    def connection_count(self) -> int:
        """See ``EventLoop.connection_count``."""

    @property
    def moving(self) -> Moving:
        """What takes them in."""


class Moving:
    """Gives idle connections to other loops, and takes theirs. On the loop's thread, unless it says another.

    Args:
        site: The loop.
        connections: Its connections.
        aftermath: Knows which of them have something to settle.
        intake: Knows which of them are received from in any case.
        put: Gives the loop a task, unless it has ended; returns whether it did. Any thread.
    """

    def __init__(
        self,
        site: Site,
        connections: Connections,
        aftermath: Aftermath,
        intake: Intake,
        put: Callable[[Callable[..., object], tuple[object, ...]], bool],
    ) -> None:
        self._site = site
        self._connections = connections
        self._aftermath = aftermath
        self._intake = intake
        self._put = put

    def exchanges_with(self, other: Moving) -> bool:
        """Whether connections can go from here to another loop, and back. Any thread."""
        same = self._connections.stream_class is other._connections.stream_class
        return same and self._detaches and other._detaches

    @property
    def _detaches(self) -> bool:
        """See ``Releasing``."""
        return getattr(self._site.sockets, "detaches", False) and not self._site.stopping

    def give(self, homes: Sequence[Home]) -> None:
        """Gives idle connections away, each to the loop that has the fewest, until none has two fewer.

        Args:
            homes: The other loops.
        """
        self._go_on(list(self._connections.streams.values()), homes)

    def _go_on(self, candidates: list[BaseStream], homes: Sequence[Home]) -> None:
        site = self._site
        if site.stopping:
            return
        site.outbox.flush_early()
        if len(site.outbox) or site.outbox.producers:  # what has failed to leave has had more to say
            self._put(self._go_on, (candidates, homes))
            return
        for conn in candidates[-_PER_TURN:]:
            home = min(homes, key=_count)
            if site.connection_count - home.connection_count < 2:
                return
            if self._may_go(conn):
                self._give(conn, home.moving)
        del candidates[-_PER_TURN:]
        if candidates:
            self._put(self._go_on, (candidates, homes))

    def _may_go(self, conn: BaseStream) -> bool:
        """Whether a connection is here still, and idle, for all that it and the loop know."""
        aftermath = self._aftermath
        return (
            self._connections.streams.get(conn.fd) is conn
            and conn.interest == self._connections.first_interest
            and conn.is_idle
            and conn not in aftermath.unsettled
            and conn not in aftermath.postponed
            and conn not in self._intake.again
        )

    def _give(self, conn: BaseStream, home: Moving) -> None:
        site, fd = self._site, conn.fd
        if not home.expect(conn):
            return
        try:
            site.poller.unregister(fd)
        except BaseException as error:
            home.forget(conn)
            site.charge(None, error)
            return
        conn.interest = UNWATCHED
        is_theirs = False
        try:
            if conn.deadlines is not None:
                site.unplan(conn.deadlines)
            site.shared.moves.note()
            self._connections.let_go(conn)
            is_theirs = self._hand_over(conn, home)
        except Exception as error:
            site.charge(None, error)
        finally:
            if not is_theirs:
                self._connections.adopt(conn)
                site.shared.moves.note()  # back again
                home.forget(conn)
                site.settle_later(conn)  # which has it watched again, and its deadlines planned

    def _hand_over(self, conn: BaseStream, home: Moving) -> bool:
        """Gives away what belongs to a connection, and then that itself; or nothing of it.

        Returns:
            Whether it is the other loop's.
        """
        site, there, fd = self._site, home.site, conn.fd
        is_theirs = False
        with site.descriptor_lock:  # so that who works on the descriptor has it here until he is done
            _releasing(site).detach(fd)
            try:
                there.sockets.attach(fd)
            except BaseException:
                site.sockets.attach(fd)
                raise
            has_place = site.descriptors.give_up(fd)
            there.descriptors.take(fd, has_place)
            try:
                with PLEDGING:  # see _join
                    is_theirs = home.expects(conn) and conn.rehost(there)
            finally:
                if not is_theirs:
                    _releasing(there).detach(fd)
                    there.descriptors.give_up(fd)
                    site.descriptors.take(fd, has_place)
                    site.sockets.attach(fd)
        return is_theirs

    # What the other loop is asked, on the thread of the one that gives.

    @property
    def site(self) -> Site:
        """The loop."""
        return self._site

    def expect(self, conn: BaseStream) -> bool:
        """Counts a connection that is about to come, and has it taken in when it is this loop's.

        Returns:
            False if the loop has ended.
        """
        self._connections.expected[conn.id] = conn
        if self._put(self._join, (conn,)):
            return True
        self.forget(conn)
        return False

    def expects(self, conn: BaseStream) -> bool:
        """Whether it is still to come."""
        return self._connections.expected.get(conn.id) is conn

    def forget(self, conn: BaseStream) -> None:
        """It does not come, or has ended before it was taken in."""
        self._connections.expected.pop(conn.id, None)

    # On the thread of the loop that takes.

    def _join(self, conn: BaseStream) -> None:
        """Takes in what is this loop's now; if it is not yet, who gives it is about to change that."""
        if self.expects(conn) and conn.loop is not self._site:
            if self._put(self._join, (conn,)):
                return
            with PLEDGING:  # these are the last tasks of a loop that ends: it has come by now, or never does
                if conn.loop is not self._site:
                    self.forget(conn)
        if self.expects(conn):
            self._connections.adopt(conn)
            self._site.settle_later(conn)  # which has it watched, and its deadlines planned
            if self._site.limits.edge_chunk:
                self._site.receive_again(conn)


def _count(home: Home) -> int:
    return home.connection_count


def _releasing(site: Site) -> Releasing:
    return cast("Releasing", site.sockets)
