"""How connections leave a loop: from retirement to the closed descriptor, and beyond."""

from __future__ import annotations

from netcore.connection import UNWATCHED, Retired
from netcore.eventloop.connections import Connections
from netcore.eventloop.lingering import Linger
from netcore.eventloop.site import Site

__all__ = ["Departures"]


class Departures:
    """Those that have ended in this turn, and descriptors that outlive them. On the loop's thread.

    Args:
        site: The loop.
        connections: What they leave.

    Attributes:
        lingering: Descriptors of connections that are gone, whose peers are still sending.
    """

    def __init__(self, site: Site, connections: Connections) -> None:
        self._site = site
        self._connections = connections
        self._retired: list[Retired] = []
        self.lingering: dict[int, Linger] = {}

    @property
    def count(self) -> int:
        """How many there are. Any thread."""
        return self._site.counters.parting + len(self.lingering)

    def retire(self, conn: Retired) -> None:
        """See ``Host.retire``."""
        if conn.ending is not None:
            if conn.ending.left:
                return
            self._retired.append(conn)
            conn.ending.left = True
        else:
            self._retired.append(conn)
        self._site.counters.parting += 1  # first, so that nobody sees the connection neither here nor there
        self._connections.remove(conn)
        if conn.interest != UNWATCHED:
            conn.interest = UNWATCHED
            try:
                self._site.poller.unregister(conn.fd)
            except OSError:  # the system may have forgotten it already
                pass
            except BaseException as error:
                self._site.charge(None, error)

    def bury(self) -> None:
        """Closes the descriptors of the retired all at once, and tells the handler."""
        retired, self._retired = self._retired, []
        if not retired:
            return
        try:
            self._close(retired)
        except BaseException as error:
            self._site.charge(None, error)
        access_log = self._site.shared.access_log
        for conn in retired:
            if conn.ending is not None:
                self._site.counters.closed[conn.ending.reason] += 1
            try:
                conn.ended()
            except BaseException as error:
                self._site.charge(None, error)
            finally:
                self._site.counters.parting -= 1
            if access_log is not None:
                try:
                    access_log.note(conn)
                except BaseException as error:
                    self._site.charge(None, error)

    def _close(self, retired: list[Retired]) -> None:
        """Closes their descriptors, but for those whose peers would get a reset for it."""
        site = self._site
        sending = self._still_sending(retired)
        unread = sending.union(conn.fd for conn in retired if conn.leaves_input)
        orderly = []
        with site.descriptor_lock:
            for conn in retired:
                try:
                    conn.remember_local_address()
                except BaseException as error:
                    site.charge(None, error)
        for conn in retired:
            if conn.shares_descriptor:
                continue
            if conn.ending is not None and conn.ending.reset:
                site.descriptors.reset(conn.fd)
            elif conn.network == "udp":  # which knows no end that a peer, or a duplicate, could be told of
                site.descriptors.release([conn.fd])
            elif conn.fd not in unread:
                orderly.append(conn.fd)
        site.descriptors.close(orderly)
        for fd in unread:
            self.lingering[fd] = Linger(site, fd, self._over)
            self.lingering[fd].begin(idle=fd not in sending)

    def _over(self, linger: Linger) -> None:
        self.lingering.pop(linger.fd, None)

    def _still_sending(self, retired: list[Retired]) -> set[int]:
        """Tells whose close would become a reset: for each in question the kernel is asked once more."""
        asked = [conn.fd for conn in retired if conn.may_leave_input]
        sending: set[int] = set()
        while asked:
            try:
                results = self._site.receive_aside(asked)
            except BaseException as error:  # then they are closed as if nothing came
                self._site.charge(None, error)
                break
            sending.update(fd for fd, n in zip(asked, results, strict=False) if n > 0)
            asked = asked[len(results) :]
        return sending

    def hurry(self) -> None:
        """Has those that linger be quick, since the loop stops."""
        for linger in list(self.lingering.values()):
            linger.hurry()

    def end_lingering(self) -> None:
        """Closes what lingers, whatever its peer does."""
        for linger in list(self.lingering.values()):
            linger.end()

    def abandon(self) -> list[int]:
        """Forgets all of them, in a forked child; returns their descriptors, which are left to close."""
        fds = [*self.lingering, *(conn.fd for conn in self._retired if not conn.shares_descriptor)]
        self.lingering.clear()
        self._retired.clear()
        return fds
