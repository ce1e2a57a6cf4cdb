"""What takes the turns of a host's loops: they are events of the world, instead of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from netcore.eventloop import Loop
from netcore.testing.simulation.waiting import loop_waits

if TYPE_CHECKING:
    from netcore.testing.simulation.clock import HostClock
    from netcore.testing.simulation.net.kernel import Kernel
    from netcore.testing.simulation.poller import HostPoller
    from netcore.testing.simulation.scheduler import Planned, Scheduler

__all__ = ["Actor", "LoopActor", "LoopActors", "Stage"]

_LONGEST_DELAY = 20e-6
"""Virtual seconds from when a loop could go on until it does, at most: which of several is first, the seed
decides, as the kernel's scheduler does among threads."""


class Stage(Protocol):
    """What a host is to those that act on it."""

    name: str
    clock: HostClock
    kernel: Kernel
    falling: bool

    @property
    def scheduler(self) -> Scheduler:
        """The world's."""

    def perform(self, actor: Actor, step: Callable[[], object]) -> None:
        """Does something as the host's code, on the thread that an actor is."""

    def adopt(self, actor: Actor) -> None:
        """Takes an actor in, which a crash is to end; it has its number from then on."""

    def dismiss(self, actor: Actor) -> None:
        """Lets go of one that has ended."""


class Actor:
    """Stands for a thread of a host: takes its steps when there is something to do. Asleep at first.

    Args:
        stage: The host.
        name: What it is called.

    Attributes:
        number: What a thread's identifier is elsewhere; 0 until it is adopted.
        ended: Whether it takes no more steps.
    """

    def __init__(self, stage: Stage, name: str) -> None:
        self.number: int = 0
        self.name: str = name
        self.ended: bool = False
        self._stage = stage
        self._scheduler = stage.scheduler
        self._next: Planned | None = None
        self._soon = False

    def rouse(self) -> None:
        """There is something to do: it takes a step soon."""
        if not self._soon and not self.ended:
            self._soon = True
            self._plan(self._scheduler.now + self._scheduler.random.random() * _LONGEST_DELAY)

    def _plan(self, when: float) -> None:
        self._cancel()
        self._next = self._scheduler.call_at(when, self._act)

    def _act(self) -> None:
        self._next = None
        self._soon = False
        self._stage.perform(self, self._step)
        if not self.ended and not self._soon:
            self._sleep()

    def _sleep(self) -> None:
        """Plans a step for when it has something to do by the clock, if nothing else comes."""
        due = self.next_due()
        if due is None:
            return
        when = self._stage.clock.when(due)
        if when <= self._scheduler.now:
            self.rouse()
        else:
            self._plan(when)

    def clock_changed(self) -> None:
        """The host's clock shows something else than was foreseen."""
        if not self.ended and not self._soon:
            self._cancel()
            self._sleep()

    def end(self) -> None:
        """Takes no more steps."""
        self.ended = True
        self._cancel()
        self._stage.dismiss(self)

    def _cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def next_due(self) -> float | None:
        """Returns when it has something to do, in seconds of the host's clock; None for never."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What it is called, and where it is."""
        return f"{self.name} of host {self._stage.name}"

    def details(self) -> Iterator[str]:
        """Says more of what it waits for, in lines of their own; nothing by default."""
        return iter(())

    def descriptors(self) -> list[int]:
        """Returns the sockets of which that tells."""
        return []

    def waits(self) -> str:
        """Says what it waits for."""
        if self._next is None:
            return "for its sockets"
        return f"for its sockets, or {self._next.when:.6f} s"

    def _step(self) -> None:
        raise NotImplementedError


class LoopActor(Actor):
    """Takes the turns of a loop of an engine, or those of the loop of asyncio that is its guest."""

    def __init__(self, stage: Stage, loop: Loop) -> None:
        super().__init__(stage, f"loop {loop.index}")
        self.loop = loop
        self._poller = cast("HostPoller", loop.poller)
        self._due: float | None = None

    def start(self) -> None:
        """Begins."""
        self._stage.adopt(self)
        self._poller.tell(self.rouse)
        self._stage.perform(self, self.loop.claim)
        self.rouse()

    def _step(self) -> None:
        loop = self.loop
        loop.step()
        if loop.ended:
            self.end()
        else:
            self._due = loop.next_due()
            if self._poller.is_due():
                self.rouse()

    def next_due(self) -> float | None:
        """See ``Actor.next_due``."""
        return self._due

    def waits(self) -> str:
        """See ``Actor.waits``."""
        loop = self.loop
        count = loop.connection_count
        return f"{super().waits()}, with {count} connection{'s' * (count != 1)}"

    def details(self) -> Iterator[str]:
        """See ``Actor.details``."""
        return loop_waits(self.loop, self._stage.kernel, self._stage.clock.when)

    def descriptors(self) -> list[int]:
        """See ``Actor.descriptors``."""
        return [conn.fd for conn in self.loop.connections()]


class LoopActors:
    """Stands for the threads of an engine's loops; see ``LoopThreads``."""

    def __init__(self, stage: Stage, wait: Callable[[Callable[[], bool], float | None, str], bool]) -> None:
        self._stage = stage
        self._wait = wait
        self._actors: dict[Loop, LoopActor] = {}

    def start(self, loops: Sequence[Loop], cpus: Sequence[int | None]) -> None:
        """See ``LoopThreads.start``."""
        for loop in loops:
            actor = self._actors[loop] = LoopActor(self._stage, loop)
            actor.start()

    def end(self, loops: Sequence[Loop], stop: Callable[[Loop], object]) -> None:
        """See ``LoopThreads.end``."""
        for loop in loops:
            if loop in self._actors:
                stop(loop)
            else:
                loop.close()

    def join(self, deadline: float) -> None:
        """See ``LoopThreads.join``."""
        actors = list(self._actors.values())
        left = max(deadline - self._stage.clock(), 0.0)
        self._wait(lambda: all(actor.ended for actor in actors), left, "the loops of an engine")
