"""A poller that goes wrong as planned, over one that works."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from netcore._durations import seconds
from netcore.poll import Interest, Poller, Readiness
from netcore.testing.fault_plan import FaultPlan, Short

__all__ = ["FaultyPoller"]


class FaultyPoller:
    """Implements ``Poller`` over another one, with the faults of a plan.

    "register" fails with an errno. "wait" is interrupted (EINTR), reports a descriptor that is not ready
    (EAGAIN, since that is what who believes it gets), or reports few events and the others in the next
    wait (``Short``). All methods but ``wake`` and ``close`` raise what is planned (``Raised``), and have done
    nothing then but for "unregister", which the descriptor's end would undo anyway.

    It has no ``fileno``, whatever the other one has: of readiness that it owes no descriptor tells.

    Args:
        poller: What does the work.
        plan: What goes wrong.

    Attributes:
        poller: The same.
    """

    def __init__(self, poller: Poller, plan: FaultPlan) -> None:
        self.name: str = f"faulty {poller.name}"
        self.supports_edge: bool = poller.supports_edge
        self.poller: Poller = poller
        self._plan = plan
        self._interests: dict[int, int] = {}
        self._owed: dict[int, int] = {}

    @property
    def interests(self) -> dict[int, int]:
        """What is registered, and for what."""
        return dict(self._interests)

    @property
    def owes(self) -> bool:
        """Whether the next wait reports something, whatever becomes ready."""
        return bool(self._due())

    def remind(self, fd: int, readiness: int) -> None:
        """Has a descriptor reported in the next wait, whose readiness was used up by an injected fault."""
        self._owed[fd] = self._owed.get(fd, 0) | readiness

    def register(self, fd: int, interest: int) -> None:
        """See ``Poller.register``."""
        self._plan.strike("register")
        self.poller.register(fd, interest)
        self._interests[fd] = interest

    def modify(self, fd: int, interest: int) -> None:
        """See ``Poller.modify``."""
        self._plan.strike("modify")
        self.poller.modify(fd, interest)
        self._interests[fd] = interest

    def unregister(self, fd: int) -> None:
        """See ``Poller.unregister``."""
        self._interests.pop(fd, None)
        self._owed.pop(fd, None)
        self.poller.unregister(fd)
        self._plan.strike("unregister")

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        if self._plan.idle and not self._owed:
            return self.poller.wait(timeout)
        if timeout is not None:
            timeout = seconds(timeout, "a timeout")
        fault = self._plan.draw("wait") if self._interests else None
        if fault == errno.EINTR:
            return []
        if fault == errno.EAGAIN:
            fd = self._plan.choose(list(self._interests))
            self.remind(fd, int(Readiness.READABLE | Readiness.WRITABLE))
        found = dict(self.poller.wait(0 if self._due() else timeout))
        for fd, readiness in self._due().items():
            found[fd] = found.get(fd, 0) | readiness
            del self._owed[fd]
        events = list(found.items())
        if isinstance(fault, Short):
            for fd, readiness in events[fault.size :]:
                self.remind(fd, readiness)
            del events[fault.size :]
        return events

    def wake(self) -> None:
        """See ``Poller.wake``."""
        self.poller.wake()

    def close(self) -> None:
        """See ``Poller.close``."""
        self.poller.close()

    def _due(self) -> dict[int, int]:
        """What is owed to those who want it now; the rest stays owed until they do."""
        due = {}
        for fd, readiness in self._owed.items():
            interest = self._interests.get(fd, 0)
            unasked = int(Readiness.HANGUP | Readiness.ERROR)
            wanted = (Readiness.READABLE if interest & Interest.READ else 0) | (
                Readiness.WRITABLE if interest & Interest.WRITE else 0
            )
            if readiness & (wanted | unasked):
                due[fd] = int(readiness & (wanted | unasked))
        return due
