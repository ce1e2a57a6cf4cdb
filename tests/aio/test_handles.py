"""Callbacks and timers run as those of asyncio's own loop do, whichever half runs them."""

import asyncio
import contextvars
import gc
import random
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.aio import EventLoop, handles
from netcore.aio.standard import SelectorLoop

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def finish(loop: asyncio.AbstractEventLoop) -> None:
    """Runs what is ready, and what that makes ready, a few times over."""
    for _ in range(4):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_handles_are_of_asyncios_own_classes(loop: EventLoop) -> None:
    soon = loop.call_soon(print)
    later = loop.call_later(60, print, "x")
    at = loop.call_at(loop.time() + 60, print)
    assert type(soon) is asyncio.Handle
    assert type(later) is type(at) is asyncio.TimerHandle
    assert 59 < later.when() - loop.time() <= 60
    assert repr(soon) == repr(asyncio.Handle(print, (), loop))
    assert repr(later) == repr(asyncio.TimerHandle(later.when(), print, ("x",), loop))
    soon.cancel()
    assert soon.cancelled() and "cancelled" in repr(soon)


def test_callbacks_run_in_order_and_those_they_add_in_the_next_iteration(loop: EventLoop) -> None:
    told: list[object] = []

    def first() -> None:
        told.append("first")
        loop.call_soon(told.append, "added")

    loop.call_soon(first)
    cancelled = loop.call_soon(told.append, "cancelled")
    loop.call_soon(lambda *args: told.append(args), 1, 2, 3, 4)
    loop.call_soon(told.append, "last")
    loop.call_soon(loop.stop)
    cancelled.cancel()
    loop.run_forever()
    assert told == ["first", (1, 2, 3, 4), "last"]
    finish(loop)
    assert told[-1] == "added"


def test_a_callback_has_the_context_of_its_call_or_the_one_given(loop: EventLoop) -> None:
    seen: list[str] = []
    VARIABLE.set("of the call")
    other = contextvars.copy_context()
    other.run(VARIABLE.set, "given")
    loop.call_soon(lambda: seen.append(VARIABLE.get()))
    loop.call_soon(lambda: seen.append(VARIABLE.get()), context=other)
    loop.call_later(0, lambda: seen.append(VARIABLE.get()), context=None)
    loop.call_at(0, lambda: seen.append(VARIABLE.get()), context=other)
    VARIABLE.set("later")
    finish(loop)
    assert sorted(seen) == ["given", "given", "of the call", "of the call"]


def test_arguments_may_be_given_by_name(loop: EventLoop) -> None:
    told: list[str] = []
    given = contextvars.copy_context()
    given.run(VARIABLE.set, "given")
    plan: Any = loop
    plan.call_soon(callback=lambda: told.append("soon"))
    plan.call_later(delay=0, callback=lambda: told.append("later"))
    plan.call_later(0, callback=lambda: told.append("later still"))
    plan.call_at(when=0, callback=lambda: told.append(VARIABLE.get()), context=given)
    finish(loop)
    assert sorted(told) == ["given", "later", "later still", "soon"]


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at"])
@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), {}),
        ((0,), {"what": 1}),
        ((0, print), {"what": 1}),
        ((0, print), {"context": None, "callback": print}),
    ],
)
def test_other_arguments_are_asyncios_errors(
    loop: EventLoop, name: str, args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError) as expected:
        getattr(asyncio.BaseEventLoop, name)(loop, *args, **named)
    with pytest.raises(TypeError) as raised:
        getattr(loop, name)(*args, **named)
    assert str(raised.value) == str(expected.value)


def test_a_time_that_changes_the_timers_when_it_is_asked_harms_nobody(loop: EventLoop) -> None:
    class Clearing:
        def __float__(self) -> float:
            loop._scheduled.clear()
            return -1.0

        def __lt__(self, other: object) -> bool:
            return bool(float(self) < -2)

    when: Any = Clearing()
    for _ in range(8):
        loop.call_later(60, print)
        with suppress(IndexError, TypeError, RuntimeError):
            loop.call_at(when, print)
    loop._scheduled.clear()
    finish(loop)


