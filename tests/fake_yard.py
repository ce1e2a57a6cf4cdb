"""Processes that are none, for a fleet: they note down what they are told, and obey when the test says so."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable

from netcore.supervisor.fleet import Fleet
from netcore.supervisor.member import Member
from netcore.supervisor.yard import Pace
from netcore.testing import ManualClock

PACE = Pace(hang=math.inf, drain=30.0, stop=12.0)
LOGGER = logging.getLogger("netcore")
ABORT, KILL = int(signal.SIGABRT), int(getattr(signal, "SIGKILL", signal.SIGTERM))


class FakeProcess:
    """What a process would know of itself.

    Attributes:
        number: Its place.
        listeners: The places whose listeners it has.
        accepts: Whether it has been told, as far as it has, to accept no more.
        orders: What it was told, and as numbers the signals that it was sent.
    """

    def __init__(self, number: int, listeners: set[int]) -> None:
        self.number = number
        self.listeners = listeners
        self.accepts = False
        self.orders: list[str | int] = []


class FakeYard:
    """A yard where nothing happens by itself.

    Attributes:
        numbers: The places that have listeners.
        processes: Those that have not ended, by pid.
        log: Everything that was done.
        out_of_processes: Whether no process can be started.
        out_of_ports: Whether no place can be opened.
    """

    def __init__(self, numbers: set[int]) -> None:
        self.numbers = numbers
        self.processes: dict[int, FakeProcess] = {}
        self.log: list[tuple[object, ...]] = []
        self.out_of_processes = False
        self.out_of_ports = False
        self._own = bool(numbers)
        self._pid = 100

    def open_place(self, number: int) -> None:
        if self.out_of_ports:
            raise OSError("no port is left")
        if self._own:
            self.numbers.add(number)

    def start(self, number: int, listeners: set[int]) -> int:
        assert listeners <= self.numbers
        self.log.append(("start", number, tuple(sorted(listeners))))
        if self.out_of_processes:
            raise OSError("no memory is left")
        self._pid += 1
        self.processes[self._pid] = FakeProcess(number, set(listeners))
        return self._pid

    def tell(self, member: Member, order: str, value: float = 0) -> None:
        process = self.processes[member.pid]  # none that has ended is told anything
        self.log.append((order, member.pid, value))
        process.orders.append(order)
        if order == "adopt":
            assert value not in process.listeners
            process.listeners.add(int(value))
        elif order == "release":
            process.listeners.remove(int(value))
        else:
            process.accepts = False

    def kill(self, member: Member, number: int) -> None:
        self.log.append(("kill", member.pid, number))
        self.processes[member.pid].orders.append(number)
        self.processes[member.pid].accepts = False

    def holders(self, number: int) -> list[int]:
        """Returns the processes that accept from the listeners of a place."""
        return [
            pid for pid, process in self.processes.items() if process.accepts and number in process.listeners
        ]


class World:
    """A fleet in a fake yard, under a clock that stands still.

    Args:
        size: How many processes.
        own: Whether each place has listeners of its own.
        pace: See ``Pace``.
        logger: Where it is told what happens.
    """

    def __init__(
        self,
        size: int = 2,
        own: bool = True,
        pace: Pace = PACE,
        logger: logging.Logger = LOGGER,
    ) -> None:
        self.clock = ManualClock()
        self.yard = FakeYard(set(range(size)) if own else set())
        self.fleet = Fleet(size, self.yard, pace, self.clock, logger)

    def boot(self) -> list[int]:
        """Starts the fleet and has each process boot; returns their pids."""
        self.fleet.start()
        while not self.fleet.complete:
            for pid in self.booting():
                self.ready(pid)
        return [place.current.pid for place in self.fleet.places if place.current is not None]

    def booting(self) -> list[int]:
        """Returns the processes of which nothing was heard yet and nothing asked."""
        return [
            pid for pid, process in self.yard.processes.items() if not process.accepts and not process.orders
        ]

    def newest(self) -> int:
        """Returns the process that was started last."""
        return max(self.yard.processes)

    def orders(self, pid: int) -> list[str | int]:
        """Returns what a process was told."""
        return self.yard.processes[pid].orders

    def ready(self, pid: int) -> None:
        """A process has booted."""
        process = self.yard.processes[pid]
        process.accepts = not {"stop", "stop_now", "drain"} & set(process.orders)
        self.fleet.ready(pid)

    def exit(self, pid: int, status: int = 0, last_words: str = "") -> None:
        """A process has ended."""
        del self.yard.processes[pid]
        self.fleet.exited(pid, status, last_words)

    def advance(self, seconds: float) -> None:
        """Lets time pass, and does on the way what is due, when it is due."""
        end = self.clock() + seconds
        self.settle()
        while (due := self.fleet.next_due()) <= end:
            self.clock.now = max(due, self.clock.now)
            self.settle()
        self.clock.now = end
        self.settle()

    def settle(self) -> None:
        """Does what is due; it must be over then, or the supervisor would spin."""
        self.fleet.step()
        assert self.fleet.next_due() > self.clock(), "something is due that is not done"

    def beat(self, *pids: int, seconds: float, every: float = 2.0, after: Callable[[], object] = int) -> None:
        """Lets time pass while these say that all is well."""
        for _ in range(round(seconds / every)):
            self.advance(every)
            for pid in pids:
                self.fleet.heard(pid)
            after()
