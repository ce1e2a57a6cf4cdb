"""What has to pass between the peers before a connection opens.

A socket in such a phase is no connection yet, so the handler cannot hear of it, whatever happens. It has its
place under ``Options.max_connections``, counts as a connection of its loop, and has a time limit for each
phase. When the last has passed, a connection is made of it, with what has come behind.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence

from netcore._complaints import Complaints, plain
from netcore.address import Address
from netcore.connection import BaseStream
from netcore.eventloop.arrival import Arrival, Newcomer, nothing
from netcore.eventloop.connections import Connections
from netcore.eventloop.faults import as_exception
from netcore.eventloop.phases import Phase
from netcore.eventloop.shares import Shares
from netcore.eventloop.site import Site
from netcore.sockets import unpack_name

__all__ = ["Arrivals"]


class Arrivals:
    """The sockets in a phase before ``on_open``. On the loop's thread.

    Args:
        site: The loop.
        connections: What they become a part of.
    """

    def __init__(self, site: Site, connections: Connections) -> None:
        self._site = site
        self._connections = connections
        self._complaints = Complaints(site.clock)
        self._under_way: dict[int, Arrival] = {}
        self._shares = Shares(site)

    @property
    def count(self) -> int:
        """How many there are, up to the moment that they count among the connections. Any thread."""
        return len(self._under_way)

    def begin(
        self, newcomer: Newcomer, phases: Callable[[], Sequence[Phase]]
    ) -> Callable[[Exception], object]:
        """Leads a newcomer through its phases, which are made here; without any it opens at once.

        Returns:
            What fails it, with an error, unless it has come through.
        """
        try:
            arrival = Arrival(self._site, newcomer, phases, self._shares, self._pass, self._fail)
            self._under_way[newcomer.fd] = arrival
        except BaseException:
            self._site.descriptors.reset(newcomer.fd)
            raise
        finally:
            self._connections.arriving.pop(newcomer.fd, None)  # second, so that it is always counted
        if self._connections.turning_away:  # and on another thread, if the loop has ended
            arrival.fail(OSError(errno.ECONNABORTED, "the loop is stopping"))
        else:
            arrival.start()
        return arrival.give_up

    def _pass(self, arrival: Arrival) -> None:
        newcomer = arrival.newcomer
        newcomer.opening()

        def prepare(conn: BaseStream) -> None:
            self._under_way.pop(newcomer.fd, None)  # it counts among the connections from here on
            newcomer.prepare(conn)
            arrival.prepare(conn)

        try:
            conn = self._connections.establish(
                newcomer.fd,
                newcomer.network,
                newcomer.remote,
                newcomer.local,
                newcomer.context,
                arrival.interest,
                prepare,
            )
        except BaseException as error:
            self._site.counters.unopened += 1
            self._under_way.pop(newcomer.fd, None)
            self._tell(newcomer, error)
            if not isinstance(error, Exception):
                raise
        else:
            newcomer.opened(conn)

    def _fail(self, arrival: Arrival, error: Exception) -> None:
        site = self._site
        newcomer = arrival.newcomer
        # First: who waits until none is under way looks at this then.
        site.counters.unopened += 1
        self._under_way.pop(newcomer.fd, None)
        site.descriptors.close([newcomer.fd])
        if not arrival.unheard or newcomer.failed is not None:
            self._tell(newcomer, error)

    def _tell(self, newcomer: Newcomer, error: BaseException) -> None:
        site = self._site
        if (failed := newcomer.failed) is not None:
            newcomer.failed = (
                nothing  # the error's frames may lead here, and what it is told to has the error
            )
            failed(as_exception(error))
        elif not site.stopping:
            self._complain(newcomer, error)

    def _complain(self, newcomer: Newcomer, error: BaseException) -> None:
        """Warns, once per interval of each kind; who looks for a fault has a line for each (debug)."""
        logger = self._site.logger
        times = self._complaints.due(type(error).__name__)
        level = logging.WARNING if times else logging.DEBUG
        if logger.isEnabledFor(level):
            more = f" ({times} times since the last such line)" if times > 1 else ""
            what = "a connection with %s could not be opened: %s%s"
            logger.log(level, what, plain(_name_of(newcomer.remote)), plain(error), more)

    def end_all(self, error: Exception) -> None:
        """Closes all of them, since the loop stops."""
        for arrival in list(self._under_way.values()):
            arrival.fail(error)

    def abandon(self) -> list[int]:
        """Forgets all of them, in a forked child; returns their descriptors, which are left to close."""
        fds = list(self._under_way)
        self._under_way.clear()
        return fds


def _name_of(remote: bytes | Address) -> Address:
    return unpack_name(remote) if isinstance(remote, bytes) else remote
