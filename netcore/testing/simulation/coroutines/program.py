"""A program of asyncio on a simulated host, from its first step to its end in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from netcore import _machine
from netcore.aio import EventLoop
from netcore.testing.simulation.actors import Actor, Stage
from netcore.testing.simulation.coroutines.numbered import in_order
from netcore.testing.simulation.errors import SimulationError

if TYPE_CHECKING:
    from netcore.testing.simulation.parts import Wait
    from netcore.testing.simulation.poller import HostPoller
    from netcore.testing.simulation.trace import Trace

__all__ = ["MakesCoroutine", "Program"]

_T = TypeVar("_T")

_ITERATIONS = 100
"""Of a loop in one step, at most: others are to have their turn, too."""

MakesCoroutine = Callable[[], Coroutine[Any, Any, _T]]
"""A function that makes a coroutine."""


class Program(Generic[_T]):
    """A coroutine that runs on a host, on an event loop and a thread of its own, as ``asyncio.run`` runs it.

    ``Host.program`` begins it. When it is done, the tasks that are left are cancelled and awaited, in the
    order in which they were made; then asynchronous generators and the default executor are closed.

    Attributes:
        name: What it is called in traces and messages.
        main: What has made its coroutine.
        crashed: Whether its host has crashed before it was done.
    """

    def __init__(
        self, name: str, main: MakesCoroutine[_T], host: str, stage: Stage, trace: Trace, wait: Wait
    ) -> None:
        """Made by ``Host.program``."""
        self.name: str = name
        self.main: MakesCoroutine[_T] = main
        self._host: str = host
        self._trace: Trace = trace
        self._wait: Wait = wait
        self.crashed: bool = False
        self._actor: _ProgramActor = _ProgramActor(stage, f"program {name}", self._ended)

    def __repr__(self) -> str:
        state = "crashed" if self.crashed else "done" if self.done() else "running"
        return f"<{type(self).__name__} {self.name} of {self._host}, {state}>"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop. Code that is not the program's calls ``call_soon_threadsafe``, as ever."""
        return self._actor.loop

    def begin(self) -> None:
        """Begins; called once, by the host.

        :meta private:
        """
        self._trace.add("task", self._host, detail=f"{self.name} begins")
        self._actor.begin(self.main)

    def crash(self) -> None:
        """Its host has crashed; called by that.

        :meta private:
        """
        self.crashed = not self.done()

    def done(self) -> bool:
        """Whether it has ended, or its host has crashed."""
        return self.crashed or self._actor.over

    def result(self) -> _T:
        """Returns what its coroutine has returned, or raises what that has raised.

        The test's own code has the world go on until then. Within an event it must be done.

        Raises:
            asyncio.CancelledError: It was cancelled.
            SimulationError: Its host has crashed in between; or this is an event, and it is not done.
            SimulationStuck: It never is: nothing is left to happen.
        """
        self._wait(self.done, None, f"program {self.name} of host {self._host!r}")
        if self.crashed:
            raise SimulationError(f"host {self._host!r} has crashed, and program {self.name} with it")
        if self._actor.failure is not None:
            raise self._actor.failure
        return cast("_T", self._actor.main.result())

    def cancel(self) -> None:
        """Cancels its coroutine, which may see to its end; nothing if it is done."""
        if not self.done():
            self.loop.call_soon_threadsafe(self._actor.main.cancel)

    def failure(self) -> str | None:
        """Says how it has failed; None if it has not.

        :meta private:
        """
        error = self._actor.peek() if self.done() and not self.crashed else None
        return None if error is None else f"program {self.name} has failed: {error!r}"

    def _ended(self, error: BaseException | None) -> None:
        if error is None:
            self._trace.add("task", self._host, detail=f"{self.name} ends")
        elif isinstance(error, Exception):
            _machine.current().raised(error, f"{self.name} ends by")
        else:
            self._trace.add("error", self._host, detail=f"{self.name} ends by {type(error).__name__}")


