"""What the tests of the worker pool share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from netcore.worker import WorkerPool

TIMEOUT = 30


class Gate:
    """A job that a worker is kept in until the test opens the gate."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._entered = threading.Semaphore(0)

    def __call__(self, result: object = None) -> object:
        self._entered.release()
        assert self._open.wait(TIMEOUT), "the gate was never opened"
        return result

    def wait_entered(self, count: int = 1) -> None:
        """Waits until so many more workers are in it."""
        for _ in range(count):
            assert self._entered.acquire(timeout=TIMEOUT)

    def open(self) -> None:
        """Lets everybody through."""
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate, opened at the latest after the test."""
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def pool(gate: Gate) -> Iterator[Callable[..., WorkerPool]]:
    """Makes pools that are shut down after the test: ``pool(max_workers, ...)``."""
    pools: list[WorkerPool] = []

    def make(*args: object, **kwargs: object) -> WorkerPool:
        pools.append(WorkerPool(*args, **kwargs))
        return pools[-1]

    yield make
    gate.open()
    for made in pools:
        made.shutdown()
