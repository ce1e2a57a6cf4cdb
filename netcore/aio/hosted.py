"""The asyncio loop on the thread of an engine's loop, from its first task to its end in order."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Protocol, TypeVar

from netcore._complaints import complain, place_of
from netcore.aio.guest import LoopPoller
from netcore.aio.loop import EventLoop
from netcore.eventloop import Loop
from netcore.handler import Conn
from netcore.handler import EventLoop as NetcoreLoop

__all__ = ["HostedLoop", "Serving", "loop_of", "open_guest"]

_T = TypeVar("_T")

_LOOK = 0.05
"""Seconds between two looks for tasks that others have made while they were cancelled."""

_LAST = 0.25
"""Seconds beyond the time of the engine for tasks to take in that they are cancelled."""

_MOST_NAMED = 5
"""Tasks that are named when they do not end."""


class Serving(Protocol):
    """What a task serves, which is told of the loop's end before it is cancelled."""

    def loop_ends(self, seconds: float) -> None:
        """The loop stops, and resets what is left after so many seconds."""


class _TurnPoller(LoopPoller):
    """A ``LoopPoller`` that sees after each turn whether its loop has come to the end."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self.look: Callable[[], object] = int

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``Poller.wait``."""
        found = super().wait(timeout)
        if self._loop.stopping:
            self.look()
        return found


class HostedLoop(EventLoop):
    """An asyncio loop whose waits are the turns of an engine's loop, and which ends with that.

    When the engine stops, connections are closed first. Tasks are cancelled, those that serve a connection
    after a time of grace; then asynchronous generators and the default executor are closed. Tasks that go on
    in spite of all that are left behind when ``Options.shutdown_timeout`` has passed, and the log names them.

    Args:
        host: The engine's loop.
        max_unread: Bytes that a coroutine may let gather before it takes them.

    Attributes:
        serving: The tasks that serve connections, and what they serve.
        max_unread: See there.
    """

    def __init__(self, host: Loop, max_unread: int) -> None:
        self._host = host
        self.max_unread = max_unread
        self.serving: dict[asyncio.Task[Any], Serving] = {}
        self._kept: set[asyncio.Task[Any]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._gives_up_at = math.inf
        self._given_up = False
        self._abandoned = False
        self._begun = False
        self._has_thread = False
        poller = _TurnPoller(host)
        super().__init__(poller)
        poller.look = self._look

    @property
    def abandoned(self) -> bool:
        """Whether it runs in the process of which this one is a fork."""
        return self._abandoned

    # No signals come here, so there is nothing to wake it by but the poller.

    def _make_self_pipe(self) -> None:
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        """There is none."""

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        """Raises RuntimeError: signals are the main thread's, and its loop's."""
        raise RuntimeError("signals are handled by the main thread, and this loop runs on one of an engine")

    def create_task(
        self, coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T], **named: Any
    ) -> asyncio.Task[_T]:
        """See ``asyncio.loop.create_task``; unlike other loops this one keeps a task until it is done.

        A callback that begins one has no place to keep it, and one that nobody keeps may be collected while
        it waits.
        """
        given: Any = coro  # of which each Python's asyncio says something else
        task: asyncio.Task[_T] = super().create_task(given, **named)
        if not task.done():  # by an eager factory
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)
        return task

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Logs to the engine's logger; see ``asyncio.loop.default_exception_handler``."""
        message = context.get("message") or "unhandled exception in the asyncio loop"
        error = context.get("exception")
        if isinstance(error, (SystemExit, KeyboardInterrupt)):  # of a task, out of which it has gone on
            return
        rest = ", ".join(
            f"{key}: {value!r}" for key, value in context.items() if key not in ("message", "exception")
        )
        key = place_of(error) if isinstance(error, BaseException) else message
        shown = error if isinstance(error, BaseException) else None
        text = "loop %d: %s (%s)"
        complain(self._host.logger, logging.ERROR, key, text, self._host.index, message, rest, error=shown)

    # Its life, as the guest of the loop.

    def run(self) -> None:
        """See ``Guest.run``."""
        self._begun = self._has_thread = True
        asyncio.set_event_loop(self)
        self.run_forever()
        if not self._abandoned:
            self._close()

    def step(self) -> bool:
        """See ``Guest.step``."""
        self._begun = True
        if self.turn():
            return True
        if not self._abandoned:
            self._close()
        return False

    def next_due(self) -> float | None:
        """See ``Guest.next_due``."""
        dues = (self.next_deadline(), None if self._host.ended else self._host.next_deadline())
        return min((due for due in dues if due is not None), default=None)

    def end(self) -> None:
        """See ``Guest.end``."""
        if self.is_closed() or self._abandoned:
            return
        if self._begun and (asyncio.all_tasks(self) or self._ready):
            self._begin_to_end(_LAST)
            self.call_later(2 * _LAST, self._give_up)
            self._go_on_to_the_end()
        self._close()

    def _go_on_to_the_end(self) -> None:
        """Runs until tasks have ended, or are given up."""
        self.run_forever()

    def abandon(self) -> None:
        """See ``Guest.abandon``; what is ready or planned does not run in a child, either."""
        self._abandoned = True
        for handle in (*self._ready, *self._scheduled):
            handle.cancel()
        for task in asyncio.all_tasks(self):
            _forget(task)  # and keep it: its finally clauses are not for here
        self.stop()  # should the fork have been made on this very thread

    def _look(self) -> None:
        """Sees how far the end is, after each turn of a loop that stops."""
        host = self._host
        if self._abandoned or host.ended:
            return
        if self._ending is None:
            self._begin_to_end(max(host.ends_at - host.clock(), 0.0))
        if host.ends_at < self._gives_up_at:
            self._gives_up_at = host.ends_at
            self.call_later(max(host.ends_at - host.clock(), 0.0) + _LAST, self._give_up)
        if host.finished and self._ending is not None and (self._ending.done() or self._given_up):
            self.stop()

    def _begin_to_end(self, seconds: float) -> None:
        for serving in list(self.serving.values()):
            serving.loop_ends(seconds)
        if self._ending is None:
            self._ending = self.create_task(self._end_in_order(), name="the end of the loop")
        self._ending.add_done_callback(self._has_ended)

    def _has_ended(self, ending: asyncio.Task[None]) -> None:
        if self._host.ended or self._host.finished:
            self.stop()

    def _give_up(self) -> None:
        self._given_up = True
        if self._host.ended or self._host.finished:
            self.stop()

    async def _end_in_order(self) -> None:
        """Cancels all tasks and waits for them, then closes the rest; as ``asyncio.run`` does in the end."""
        told: set[asyncio.Task[Any]] = set()
        while tasks := self._others():
            # By their hashes, which in a simulation are the order in which they were made.
            for task in sorted(tasks - told - self.serving.keys(), key=hash):
                task.cancel()
            told |= tasks - self.serving.keys()
            await asyncio.wait(tasks, timeout=_LOOK)
        await self.shutdown_asyncgens()
        await self.shutdown_default_executor()

    def _others(self) -> set[asyncio.Task[Any]]:
        # What ends the others may have begun already, and not be known here yet, if tasks are eager.
        return asyncio.all_tasks(self) - {self._ending, asyncio.current_task(self)}

    def _close(self) -> None:
        """Leaves nothing behind, whatever goes on."""
        left = self._others()
        if left:
            names = "; ".join(sorted(map(repr, left))[:_MOST_NAMED])
            text = "%d tasks of loop %d have not ended in time, though they were cancelled: %s"
            self._host.logger.error(text, len(left), self._host.index, names)
        elif self._ending is not None and not self._ending.done():
            self._host.logger.error("the executor of loop %d has not ended in time", self._host.index)
        for task in asyncio.all_tasks(self):
            _forget(task)
        if self._begun:  # else this is another thread, on which another loop may run
            for transport in list(self._transports.values()):
                transport.abort()
            self.call_soon(self.stop)
            self.run_forever()
        if self._has_thread:
            asyncio.set_event_loop(None)
        self.serving.clear()
        self._kept.clear()
        self.close()


