"""A poller on the kernel of a simulated host: level- and edge-triggered, as epoll(7) is."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netcore._durations import seconds
from netcore.poll import Interest, Readiness
from netcore.testing.faulty_poller import FaultyPoller
from netcore.testing.simulation import current

if TYPE_CHECKING:
    from netcore.testing.fault_plan import FaultPlan
    from netcore.testing.simulation.net.endpoint import Endpoint
    from netcore.testing.simulation.net.kernel import Kernel

__all__ = ["HostPoller", "SimulatedPoller"]

_BATCH = 256
"""Events of one wait; those beyond are found by the next, which begins with them."""

_UNASKED = int(Readiness.HANGUP | Readiness.ERROR)
_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)


def _nobody() -> None:
    """Is told that there is something to do where nobody has asked to be."""


class _Watched:
    """One descriptor that is registered."""

    __slots__ = ("edge", "endpoint", "wanted")

    def __init__(self, endpoint: Endpoint, interest: int) -> None:
        self.endpoint = endpoint
        self.change(interest)

    def change(self, interest: int) -> None:
        self.wanted = (_READABLE if interest & _READ else 0) | (_WRITABLE if interest & _WRITE else 0)
        self.wanted |= _UNASKED
        self.edge = bool(interest & _EDGE)


class SimulatedPoller:
    """Implements ``Poller``. A wait that has to block has the world go on; see ``current.wait``.

    Args:
        kernel: Of the host.

    Attributes:
        rouse: Called when a wait would find something, or was woken.
    """

    name = "simulated"
    supports_edge = True

    def __init__(self, kernel: Kernel) -> None:
        self.rouse: Callable[[], object] = _nobody
        self._kernel = kernel
        self._watched: dict[int, _Watched] = {}
        self._marked: dict[int, None] = {}  # those that may be ready: no others have to be looked at
        self._woken = False
        self._closed = False

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``."""
        self._check_open()
        endpoint = self._kernel.endpoint(fd)
        known = self._watched.get(fd)
        if known is not None:
            if known.endpoint is endpoint:
                raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
            self._forget(fd)  # it was closed, and its number given to another
        self._watched[fd] = _Watched(endpoint, interest)
        self._kernel.watch(fd, self._changed)
        self._changed(fd)

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        self._check_registered(fd).change(interest)
        self._changed(fd)

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``."""
        self._check_registered(fd)
        self._forget(fd)

    def _forget(self, fd: int) -> None:
        del self._watched[fd]
        self._marked.pop(fd, None)
        self._kernel.unwatch(fd, self._changed)

    def _changed(self, fd: int) -> None:
        """Notes that a descriptor may be ready."""
        watched = self._watched.get(fd)
        if watched is not None and watched.endpoint.readiness() & watched.wanted:
            self._marked[fd] = None
            self.rouse()

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        self._check_open()
        if timeout is not None:
            timeout = seconds(timeout, "a timeout")
        if timeout != 0 and not self.is_due():
            current.wait(self.is_due, timeout, "a poller to find something")
        self._woken = False
        return self._collect() if self._marked else ()

    def is_due(self) -> bool:
        """Whether a wait would find something, or was woken."""
        if self._woken:
            return True
        for fd in list(self._marked):
            watched = self._watched[fd]
            if watched.endpoint.readiness() & watched.wanted:
                return True
            del self._marked[fd]
        return False

    def _collect(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        marked, self._marked = self._marked, {}
        again: list[int] = []
        for fd in marked:
            if len(found) == _BATCH:
                self._marked[fd] = None
                continue
            watched = self._watched[fd]
            readiness = watched.endpoint.readiness() & watched.wanted
            if readiness:
                found.append((fd, readiness))
                if not watched.edge:
                    again.append(fd)
        for fd in again:  # behind the rest, so that a full batch starves nobody
            self._marked[fd] = None
        return found

    def wake(self) -> None:
        """See ``Poller.wake``."""
        self._check_open()
        self._woken = True
        self.rouse()

    def close(self) -> None:
        """See ``Poller.close``."""
        self._closed = True
        for fd in list(self._watched):
            self._forget(fd)

    def abandon(self) -> None:
        """See ``Poller``; of a host that has crashed."""
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the poller is closed")

    def _check_registered(self, fd: int) -> _Watched:
        self._check_open()
        watched = self._watched.get(fd)
        if watched is None:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")
        return watched


class HostPoller(FaultyPoller):
    """What loops of a host wait with: a poller on its kernel that goes wrong as the host's plan has it.

    Args:
        kernel: Of the host.
        plan: What goes wrong.
    """

    def __init__(self, kernel: Kernel, plan: FaultPlan) -> None:
        self._beneath = SimulatedPoller(kernel)
        super().__init__(self._beneath, plan)

    def tell(self, rouse: Callable[[], object]) -> None:
        """Has a function called when a wait would find something, or was woken."""
        self._beneath.rouse = rouse

    def is_due(self) -> bool:
        """Whether a wait would find something, or was woken."""
        return self._beneath.is_due() or self.owes
