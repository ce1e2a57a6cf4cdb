"""One call of ``dial``: from the address to a connected socket, within a time, with one outcome."""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import Future

from netcore._native import error as system_error
from netcore.address import Address
from netcore.connection import STALL
from netcore.eventloop.race import Dialled, Race
from netcore.eventloop.site import Site
from netcore.handler import Conn, Timer
from netcore.sockets import Found, Lookup, naming, needs_lookup, resolve

__all__ = ["Dial"]


class Dial:
    """One call of ``dial``. On the loop's thread, but for the constructor.

    Args:
        site: The loop where the connection will live.
        address: Where to.
        future: What gets the connection, after its ``on_open``, or the error.
        connected: Called with this dial and the socket once it is connected; makes a connection of it, and
            calls ``succeed`` or ``fail``.
        ended: Called with this dial when either has come.

    Attributes:
        future: See above.
        address: See above.
        give_up_onward: Fails what has to pass after the socket is connected; None while nothing has to.
    """

    def __init__(
        self,
        site: Site,
        address: Address,
        future: Future[Conn],
        connected: Callable[[Dial, Dialled], object],
        ended: Callable[[Dial], object],
    ) -> None:
        self.future = future
        self.address = address
        self.give_up_onward: Callable[[Exception], object] | None = None
        self._site = site
        self._connected = connected
        self._ended = ended
        self._race = Race(site, address, self._won, self._lost)
        self._lookup: Lookup | None = None
        self._timer: Timer | None = None
        self._due = 0.0

    @property
    def fds(self) -> list[int]:
        """The sockets that are connecting."""
        return self._race.fds

    def start(self, timeout: float | None) -> None:
        """Begins; names are looked up on another thread, since getaddrinfo(3) blocks.

        Args:
            timeout: Seconds until it fails with ``TimeoutError``; None for the system's patience.
        """
        self._guarded(self._start, timeout)

    def _start(self, timeout: float | None) -> None:
        if timeout is not None:
            self._give_time(timeout)
        if needs_lookup(self.address):
            self._lookup = self._site.shared.resolver.look_up(self.address, self._found)
        else:
            self._race.start(resolve(self.address))

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``."""
        self.fail(error)

    def _give_time(self, seconds: float) -> None:
        self._due = self._site.clock() + seconds
        self._timer = self._site.schedule(seconds, self._time_out)

    def finish(self) -> None:
        """The attempt is over, and cannot fail any more by itself."""
        if self._timer is not None:
            self._timer.cancel()
        if self._lookup is not None:
            self._lookup.cancel()
            self._lookup = None

    def succeed(self, conn: Conn) -> None:
        """The connection is open."""
        self.give_up_onward = None  # it leads to the connection, and from there back to this
        self._ended(self)
        if not self.future.done():
            self.future.set_result(conn)

    def fail(self, error: Exception) -> None:
        """Gives up; nothing happens if it has succeeded or failed already."""
        onward, self.give_up_onward = self.give_up_onward, None
        try:
            if onward is not None:
                onward(error)
            self._race.stop()
            self.finish()
        finally:  # whatever goes wrong in giving up
            self._ended(self)
            if not self.future.done():
                self._site.counters.dial_failures += 1
                self.future.set_exception(error)

    def _guarded(self, step: Callable[..., object], *args: object) -> None:
        try:
            step(*args)
        except Exception as error:
            self.fail(error)
        except BaseException as error:
            self.fail(RuntimeError(f"the dial was interrupted by {error!r}"))
            raise

    def _found(self, found: Found) -> None:
        """Brings what the resolver has found to the loop; on a thread of the resolver's."""
        self._site.post(self._guarded, self._looked_up, found)

    def _looked_up(self, found: Found) -> None:
        if self.future.done():
            return
        if isinstance(found, Exception):
            self.fail(found)
        else:
            self._race.start(found)

    def _won(self, dialled: Dialled) -> None:
        self._guarded(self._connected, self, dialled)

    def _lost(self, error: Exception) -> None:
        self.fail(naming(error, self.address) if isinstance(error, OSError) else error)

    def _time_out(self) -> None:
        if self._race.look():
            late = self._site.clock() - self._due
            if not self.future.done() and late > STALL:  # something has to pass first
                self._give_time(late)
                return
        if self.future.done():
            return
        error = naming(system_error(-errno.ETIMEDOUT), self.address)
        error.__cause__ = self._race.error  # of those that have failed sooner
        self.fail(error)