def _forget(task: Any) -> None:
    """Has nothing said of a task that will never end."""
    task._log_destroy_pending = False


def open_guest(host: Loop, receive_cap: int) -> HostedLoop:
    """Makes the asyncio loop of an engine's loop, before that has a thread.

    Args:
        host: The engine's loop.
        receive_cap: Bytes that one of its receives may bring.
    """
    return HostedLoop(host, max(host.limits.max_inbound - receive_cap, 1))


def loop_of(where: Conn | NetcoreLoop) -> HostedLoop:
    """Returns the asyncio loop on the thread of a connection, or of a loop, of an engine. Any thread.

    A handler makes tasks by ``loop_of(conn).create_task(...)``, or by ``asyncio.create_task``, since this
    loop is the running one in each callback. They run on the connection's thread, between its callbacks, and
    may call all its methods. Like every asyncio loop it is its own thread's: on another one call
    ``asyncio.run_coroutine_threadsafe(coroutine, loop_of(conn))``.

    Raises:
        TypeError: It is neither a connection nor a loop of an engine.
        RuntimeError: The engine has no ``Options.asyncio``, or runs in the process that started it, of which
            this one is a fork.
    """
    loop: object = getattr(where, "loop", where)
    if not hasattr(loop, "guest"):
        raise TypeError(f"{where!r} is neither a connection nor a loop, of which Engine.loops has all")
    guest = loop.guest
    if not isinstance(guest, HostedLoop):
        raise RuntimeError(f"{loop!r} hosts no asyncio loop: its engine needs the option asyncio")
    if guest.abandoned:
        raise RuntimeError(f"the asyncio loop of {loop!r} runs in another process, of which this is a fork")
    return guest
