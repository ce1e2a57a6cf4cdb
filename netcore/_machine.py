"""The computer that netcore runs on, but for its sockets: clocks, threads, what waits, what its kernel does.

There is the real one, and a simulation has others, one for each of its hosts. What needs one takes the
current one when it is made, and keeps it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from netcore._facts import Facts
from netcore._platform import (
    FACTS,
    descriptor_limit,
    in_trouble,
    is_blocking,
    usable_cpu_count,
    usable_cpus,
)

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    _P = ParamSpec("_P")

__all__ = ["IDS", "REAL", "Machine", "current", "enter", "monotonic"]

_T = TypeVar("_T")

IDS = itertools.count(1)
"""The numbers that no connection of this process has had. Any thread."""


class Machine:
    """The real one, and what others have to be.

    Attributes:
        simulated: Whether it is not the real one.
    """

    simulated = False

    elsewhere = "runs in another process, of which this one is a fork"
    """Where what was abandoned goes on, to end a sentence about it."""

    facts: Facts = FACTS
    """What its kernel does, and how its options are numbered."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    """Returns seconds that never go back. Any thread."""

    thread_id: Callable[[], int] = staticmethod(threading.get_ident)
    """Returns the number of the calling thread, which no other thread has that lives. Any thread."""

    sleep: Callable[[float], None] = staticmethod(time.sleep)
    """Waits so many seconds."""

    next_id: Callable[[], int] = IDS.__next__
    """Returns a number that no connection of this process has had. Any thread."""

    in_trouble: Callable[[int], bool] = staticmethod(in_trouble)
    """Tells whether a socket has failed or hung up; see ``netcore._platform.in_trouble``. Any thread."""

    is_blocking: Callable[[int], bool] = staticmethod(is_blocking)
    """Tells whether a socket lacks O_NONBLOCK; see ``netcore._platform.is_blocking``. Any thread."""

    def descriptors_taken(self, fd: int) -> float:
        """Returns which part is open of the descriptors that may be: 0 to 1, and 0 if any number may.

        Args:
            fd: The one that was opened last. The system gives the lowest number that is free.
        """
        limit = descriptor_limit()
        return fd / limit if limit else 0.0

    def usable_cpus(self) -> tuple[int, ...]:
        """Returns the CPUs that this process may use."""
        return usable_cpus()

    def usable_cpu_count(self) -> int:
        """Returns how many of them it may keep busy; see ``netcore._platform.usable_cpu_count``."""
        return usable_cpu_count()

    def callbacks(self, handler: _T) -> _T:
        """Returns what is to be called instead of a handler: here, the handler itself."""
        return handler

    def exiting(self, error: BaseException) -> None:
        """Is told of what is no ``Exception``, and ends an engine; see ``Engine.ended_by``."""

    def serve_until_signalled(self, what: str) -> None:
        """Is told that a call takes its thread until a signal comes; raises where none can.

        Args:
            what: The call, for the message.
        """

    def check_socket(self, sock: object) -> None:
        """Raises where a socket is another machine's, whose number would be somebody else's here. Any thread.

        Args:
            sock: What is to be taken over, which may be no socket at all.

        Raises:
            UnsupportedOperationError: It is not of this machine.
        """

    def raised(self, error: Exception, what: str) -> None:
        """Is told of an exception of the application's that goes to the log, and no further.

        Args:
            error: The exception.
            what: What has raised it.
        """

    def variant(self, kind: type[_T]) -> type[_T]:
        """Returns the class to make instead of one that stands for a thread: here, the class itself."""
        return kind

    def make(self, part: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        """Makes a part that has threads, waits for some, or opens what belongs to the system.

        Args:
            part: Its class, or a function that makes it. Another machine may have something that stands for
                it.
            args: What it is made with.
            named: Likewise.
        """
        return part(*args, **named)


REAL = Machine()

_entered: dict[int, Machine] = {}
"""The machines of threads on which it is not the real one."""


def current() -> Machine:
    """Returns the machine on which the calling code runs. Any thread."""
    return _entered.get(threading.get_ident(), REAL) if _entered else REAL


def enter(machine: Machine) -> Machine:
    """Makes a machine the current one of the calling thread; returns the one before."""
    thread = threading.get_ident()
    before = _entered.get(thread, REAL)
    if machine is REAL:
        _entered.pop(thread, None)
    else:
        _entered[thread] = machine
    return before


def monotonic() -> float:
    """Returns seconds that never go back, of the machine on which it is called. Any thread.

    What has ``time.monotonic`` itself for a default has the real one for ever.
    """
    return time.monotonic()
