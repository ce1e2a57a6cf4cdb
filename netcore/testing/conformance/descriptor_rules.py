"""What another loop may rely on that watches a poller's own descriptor, where it has one."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Final

from netcore.poll import Interest, Readiness
from netcore.testing.conformance import wires
from netcore.testing.conformance.poller_bench import LOOKS, PollerBench
from netcore.testing.conformance.rules import expect_raises, require
from netcore.testing.conformance.wires import Wire

__all__ = ["DESCRIPTOR_RULES"]

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_READABLE = int(Readiness.READABLE)

_MANY: Final = 300
"""More descriptors than any backend is likely to report at once."""

_A_WHILE: Final = 0.03
"""Seconds after which another thread acts: long enough for this one to be waiting by then."""

_SELECTORS: Final = tuple(
    dict.fromkeys((getattr(selectors, "PollSelector", selectors.SelectSelector), selectors.DefaultSelector))
)
"""One that asks at each call what is ready, and one that hears of it: they learn of it in different ways."""


def _fileno(bench: PollerBench) -> int:
    assert bench.fileno is not None
    return bench.fileno()


class _Host:
    """Another loop, which watches the poller's descriptor and waits on it only when that is readable."""

    def __init__(self, bench: PollerBench, selector: selectors.BaseSelector) -> None:
        self._bench = bench
        self._selector = selector
        self._selector.register(_fileno(bench), selectors.EVENT_READ)

    def __enter__(self) -> _Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()

    def sees(self, timeout: float = 0) -> bool:
        """Asks for the descriptor anew, and whether it is readable or soon will be."""
        _fileno(self._bench)
        return bool(self._selector.select(timeout))

    def until(self, wire: Wire, sentence: str) -> None:
        """Requires that the descriptor becomes readable, and that waiting then reports the wire."""
        for _ in range(LOOKS):
            require(self.sees(wires.PATIENCE), sentence)
            if self._bench.look().get(wire.fd, 0) & _READABLE:
                return
        raise AssertionError(sentence)

    def rests(self, sentence: str) -> None:
        """Requires that the descriptor is not, or soon no longer, readable."""
        for _ in range(LOOKS):
            if not self.sees():
                return
            self._bench.look()
        raise AssertionError(sentence)


def _by_each_selector(rule: Callable[[PollerBench, _Host], None]) -> Callable[[PollerBench], None]:
    @wraps(rule)
    def run(bench: PollerBench) -> None:
        for selector in _SELECTORS:
            with _Host(bench, selector()) as host:
                rule(bench, host)

    return run


def _tells_one_number(bench: PollerBench) -> None:
    first = _fileno(bench)
    require(type(first) is int and first >= 0, f"fileno() returns {first!r} instead of a descriptor.")
    wire = bench.open()
    bench.register(wire, _READ)
    wire.make_readable()
    again = _fileno(bench)
    bench.look()
    last = _fileno(bench)
    require(first == again == last, f"fileno() returns {first}, then {again}, then {last}.")


@_by_each_selector
def _shows_what_becomes_ready(bench: PollerBench, host: _Host) -> None:
    wire = bench.open()
    bench.register(wire, _READ)
    host.rests("the poller's descriptor is readable though nothing is ready.")
    for _ in range(3):
        wire.make_readable()
        host.until(wire, "the poller's descriptor does not become readable when a registered one does.")
        wire.drain()
        host.rests("the poller's descriptor stays readable after everything was received.")
    bench.unregister(wire)


@_by_each_selector
def _shows_what_becomes_ready_while_it_is_watched(bench: PollerBench, host: _Host) -> None:
    wire = bench.open()
    bench.register(wire, _READ)
    host.rests("the poller's descriptor is readable though nothing is ready.")
    other = bench.surroundings.beside(_A_WHILE, wire.make_readable)
    try:
        host.until(
            wire, "who waits for the poller's descriptor does not learn that a registered one is ready."
        )
    finally:
        other.join()
    bench.unregister(wire)