class _ProgramActor(Actor):
    """Takes the steps of a program: iterations of its loop, until there is something to wait for.

    Args:
        stage: The host.
        name: What it is called.
        told: Called at the end, with what the program has failed with.

    Attributes:
        loop: The event loop, once it has begun.
        main: The task of the program's coroutine, likewise.
        failure: What has ended it other than its coroutine.
        over: Whether it has ended, in order.
    """

    loop: EventLoop
    main: asyncio.Task[Any]

    def __init__(self, stage: Stage, name: str, told: Callable[[BaseException | None], object]) -> None:
        super().__init__(stage, name)
        self.failure: BaseException | None = None
        self.over = False
        self._told = told
        self._broken = False
        self._ending: asyncio.Task[None] | None = None

    def begin(self, main: MakesCoroutine[Any]) -> None:
        """Begins: the first step comes soon."""
        self._stage.adopt(self)
        try:
            self._stage.perform(self, lambda: self._open(main))
        except BaseException:
            self.end()
            raise
        self.rouse()

    def _open(self, main: MakesCoroutine[Any]) -> None:
        coroutine = main()
        if not asyncio.iscoroutine(coroutine):
            raise TypeError(f"{coroutine!r} is no coroutine: a program is one, or a function that makes one")
        loop = self.loop = EventLoop()
        self._poller = cast("HostPoller", loop.poller)
        self._poller.tell(self.rouse)
        self.main = loop.create_task(coroutine)
        self.main.add_done_callback(lambda _: self._begin_to_end())

    def next_due(self) -> float | None:
        """See ``Actor.next_due``."""
        return self.loop.next_deadline()

    def peek(self) -> BaseException | None:
        """Returns what it has failed with; that counts as not seen yet."""
        if self.failure is not None or self.main.cancelled() or not self.main.done():
            return self.failure
        return getattr(self.main, "_exception", None)

    def _step(self) -> None:
        # How many iterations it takes to wait for several tasks, say, is another number with each Python: it
        # is not to be seen in what happens, as long as nothing comes in between.
        for _ in range(_ITERATIONS):
            self._iterate()
            if self._has_ended() or not self._goes_on_at_once():
                break
        if self._has_ended():
            self._close()
        elif self._poller.is_due():
            self.rouse()

    def _iterate(self) -> None:
        try:
            goes_on = self.loop.turn()
        except (Exception, SystemExit) as error:  # of the poller, or of a callback that asks for the end
            self._fail(error)
        else:
            if not goes_on and not self._has_ended():
                self._fail(RuntimeError("the event loop was stopped before the program was done"))

    def _goes_on_at_once(self) -> bool:
        due = None if self._stage.falling else self.loop.next_deadline()
        return due is not None and due <= self.loop.time()

    def _fail(self, error: BaseException) -> None:
        if self.peek() is not error:
            self.failure = self.failure or error
        self._broken = self._ending is not None and not isinstance(error, SystemExit)
        self._begin_to_end()

    def _has_ended(self) -> bool:
        return self._broken or (self._ending is not None and self._ending.done())

    def _begin_to_end(self) -> None:
        if self._ending is None and not self.ended:
            self._ending = self.loop.create_task(self._end_in_order(), name="the end of the program")
            self._ending.add_done_callback(lambda _: self.loop.stop())

    async def _end_in_order(self) -> None:
        """Does what ``asyncio.run`` does at the end."""
        loop = self.loop
        tasks = in_order(asyncio.all_tasks(loop) - {asyncio.current_task()})
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            error = None if task.cancelled() or task is self.main else task.exception()
            if error is not None:
                message = "unhandled exception during the end of a program"
                loop.call_exception_handler({"message": message, "exception": error, "task": task})
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()

    def _close(self) -> None:
        self.over = True
        self.loop.close()
        self.end()
        self._told(self.peek())
