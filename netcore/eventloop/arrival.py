"""One socket on its way to being a connection, through the phases before it opens."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection import STALL, UNWATCHED, BaseStream
from netcore.errors import NetcoreError
from netcore.eventloop.faults import as_exception
from netcore.eventloop.phases import Phase
from netcore.eventloop.shares import Share, Shares
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.poll import Interest, Readiness
from netcore.sockets import take_errors

__all__ = ["Arrival", "Newcomer", "nothing"]

_READ, _WRITE = int(Interest.READ), int(Interest.WRITE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_ERROR = int(Readiness.ERROR)
_WOULD_BLOCK = (-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR)

_AT_LAST = 16
"""Receives before a phase is given up."""

_EXPECTED = (NetcoreError, OSError)
"""Errors that say all there is to say. Their frames would lead back to the phase, which may have the error,
or to a dial's future: all of it would stay until the collector comes, which counts no memory of OpenSSL's."""


def nothing(*args: object) -> None:
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
    prepare: Callable[[BaseStream], object] = nothing
    opening: Callable[[], object] = nothing
    opened: Callable[[BaseStream], object] = nothing
    failed: Callable[[Exception], object] | None = None


class Arrival:
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
        passed: Callable[[Arrival], object],
        failed: Callable[[Arrival, Exception], object],
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
        self._received = self._sent = 0
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
        conn.bytes_received += len(self.newcomer.received) + self._received
        conn.bytes_sent += self._sent
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
        self._sent += len(sent) - left

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
