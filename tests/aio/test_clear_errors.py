"""What is asked of netcore.aio wrongly is told in one clear error, and leaves nothing behind."""

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import netcore
from netcore.aio import AsyncHandler, EventLoop, Stream, loop_of, new_event_loop, run
from netcore.errors import PollerUnavailableError
from netcore.poll import open_poller
from netcore.testing import FakePoller, ManualClock


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What was raised where nobody hears it, such as by ``__del__``."""
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_value))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # which is raised there, too
        yield told
        gc.collect()


def closed_poller() -> Any:
    poller = open_poller()
    poller.close()
    return poller


def test_a_poller_that_there_is_not_is_told_and_nothing_else(ignored: list[object]) -> None:
    with pytest.raises(PollerUnavailableError, match="there is no poller 'libuv'"):
        new_event_loop("libuv")
    gc.collect()
    assert ignored == []


@pytest.mark.parametrize("poller", [3, object(), lambda: None, b"epoll"])
def test_what_is_no_poller_is_told(ignored: list[object], poller: Any) -> None:
    with pytest.raises(TypeError, match="is no poller: give one, its name, or a function that opens it"):
        new_event_loop(poller)
    gc.collect()
    assert ignored == []


def test_a_poller_that_is_closed_is_told_and_leaves_nothing_open(ignored: list[object]) -> None:
    with pytest.raises(ValueError, match="closed"):
        new_event_loop(closed_poller())
    gc.collect()
    assert ignored == []


def test_a_loop_that_cannot_be_made_closes_its_poller(ignored: list[object]) -> None:
    poller = FakePoller(ManualClock())

    def fail(self: EventLoop) -> None:
        raise OSError(24, "Too many open files")

    kind: Any = type("Fails", (EventLoop,), {"_make_self_pipe": fail})
    with pytest.raises(OSError, match="Too many"):
        kind(poller)
    with pytest.raises(ValueError):
        poller.wait(0)
    gc.collect()
    assert ignored == []


def test_run_within_a_running_loop_is_told_before_anything_is_made(ignored: list[object]) -> None:
    async def inner() -> None: ...

    async def outer() -> None:
        coroutine = inner()
        try:
            run(coroutine)
        finally:
            coroutine.close()

    with pytest.raises(RuntimeError, match=r"netcore.aio.run\(\) cannot be called from a running event loop"):
        run(outer())
    gc.collect()
    assert ignored == []


def test_run_of_a_function_is_told() -> None:
    async def main() -> None: ...

    main_function: Any = main
    with pytest.raises((TypeError, ValueError), match="coroutine"):
        run(main_function)


def test_loop_of_something_else_says_what_it_takes() -> None:
    with netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0", asyncio=True) as engine:
        for wrong in (engine, None, asyncio):
            with pytest.raises(
                TypeError, match=r"neither a connection nor a loop, of which Engine.loops has all"
            ):
                loop_of(wrong)  # type: ignore[arg-type]
        assert isinstance(loop_of(engine.loops[0]), EventLoop)


def test_loop_of_without_the_option_says_which() -> None:
    with (
        netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0") as engine,
        pytest.raises(RuntimeError, match="its engine needs the option asyncio"),
    ):
        loop_of(engine.loops[0])


class Plain(AsyncHandler):
    def serve(self, stream: Stream) -> None:  # type: ignore[override]
        """Is no coroutine function."""


class Yields(AsyncHandler):
    async def serve(self, stream: Stream) -> Any:
        yield stream


class Misspelt(AsyncHandler):
    async def server(self, stream: Stream) -> None: ...


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Plain, "Plain.serve is no coroutine function: it must be an async def function"),
        (Yields, "Yields.serve yields: it must be an async def function without a yield"),
        (Misspelt, r"Misspelt has no serve of its own: write an async def serve\(self, stream\)"),
        (AsyncHandler, "AsyncHandler has no serve of its own"),
    ],
)
def test_a_serve_that_cannot_serve_is_told_before_anything_is_bound(
    make: Callable[[], AsyncHandler], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        netcore.Engine(make(), "tcp://127.0.0.1:0")


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'netcore.aio' has no attribute 'AsyncHandlr'"):
        print(netcore.aio.AsyncHandlr)  # type: ignore[attr-defined]
