"""Descriptors that belong to no stream: listeners, datagram sockets, dials and arrivals under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from netcore.connection import Payer
from netcore.poll import Poller

__all__ = ["Watcher", "Watchers"]

_FEWEST = 4
"""What each watcher may take of a turn, however many there are."""


class Watcher(Payer, Protocol):
    """What a descriptor belongs to."""

    def ready(self, readiness: int) -> None:
        """Called on the loop's thread when the poller reports the descriptor."""


class Watchers:
    """Who is told when a descriptor is ready. The loop's thread.

    Args:
        poller: What reports it.
        charge: Has a watcher pay for what its ``ready`` has raised; see ``Host.charge``.

    Attributes:
        going_on: How many have more to do in each turn than they were told.
    """

    def __init__(self, poller: Poller, charge: Callable[[Payer | None, BaseException], object]) -> None:
        self._poller = poller
        self._charge = charge
        self._by_fd: dict[int, Watcher] = {}
        self._told: dict[type, int] = {}
        self.going_on = 0

    def __contains__(self, fd: int) -> bool:
        return fd in self._by_fd

    def attend(self, fd: int, watcher: Watcher, interest: int) -> None:
        """Tells a watcher when a descriptor is ready; raises what the poller does if it refuses."""
        self._by_fd[fd] = watcher
        try:
            self._poller.register(fd, interest)
        except BaseException:
            del self._by_fd[fd]
            raise

    def change(self, fd: int, interest: int) -> None:
        """Changes what a watched descriptor is watched for; raises what the poller does if it refuses."""
        self._poller.modify(fd, interest)

    def neglect(self, fd: int) -> None:
        """Ends what ``attend`` began; nothing happens if it did not."""
        if self._by_fd.pop(fd, None) is not None:
            try:
                self._poller.unregister(fd)
            except OSError:  # the system may have forgotten it already
                pass
            except BaseException as error:
                self._charge(None, error)

    def release(self, fd: int) -> None:
        """Tells nobody any more, and leaves the registration to who has taken the descriptor over."""
        self._by_fd.pop(fd, None)

    def tell(self, events: Sequence[tuple[int, int]]) -> None:
        """Passes on what the poller has reported; events of descriptors that nobody watches are left out."""
        self._told.clear()
        if len(events) > 1:
            for fd, _ in events:
                kind = type(self._by_fd.get(fd))
                self._told[kind] = self._told.get(kind, 0) + 1
        rest = iter(events)
        watcher: Watcher | None = None
        while True:
            try:
                for fd, readiness in rest:
                    watcher = self._by_fd.get(fd)
                    if watcher is not None:
                        watcher.ready(readiness)
                return
            except BaseException as error:
                if watcher is not None:
                    self._charge(watcher, error)

    def tell_all(self, readiness: int) -> None:
        """Tells each watcher, as if the poller had reported everything."""
        self.tell([(fd, readiness) for fd in self._by_fd])

    def portion(self, kind: type, whole: int) -> int:
        """Divides what a turn has for one kind of watcher among those that are at it.

        Args:
            kind: The class.
            whole: What one alone may take.

        Returns:
            What each may take, which is never less than is worth a system call.
        """
        return max(whole // max(self._told.get(kind, 1), self.going_on, 1), _FEWEST)

    def clear(self) -> None:
        """Forgets them all, in a forked child."""
        self._by_fd.clear()
