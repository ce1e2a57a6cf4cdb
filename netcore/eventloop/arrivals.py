"""What has to pass between the peers before a connection opens.

A socket in such a phase is no connection yet, so the handler cannot hear of it, whatever happens. It has its
place under ``Options.max_connections``, counts as a connection of its loop, and has a time limit for each
phase. When the last has passed, a connection is made of it, with what has come behind.
"""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netcore._complaints import Complaints, plain
from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection import STALL, UNWATCHED, BaseStream
from netcore.errors import NetcoreError
from netcore.eventloop.connections import Connections
from netcore.eventloop.faults import as_exception
from netcore.eventloop.phases import Phase
from netcore.eventloop.shares import Share, Shares
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.poll import Interest, Readiness
from netcore.sockets import take_errors, unpack_name

__all__ = ["Arrivals", "Newcomer"]

_READ, _WRITE = int(Interest.READ), int(Interest.WRITE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_ERROR = int(Readiness.ERROR)
_WOULD_BLOCK = (-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR)

_AT_LAST = 16
"""Receives before a phase is given up."""

_EXPECTED = (NetcoreError, OSError)
"""Errors that say all there is to say. Their frames would lead back to the phase, which may have the error,
or to a dial's future: all of it would stay until the collector comes, which counts no memory of OpenSSL's."""


def _nothing(*args: object) -> None:
    """Stands in for who does not want to know."""


@dataclass(slots=True)
class Newcomer:
    """A connected socket that is to become a connection.

    Attributes:
        fd: The non-blocking descriptor, attached and not registered.
        network: "tcp" or "unix".
        remote: The peer's address, or its packed name.
        local: This side's address; None to ask the system when it is wanted.
        context: What ``conn.context`` will be.
        received: What has been received from it already.
        prepare: Called with the connection before the phases prepare it.
        opening: Called before its ``on_open``.
        opened: Called with the connection after its ``on_open``.
        failed: Called with the error if there will be none; None to have it logged.
    """

    fd: int
    network: str
    remote: bytes | Address
    local: Address | None
    context: object = None
    received: bytes = b""
    prepare: Callable[[BaseStream], object] = _nothing
    opening: Callable[[], object] = _nothing
    opened: Callable[[BaseStream], object] = _nothing
    failed: Callable[[Exception], object] | None = None


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
        self._under_way: dict[int, _Arrival] = {}
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
            arrival = _Arrival(self._site, newcomer, phases, self._shares, self._pass, self._fail)
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

    def _pass(self, arrival: _Arrival) -> None:
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

    def _fail(self, arrival: _Arrival, error: Exception) -> None:
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
                _nothing  # the error's frames may lead here, and what it is told to has the error
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


class _Arrival:
    """One socket on its way through its phases; a ``Watcher``.

    Attributes:
        newcomer: What it is.
        interest: What the poller watches it for, or ``UNWATCHED``.
        unheard: Whether its peer has left without a word, as a health check does: a word to the phase that
            it is in, since what a proxy says ahead is not the client's.
    """

    def __init__(
        self,
        site: Site,
        newcomer: Newcomer,
        phases: Callable[[], Sequence[Phase]],
        shares: Shares,
        passed: Callable[[_Arrival], object],
        failed: Callable[[_Arrival, Exception], object],
    ) -> None:
        self.newcomer = newcomer
        self.interest = UNWATCHED
        self.unheard = False
        self._site = site
        self._phases = phases
        self._ahead: deque[Phase] = deque()
        self._behind: list[Phase] = []
        self._shares = shares
        self._passed = passed
        self._failed = failed
        self._unsent = b""
        self._last = b""  # what is left to say at the end: it leaves with what the handler says first
        self._rest = newcomer.received
        self._timer: Timer | None = None
        self._due = 0.0
        self._received = 0
        self._heard = False
        self._came_at = 0.0
        self._over = False

    def start(self) -> None:
        """Begins with the first phase."""
        self._guarded(self._begin)

    def _begin(self) -> None:
        self._ahead.extend(self._phases())
        self._go_on()

    def ready(self, readiness: int) -> None:
        """See ``Watcher.ready``; what does not fit in this turn the poller tells of again."""
        if self._shares.prompt.is_left():
            self._look(readiness, self._shares.prompt)

    def _look(self, readiness: int, share: Share) -> None:
        if not self._over:
            if readiness & _ERROR:
                take_errors(self._site.sockets, self.newcomer.fd)
            self._guarded(lambda: self._take(readiness, share))

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except BaseException as error:
            if isinstance(error, _EXPECTED):
                error.__traceback__ = None
            self._give_up_phase(as_exception(error))
            if not isinstance(error, Exception):
                self._site.charge(None, error)

    def _take(self, readiness: int, share: Share) -> None:
        if self._unsent:
            self._send(b"")
        if not readiness & ~_WRITABLE:
            self._watch()
            return
        n = self._site.receive_aside([self.newcomer.fd])[0]
        if n > 0:
            self._rest += self._site.inbox.arena[:n]
            self._received += n
            self._came_at = self._site.clock()
            self._site.counters.bytes_received += n
            try:
                self._go_on()
            finally:
                share.take(n, self._site.clock() - self._came_at)
        elif n not in _WOULD_BLOCK:
            self.unheard = not self._heard
            raise self._ahead[0].left() if n == 0 else system_error(n)

    def _go_on(self) -> None:
        """Goes as far as what has come allows."""
        while self._ahead and not self._over:
            phase = self._ahead[0]
            if self._timer is None:
                self._give_time(phase.timeout)
            if self._rest and not phase.done:
                data, self._rest = self._rest, b""
                self._heard = True
                try:
                    self._rest = phase.feed(data)
                except BaseException:
                    self._send(phase.output())
                    raise
            if phase.done and len(self._ahead) == 1:
                self._last = phase.output()
            else:
                self._send(phase.output())
            if not phase.done:
                self._watch()
                return
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._behind.append(self._ahead.popleft())
            self._heard = False
            phase.passed(self._site.counters)
        if not self._over:
            self._over = True
            self._site.watchers.release(self.newcomer.fd)
            self._passed(self)

    def prepare(self, conn: BaseStream) -> None:
        """Brings the new connection to where the phases have come."""
        for phase in self._behind:
            phase.prepare(conn)
        if self._unsent:
            conn.unsent(self._unsent, len(self._unsent))
        if self._last:
            conn.send_off(self._last)
        if self._rest:
            with memoryview(self._rest) as rest:
                conn.take_in(rest)

    def _send(self, data: bytes) -> None:
        self._unsent += data
        if not self._unsent:
            return
        sent = self._unsent
        exceptions = self._site.sockets.send([self.newcomer.fd], [sent])
        left = exceptions[0][1] if exceptions else 0
        if left < 0:
            self._unsent = b""
            raise system_error(left)
        self._unsent = sent[len(sent) - left :]
        self._site.counters.bytes_sent += len(sent) - left

    def _watch(self) -> None:
        wanted = _READ | (_WRITE if self._unsent else 0)
        try:
            if self.interest == UNWATCHED:
                self._site.watchers.attend(self.newcomer.fd, self, wanted)
            elif wanted != self.interest:
                self._site.watchers.change(self.newcomer.fd, wanted)
        except Exception as error:  # not the peer's fault
            self.fail(error)
        else:
            self.interest = wanted

    def _give_time(self, seconds: float) -> None:
        self._due = self._site.clock() + seconds
        self._timer = self._site.schedule(seconds, self._too_late)

    def _too_late(self) -> None:
        """Fails, unless what had arrived in time brings it on: a stall of the loop is not the peer's loss."""
        if not self._shares.late.is_left():
            self._timer = self._site.schedule(0, self._too_late)
            return
        late = self._site.clock() - self._due
        phase = self._ahead[0]
        self._site.look_again(self._due)
        self._take_what_is_here()
        if self._over or self._ahead[0] is not phase:
            return
        if self._came_at > self._due and late > STALL:
            self._give_time(late)
        else:
            self._give_up_phase(phase.overdue())

    def _take_what_is_here(self) -> None:
        """Receives what the kernel holds, up to a bound."""
        for _ in range(_AT_LAST):
            received = self._received
            self._look(_READABLE, self._shares.late)
            if self._over or self._received == received:
                break

    def give_up(self, error: Exception) -> None:
        """Ends it for somebody else's sake, whose time is over, or who stops."""
        if isinstance(error, TimeoutError):
            self._take_what_is_here()
        self.fail(error)

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``."""
        self.fail(error)

    def _give_up_phase(self, error: Exception) -> None:
        """Ends it since the phase that it is in does not pass."""
        if self._ahead and not self._over:
            self._ahead[0].failed(self._site.counters)
        self.fail(error)

    def fail(self, error: Exception) -> None:
        """Ends it without a connection."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._site.watchers.neglect(self.newcomer.fd)
        self._failed(self, error)