def test_an_exception_is_told_as_asyncio_tells_it(loop: EventLoop) -> None:
    told: list[dict[str, Any]] = []
    stock = SelectorLoop()
    for teller in (loop, stock):
        teller.set_exception_handler(lambda _, context: told.append(context))

    def fail(what: str) -> None:
        raise RuntimeError(what)

    stock.call_soon(fail, "why")
    finish(stock)
    stock.close()
    message = told.pop()["message"]
    handle = loop.call_soon(fail, "why")
    after: list[int] = []
    loop.call_soon(after.append, 1)
    finish(loop)
    (context,) = told
    assert context["handle"] is handle
    assert str(context["exception"]) == "why"
    assert context["message"] == message and "fail(" in message
    assert after == [1]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_ends_the_run_and_leaves_what_follows(loop: EventLoop, kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind

    after: list[int] = []
    loop.call_soon(leave)
    loop.call_soon(after.append, 1)
    with pytest.raises(kind):
        loop.run_forever()
    assert after == []
    finish(loop)
    assert after == [1]


def test_a_callback_that_cancels_its_own_handle_ends_in_order(loop: EventLoop) -> None:
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    held: list[asyncio.Handle] = []

    def once(fail: bool) -> None:
        held.pop().cancel()
        if fail:
            raise RuntimeError("after that")

    for fail in (False, True):
        held.append(loop.call_soon(once, fail))
        finish(loop)
    assert [str(context["exception"]) for context in told] == ["after that"]


@pytest.mark.parametrize(
    ("name", "args"), [("call_soon", ()), ("call_later", (None, print)), ("call_at", (None, print))]
)
def test_odd_arguments_are_refused_by_asyncios_own_errors(
    loop: EventLoop, name: str, args: tuple[object, ...]
) -> None:
    stock = SelectorLoop()
    with pytest.raises((TypeError, AssertionError)) as refused:
        getattr(stock, name)(*args)
    stock.close()
    with pytest.raises(refused.type):
        getattr(loop, name)(*args)
    with pytest.raises(TypeError):
        getattr(loop, name)(0, print, unknown=1)
    finish(loop)


def test_a_time_that_is_no_number_is_refused_and_nothing_is_planned(loop: EventLoop, aio_half: str) -> None:
    fired: list[int] = []
    loop.call_later(0, fired.append, 1)
    if aio_half == "hot":  # asyncio's own takes it, and cannot go on
        with pytest.raises(TypeError):
            loop.call_at("noon", print)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        loop.call_later("soon", print)  # type: ignore[arg-type]
    finish(loop)
    assert fired == [1]


def test_a_closed_loop_takes_no_calls(new_loop: Callable[[], EventLoop]) -> None:
    loop = new_loop()
    loop.close()
    for call in (lambda: loop.call_soon(print), lambda: loop.call_later(1, print)):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()


def test_debug_mode_is_asyncios_own_and_can_be_left(loop: EventLoop) -> None:
    fired: list[int] = []
    loop.call_later(0, fired.append, 1)
    loop.set_debug(True)
    loop.call_later(0, fired.append, 2)
    with pytest.raises(TypeError, match="callable"):
        loop.call_soon(5)  # type: ignore[arg-type]
    handle = loop.call_soon(fired.append, 3)
    assert "created at" in repr(handle)
    loop.set_debug(False)
    loop.call_later(0, fired.append, 4)
    finish(loop)
    assert sorted(fired) == [1, 2, 3, 4]


def test_many_cancelled_timers_are_let_go_of(loop: EventLoop) -> None:
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    timers = [loop.call_later(3600, lambda _: None, held) for _ in range(300)]
    fired: list[int] = []
    loop.call_later(0, fired.append, 1)
    for timer in timers[:290]:
        timer.cancel()
    finish(loop)
    assert fired == [1]
    scheduled = loop._scheduled
    assert len(scheduled) == 10 and loop._timer_cancelled_count == 0
    for timer in timers[290:]:
        timer.cancel()
    finish(loop)
    assert not loop._scheduled and loop._timer_cancelled_count == 0
    del held, timers, timer
    gc.collect()
    assert gone() is None


def test_a_class_with_a_clock_or_calls_of_its_own_keeps_them(aio_half: str) -> None:
    class Mine(EventLoop):
        def time(self) -> float:
            return 42.0

    loop = Mine()
    assert loop.call_later(1, print).when() == 43.0
    loop.close()


def test_a_clock_that_is_put_into_a_loop_is_the_one_it_goes_by(loop: EventLoop) -> None:
    fired: list[int] = []
    real = loop.time()
    later = loop.call_later(1000, fired.append, 2)
    with mock.patch.object(loop, "time", return_value=real + 500) as clock:
        planned = loop.call_later(100, fired.append, 1)
        assert planned.when() == real + 600
        finish(loop)
        assert fired == []
        clock.return_value = real + 600
        finish(loop)
        assert fired == [1]
        clock.return_value = later.when()
        finish(loop)
        assert fired == [1, 2]
    loop.call_later(1000, fired.append, 3)
    finish(loop)
    assert fired == [1, 2] and loop.time() < real + 500


def test_a_clock_that_fails_is_heard_of(loop: EventLoop) -> None:
    with mock.patch.object(loop, "time", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        loop.call_later(1, print)


def test_handles_of_an_unknown_make_are_asyncios_own_to_run(
    aio_half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handles, "_KNOWN", frozenset())
    loop = EventLoop()
    fired: list[int] = []
    loop.call_soon(fired.append, 1)
    finish(loop)
    loop.close()
    assert fired == [1]


class Clock:
    """One list of what two loops do in turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.told: list[object] = []
        self.timers: list[asyncio.Handle] = []

    def play(self, script: list[tuple[int, int]], name: str) -> None:
        self.told.append(name)
        for step, (what, number) in enumerate(script):
            rest = script[step + 1 :]
            label = f"{name}.{step}"
            if what == 0:
                self.timers.append(self.loop.call_soon(self.play, rest[:2], label))
            elif what == 1:
                self.timers.append(self.loop.call_later(number * 1e-6, self.play, rest[:1], label))
            elif what == 2 and self.timers:
                self.timers[number % len(self.timers)].cancel()
            elif what == 3:
                self.timers.append(self.loop.call_at(number, self.told.append, label))


def history(make: Callable[[], asyncio.AbstractEventLoop], script: list[tuple[int, int]]) -> list[str]:
    """What a loop does. All timers are due when they are looked at, so that it is their order that counts."""
    loop = make()
    clock = Clock(loop)
    loop.call_soon(clock.play, script, "root")
    for _ in range(16):
        deadline = time.monotonic() + 1e-5
        while time.monotonic() < deadline:
            pass
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    return sorted(map(str, clock.told))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=12))
def test_histories_are_those_of_the_stock_loop(script: list[tuple[int, int]]) -> None:
    """But for what a pause of the machine does to the order of two timers, some microseconds apart."""
    for _ in range(5):
        stock, ours = history(SelectorLoop, script), history(EventLoop, script)
        if stock == ours:
            break
    assert stock == ours


def test_the_heap_gives_timers_in_the_order_of_their_times(loop: EventLoop) -> None:
    chance = random.Random(7)
    times = [chance.random() - 10 for _ in range(500)]
    fired: list[float] = []
    timers = [loop.call_at(when, fired.append, when) for when in times]
    for timer, when in list(zip(timers, times, strict=True))[::3]:
        timer.cancel()
        times.remove(when)
    finish(loop)
    assert fired == sorted(times)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="only the collector ends anything here")
def test_a_closed_loop_is_gone_with_its_last_reference(new_loop: Callable[[], EventLoop]) -> None:
    async def talk() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x\n")
        assert await reader.read() == b"x\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.001)

    gc.collect()
    gc.disable()
    try:
        for make in (SelectorLoop, EventLoop):
            loop = make()
            loop.run_until_complete(talk())
            loop.close()
            gone = weakref.ref(loop)
            del loop
            assert gone() is None, make
    finally:
        gc.enable()
