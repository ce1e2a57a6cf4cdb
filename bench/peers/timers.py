"""Timers that mostly never fire, as idle timeouts do. Usage: timers.py netcore|LOOP COUNT.

Each turn of the loop arms a batch of timers, one in a hundred of them due at once and the others in a minute,
and from the moment COUNT are armed cancels the oldest batch as well. Prints one line of JSON: the CPU time of
the process from the first timer to the last, over all that were armed.
"""

import asyncio
import json
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from asyncio_loop import run

_BATCH = 1000
_FIRING = 10
_SOON, _FAR = 0.001, 60.0
_TURNS_OVER = 3  # so often is the whole number armed
_TIMEOUT = 60.0


class Handle(Protocol):
    def cancel(self) -> object: ...


class Churn:
    def __init__(
        self,
        count: int,
        arm: Callable[[float, Callable[[], object]], Handle],
        soon: Callable[[Callable[[], None]], object],
        done: Callable[[], object],
    ) -> None:
        self._arm = arm
        self._soon = soon
        self._done = done
        self._standing = count // _BATCH
        self._left = self._standing * _TURNS_OVER
        self._delays = [_FAR + random.random() for _ in range(_BATCH - _FIRING)]
        self._armed: deque[list[Handle]] = deque()
        self._fired = 0
        self._due = 0

    def start(self) -> None:
        self._total = self._left * _BATCH
        self._begin = time.process_time()
        self._turn()

    def report(self) -> dict[str, float]:
        if self._fired != self._due:
            sys.exit(f"{self._fired} timers fired and {self._due} were due")
        return {"messages": self._total, "cpu_us_per_timer": self._spent / self._total * 1e6}

    def _turn(self) -> None:
        if self._left == 0:
            self._spent = time.process_time() - self._begin
            self._arm(100 * _SOON, self._done)
            return
        self._left -= 1
        if len(self._armed) == self._standing:
            for handle in self._armed.popleft():
                handle.cancel()
        arm = self._arm
        for _ in range(_FIRING):
            self._due += 1
            arm(_SOON, self._fire)
        self._armed.append([arm(delay, self._never) for delay in self._delays])
        self._soon(self._turn)

    def _fire(self) -> None:
        self._fired += 1

    def _never(self) -> None:
        raise AssertionError("a timer fired a minute early, or after it was cancelled")


def on_netcore(count: int) -> dict[str, float]:
    import netcore

    done = threading.Event()
    with netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0", num_event_loops=1) as engine:
        loop = engine.loops[0]
        churn = Churn(count, loop.schedule, loop.execute, done.set)
        loop.execute(churn.start)
        if not done.wait(_TIMEOUT):
            sys.exit(f"the timers did not end within {_TIMEOUT:g} s")
        return churn.report()


async def on_asyncio(count: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    churn = Churn(count, loop.call_later, loop.call_soon, done.set)
    loop.call_soon(churn.start)
    await asyncio.wait_for(done.wait(), _TIMEOUT)
    return churn.report()


def main() -> None:
    kind, count = sys.argv[1], int(sys.argv[2])
    print(json.dumps(on_netcore(count) if kind == "netcore" else run(kind, on_asyncio(count))))


if __name__ == "__main__":
    main()