@_by_each_selector
def _shows_what_was_ready_before(bench: PollerBench, host: _Host) -> None:
    wire = bench.open()
    wire.make_readable()
    bench.register(wire, _READ)
    host.until(wire, "bytes from before register() do not make the poller's descriptor readable.")
    wire.fill()
    bench.poller.modify(wire.fd, _WRITE)
    host.rests("after modify() to what is not ready the poller's descriptor stays readable.")
    bench.poller.modify(wire.fd, _READ)
    host.until(wire, "after modify() to what is ready the poller's descriptor is not readable.")
    wire.drain()
    bench.unregister(wire)


@_by_each_selector
def _shows_what_is_left(bench: PollerBench, host: _Host) -> None:
    wire = bench.open()
    bench.register(wire, _READ)
    wire.make_readable()
    for _ in range(4):
        host.until(wire, "level-triggered, the poller's descriptor is not readable while bytes are left.")
    wire.drain()
    bench.unregister(wire)


@_by_each_selector
def _shows_edges(bench: PollerBench, host: _Host) -> None:
    if not bench.poller.supports_edge:
        return
    wire = bench.open()
    bench.register(wire, _READ | _EDGE)
    for _ in range(3):
        wire.make_readable()
        host.until(wire, "edge-triggered, the poller's descriptor does not become readable by news.")
        host.rests("edge-triggered, the poller's descriptor stays readable without news.")
    bench.unregister(wire)


@_by_each_selector
def _shows_what_was_found_and_not_told(bench: PollerBench, host: _Host) -> None:
    with bench.surroundings.more_descriptors(2 * _MANY):
        untold = {}
        for _ in range(_MANY):
            wire = bench.open()
            bench.register(wire, _READ)
            wire.make_readable()
            untold[wire.fd] = wire
        for _ in range(_MANY):
            if not untold:
                return
            shown = host.sees(wires.PATIENCE)
            require(shown, "the poller's descriptor is not readable while a wait would tell more.")
            for fd in bench.look():
                if fd in untold:
                    told = untold.pop(fd)
                    bench.unregister(told)
                    told.close()
        raise AssertionError(
            f"{len(untold)} of {_MANY} ready descriptors are not told, though some are shown."
        )


@_by_each_selector
def _hides_what_is_unregistered(bench: PollerBench, host: _Host) -> None:
    wire = bench.open()
    wire.make_readable()
    bench.register(wire, _READ)
    host.until(wire, "bytes from before register() do not make the poller's descriptor readable.")
    bench.unregister(wire)
    host.rests("after unregister() the poller's descriptor stays readable.")
    bench.register(wire, _READ)
    bench.unregister(wire)
    host.rests("after register() and unregister() the poller's descriptor is readable.")


@_by_each_selector
def _shows_wakes(bench: PollerBench, host: _Host) -> None:
    for _ in range(3):
        bench.poller.wake()
        require(host.sees(wires.PATIENCE), "wake() does not make the poller's descriptor readable.")
        bench.look()
        host.rests("after a wake() and a wait the poller's descriptor stays readable.")


@_by_each_selector
def _shows_wakes_from_other_threads(bench: PollerBench, host: _Host) -> None:
    for _ in range(2):
        other = bench.surroundings.beside(_A_WHILE, bench.poller.wake)
        seen = host.sees(wires.PATIENCE)
        other.join()
        require(seen, "wake() from another thread is not seen by who waits for the poller's descriptor.")
        bench.look()
        host.rests("after a wake() and a wait the poller's descriptor stays readable.")


def _tells_no_number_after_close(bench: PollerBench) -> None:
    _fileno(bench)
    bench.poller.close()
    expect_raises(ValueError, lambda: _fileno(bench), "fileno() after close()")


DESCRIPTOR_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (
    _tells_one_number,
    _shows_what_becomes_ready,
    _shows_what_becomes_ready_while_it_is_watched,
    _shows_what_was_ready_before,
    _shows_what_is_left,
    _shows_edges,
    _shows_what_was_found_and_not_told,
    _hides_what_is_unregistered,
    _shows_wakes,
    _shows_wakes_from_other_threads,
    _tells_no_number_after_close,
)
"""For pollers that have a method ``fileno``."""
