"""Loops for the tests of netcore.aio, with each half of the hot path."""

import gc
from collections.abc import Callable, Iterator

import pytest

from netcore._native import COLD
from netcore.aio import EventLoop, halves, handles


@pytest.fixture(params=["python"] if COLD else ["python", "hot"])
def aio_half(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which half of netcore.aio the loops of a test have."""
    if request.param == "python":
        monkeypatch.setattr(halves, "COLD", "the half in Python is what is tested")
        monkeypatch.setattr(handles, "COLD", "the half in Python is what is tested")
    return str(request.param)


@pytest.fixture
def new_loop(aio_half: str) -> Iterator[Callable[[], EventLoop]]:
    """Makes loops, and closes them."""
    loops = []

    def make() -> EventLoop:
        loop = EventLoop()
        loops.append(loop)
        return loop

    yield make
    for loop in loops:
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
    gc.collect()


@pytest.fixture
def loop(new_loop: Callable[[], EventLoop]) -> EventLoop:
    return new_loop()
