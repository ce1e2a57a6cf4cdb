"""What is otherwise with asyncio on a simulated host: virtual time, no threads, the same order each time."""

from __future__ import annotations

import asyncio
import sys
import warnings
import weakref
import zlib
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from netcore._machine import current
from netcore.testing.simulation.coroutines.executors import unfinished
from netcore.testing.simulation.coroutines.numbered import NumberedFuture, NumberedTask
from netcore.testing.simulation.coroutines.transports import (
    SimulatedDatagramTransport,
    SimulatedStreamTransport,
    SimulatedTlsTransport,
)

if TYPE_CHECKING:
    from netcore.aio import EventLoop as _Loop
    from netcore.testing.simulation.net.kernel import Kernel
    from netcore.testing.simulation.net.names import Names
    from netcore.testing.simulation.scheduler import Scheduler
else:
    _Loop = object

__all__ = ["Habitat", "Roll", "SimulatedLoop"]

_RESOLUTION = 1e-7
"""Seconds by which a timer may come too soon. That of the real clock differs between platforms, and the
numbers of a clock that has shown years are no finer."""

_AT_THE_END = 1000
"""Turns that tasks get to end in when the loop that hosts them has failed."""

_FINALLY = 10
"""How often a coroutine may go on in spite of its end: such clauses may wait, each in another."""


class Roll(Protocol):
    """Knows the loops of a host."""

    def add(self, loop: SimulatedLoop) -> None:
        """Takes one down."""

    def discard(self, loop: SimulatedLoop) -> None:
        """Strikes one out that was closed."""


class Habitat(Protocol):
    """What a loop is to know of the host that it is on."""

    monotonic: Callable[[], float]
    scheduler: Scheduler
    names: Names
    kernel: Kernel
    coroutines: Roll


