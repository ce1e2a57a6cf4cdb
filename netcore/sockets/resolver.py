"""Looking names up without blocking: a few threads for all of them, since getaddrinfo(3) has no other way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from netcore._locks import make_lock
from netcore.address import Address
from netcore.sockets.resolving import Endpoint, resolve

__all__ = ["Found", "Lookup", "Resolver"]

_LOG = logging.getLogger("netcore")

_THREADS = 8
"""Lookups at the same time: as many slow names do not yet keep the others waiting."""

Found = list[Endpoint] | Exception
"""What comes of a lookup: endpoints, or why there are none."""


class Lookup:
    """What one caller waits for.

    Args:
        address: What is looked up.
        done: Called with what was found, on a resolver's thread.
        cancelled: Called with this when the caller waits no more.
    """

    __slots__ = ("_cancelled", "address", "done")

    def __init__(
        self, address: Address, done: Callable[[Found], object], cancelled: Callable[[Lookup], object]
    ) -> None:
        self.address = address
        self.done = done
        self._cancelled = cancelled

    def cancel(self) -> None:
        """Waits no more. A lookup for which nobody waits is not begun; ``done`` may be running already."""
        self._cancelled(self)


class Resolver:
    """Looks names up on threads of its own, which start as they are needed and end when nothing waits.

    Each engine has one, so that the names of one do not wait for another's, and so that a forked child, where
    only a new engine can run, begins with threads of its own. The threads are daemons, and nobody waits for
    them: nothing can interrupt getaddrinfo(3), whose patience is that of resolv.conf(5).

    Args:
        threads: How many at most.
    """

    def __init__(self, threads: int = _THREADS) -> None:
        self._limit = threads
        self._running = 0
        self._lock = make_lock()  # a finalizer may end an engine, and so its lookups
        self._wanted: dict[Address, dict[Lookup, None]] = {}
        self._waiting: dict[Address, None] = {}  # those of them that no thread has begun, the oldest first

    def look_up(self, address: Address, done: Callable[[Found], object]) -> Lookup:
        """Looks an address up. It shares what is under way for the same one. Any thread.

        Args:
            address: What to look up.
            done: Called exactly once with what was found or what went wrong, be it that no thread can be
                started; on another thread, or before this returns. Not called after ``cancel``, but for one
                that is about to be.
        """
        lookup = Lookup(address, done, self._cancel)
        with self._lock:
            wanted = self._wanted.get(address)
            if wanted is None:  # one that is under way, for which nobody waits any more, is there still
                wanted = self._wanted[address] = {}
                self._waiting[address] = None
            wanted[lookup] = None
            starting = len(self._waiting) > 0 and self._running < self._limit
            self._running += starting
        if starting:
            self._start()
        return lookup

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="netcore-resolve", daemon=True)
        try:
            thread.start()
        except Exception as error:  # a limit of the system's; the threads that run will come to all of it
            self._fail_without_threads(error)
        except BaseException as error:  # an interrupt, after which there may be a thread all the same
            if thread.ident is None:
                self._fail_without_threads(OSError(f"the lookup was interrupted by {error!r}"))
            raise

    def _fail_without_threads(self, error: Exception) -> None:
        left: list[Lookup] = []
        with self._lock:
            self._running -= 1
            if not self._running:
                for address in self._waiting:
                    left += self._wanted.pop(address)
                self._waiting.clear()
        for lookup in left:
            _tell(lookup, error)

    def _cancel(self, lookup: Lookup) -> None:
        with self._lock:
            wanted = self._wanted.get(lookup.address, {})
            wanted.pop(lookup, None)
            if not wanted and lookup.address in self._waiting:
                del self._waiting[lookup.address], self._wanted[lookup.address]

    def _work(self) -> None:
        """The body of each thread."""
        while (address := self._next()) is not None:
            try:
                found: Found = resolve(address)
            except Exception as error:
                found = error
            except BaseException as error:  # of a stand-in for the system's resolver: no thread of its own
                found = OSError(f"the lookup of {str(address)!r} ended with {error!r}")
            with self._lock:
                waiting = list(self._wanted.pop(address))
            for lookup in waiting:
                _tell(lookup, found)

    def _next(self) -> Address | None:
        """Takes what has waited longest; None if nothing waits, which ends the thread."""
        with self._lock:
            for address in self._waiting:
                del self._waiting[address]
                return address
            self._running -= 1
            return None


def _tell(lookup: Lookup, found: Found) -> None:
    """Calls ``done``; what that raises is nobody's here, and must not cost the others their thread."""
    try:
        lookup.done(found)
    except BaseException:
        _LOG.critical("what waits for %s failed", lookup.address, exc_info=True)