class SimulatedLoop(_Loop):
    """The part of a loop that is otherwise; the rest is a class of ``netcore.aio``, a base beside it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._habitat: Habitat = current()  # type: ignore[assignment]  # that of a simulated host
        self._world = weakref.ref(self._habitat, _say_nothing)
        self._count = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._left: list[object] = []
        super().__init__(*args, **named)
        self._clock_resolution = _RESOLUTION
        self._asyncgens = _Generators()
        self.set_task_factory(_make_task)
        self._habitat.coroutines.add(self)

    def close(self) -> None:
        """See ``asyncio.loop.close``."""
        super().close()
        self._habitat.coroutines.discard(self)

    def time(self) -> float:
        """See ``asyncio.loop.time``: the host's monotonic clock."""
        return self._habitat.monotonic()

    def has_a_world(self) -> bool:
        """Whether it is in a world still, and not let go of by the collector together with that.

        The collector clears weak references before it calls any finalizer; of those without a callback not
        every Python does.
        """
        return self._world() is not None

    # The same order each time.

    def next_number(self) -> int:
        """See ``Numbering.next_number``."""
        self._count += 1
        return self._count

    def create_task(self, coro: Any, **named: Any) -> asyncio.Task[Any]:
        """See ``asyncio.loop.create_task``; a task is kept until it is done, and the collector has no say."""
        task: asyncio.Task[Any] = super().create_task(coro, **named)
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is, with the world alone
            self._tasks[task] = None
            task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def create_future(self) -> asyncio.Future[Any]:
        """See ``asyncio.loop.create_future``."""
        return NumberedFuture(loop=self)

    def set_task_factory(self, factory: Any) -> None:
        """See ``asyncio.loop.set_task_factory``; asyncio's own make tasks that have numbers, too."""
        if factory is None:
            factory = _make_task
        elif sys.version_info >= (3, 12) and factory is asyncio.eager_task_factory:
            factory = asyncio.create_eager_task_factory(NumberedTask)
        super().set_task_factory(factory)

    async def _create_server_getaddrinfo(self, *args: Any, **named: Any) -> list[tuple[Any, ...]]:
        # asyncio puts these into a set, whose order would be that of the hashes of text.
        found = await super()._create_server_getaddrinfo(*args, **named)  # type: ignore[misc]
        return list(map(_Entry, found))

    # Transports that the collector does not close.

    def _make_socket_transport(
        self, sock: Any, protocol: Any, waiter: Any = None, *, extra: Any = None, server: Any = None
    ) -> SimulatedStreamTransport:
        self._ensure_fd_no_transport(sock)
        return SimulatedStreamTransport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(self, rawsock: Any, *args: Any, **named: Any) -> Any:
        made = super()._make_ssl_transport(rawsock, *args, **named)  # type: ignore[misc]
        self._transports[rawsock.fileno()].__class__ = SimulatedTlsTransport
        return made

    def _make_datagram_transport(
        self, sock: Any, protocol: Any, address: Any = None, waiter: Any = None, extra: Any = None
    ) -> SimulatedDatagramTransport:
        self._ensure_fd_no_transport(sock)
        return SimulatedDatagramTransport(self, sock, protocol, address, waiter, extra)

    # No threads, no signals, no names of the real world.

    def _make_self_pipe(self) -> None:
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        """There is none."""

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        """Raises NotImplementedError, as loops do where there are no signals."""
        raise NotImplementedError("a simulated host has no signals")

    def remove_signal_handler(self, sig: int) -> bool:
        """Returns False, since there can be none."""
        return False

    async def connect_read_pipe(self, protocol_factory: Any, pipe: Any) -> Any:
        """Raises NotImplementedError: a pipe is the real world's."""
        raise NotImplementedError("a simulated host has no pipes")

    connect_write_pipe = connect_read_pipe

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """See ``asyncio.loop.shutdown_default_executor``; it takes no thread here."""
        self._executor_shutdown_called = True
        executor = self._default_executor
        if executor is None:
            return
        executor.shutdown(wait=False)
        jobs = [asyncio.wrap_future(job, loop=self) for job in unfinished(executor)]
        if jobs and (await asyncio.wait(jobs, timeout=timeout))[1]:
            text = f"The executor did not finish its jobs within {timeout} seconds."
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # as asyncio calls it
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """See ``asyncio.loop.getaddrinfo``; it takes as long as the simulation has planned."""
        here = self._habitat
        delay, error = here.names.begin(host, here.kernel)
        waiter = self.create_future()
        planned = here.scheduler.call_later(delay, self._look_again, waiter)
        try:
            await waiter
        finally:
            planned.cancel()
        return here.names.answer(error, host, port, family, type, proto, flags)

    def _look_again(self, waiter: asyncio.Future[None]) -> None:
        if self._habitat.kernel.alive and not self.is_closed():
            self.call_soon_threadsafe(_wake, waiter)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """See ``asyncio.loop.getnameinfo``."""
        await asyncio.sleep(0)
        return self._habitat.names.getnameinfo(sockaddr, flags)

    def run_forever(self) -> None:
        """See ``asyncio.loop.run_forever``; others on the same thread may be in the midst of a wait."""
        outer = asyncio._get_running_loop()
        if outer is None or outer is self:
            super().run_forever()
            return
        task = asyncio.current_task(outer)
        if task is not None:
            asyncio.tasks._leave_task(outer, task)
        asyncio._set_running_loop(None)
        try:
            super().run_forever()
        finally:
            asyncio._set_running_loop(outer)
            if task is not None:
                asyncio.tasks._enter_task(outer, task)

    def _go_on_to_the_end(self) -> None:
        for _ in range(_AT_THE_END):
            due = self.next_deadline()
            if due is None or due > self.time() or not self.turn():
                break

    # The end of its host.

    def abandon(self) -> None:
        """Has nothing run here any more, without a word, since the host has crashed.

        What waits is kept: a coroutine that is let go of runs its ``finally`` clauses, as no crash does.
        """
        handles: list[Any] = [*self._ready, *self._scheduled]
        self._left += [(handle._callback, handle._args) for handle in handles if handle._args]
        for handle in handles:
            handle.cancel()
        self.set_exception_handler(_say_nothing)
        abandon: Callable[[], object] | None = getattr(super(), "abandon", None)
        if abandon is not None:  # it is a guest
            abandon()

    def __del__(self) -> None:
        """Does without asyncio's warning: a loop that is left open ends with its world."""
        self.dispose()

    def dispose(self) -> None:
        """Lets go of everything without a word, when the world is no more. Idempotent."""
        if self._closed:
            return
        with suppress(Exception), warnings.catch_warnings():  # the interpreter may be about to end
            warnings.simplefilter("ignore")
            self.abandon()
            self._let_go()

    def _let_go(self) -> None:
        for task in list(self._tasks):
            _end(task.get_coro())
        self._tasks.clear()
        self._left.clear()
        self._ready.clear()
        self._scheduled.clear()
        self._closed = True


class _Generators:
    """Asynchronous generators in the order in which they have begun, which a ``weakref.WeakSet`` has not."""

    def __init__(self) -> None:
        self._known: dict[int, weakref.ref[Any]] = {}

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Any]:
        return iter([each for known in list(self._known.values()) if (each := known()) is not None])

    def add(self, generator: Any) -> None:
        """See ``set.add``."""
        key = id(generator)
        self._known[key] = weakref.ref(generator, lambda _: self._known.pop(key, None))

    def discard(self, generator: Any) -> None:
        """See ``set.discard``."""
        self._known.pop(id(generator), None)

    def clear(self) -> None:
        """See ``set.clear``."""
        self._known.clear()


class _Entry(tuple[Any, ...]):
    """An entry of ``getaddrinfo`` whose hash is the same in every process."""

    __slots__ = ()

    def __hash__(self) -> int:
        return zlib.crc32(repr(tuple(self)).encode())


def _make_task(
    loop: Any, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **named: Any
) -> NumberedTask:
    task = NumberedTask(coro, loop=loop, **named)
    if not named.get("name"):  # else by a number that counts tasks of all loops of the process
        task.set_name(f"Task-{task.number}")
    return task


def _end(coroutine: Any) -> None:
    """Ends a coroutine, whatever its ``finally`` clauses do, for they concern nobody any more."""
    for _ in range(_FINALLY):
        try:
            coroutine.close()
        except BaseException:
            continue
        return


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _say_nothing(*_: object) -> None:
    """Takes what asyncio says of tasks and transports that nobody has ended."""
