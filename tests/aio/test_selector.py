"""``PollerSelector``: CPython's own tests of selectors on it, and what they do not ask."""

from __future__ import annotations

import importlib
import selectors
import socket
import unittest
from collections.abc import Iterator
from typing import Any

import pytest

from netcore.aio.selector import PollerSelector
from netcore.poll import EpollPoller, IoUringPoller, KqueuePoller, Poller, SelectPoller

POLLERS = [
    pytest.param(poller, marks=pytest.mark.poller(poller.name), id=poller.name)
    for poller in (EpollPoller, IoUringPoller, KqueuePoller, SelectPoller)
]


@pytest.fixture(params=POLLERS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def selector(kind: type[Poller]) -> Iterator[PollerSelector]:
    made = PollerSelector(kind())
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.posix
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cpythons_own_tests(kind: type[Poller]) -> None:
    try:
        suite: Any = importlib.import_module("test.test_selectors")
    except ImportError:
        pytest.skip("this Python has no suite of selectors")
    how: dict[str, Any] = {"SELECTOR": staticmethod(lambda: PollerSelector(kind()))}
    case = type("PollerSelectorTests", (suite.BaseSelectorTestCase, unittest.TestCase), how)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun > 15
    assert not result.errors and not result.failures, (result.errors + result.failures)[0][1]


def test_what_is_registered_is_found_by_object_and_number(selector: PollerSelector, pair: Any) -> None:
    ours, theirs = pair
    key = selector.register(ours, selectors.EVENT_READ, "data")
    assert selector.get_key(ours) is selector.get_map()[ours.fileno()] is key
    assert list(selector.get_map()) == [ours.fileno()]
    assert theirs not in selector.get_map()
    assert selector.get_map().get(theirs) is None
    with pytest.raises(KeyError, match="already registered"):
        selector.register(ours.fileno(), selectors.EVENT_READ)
    with pytest.raises(KeyError, match="is not registered"):
        selector.unregister(theirs)


def test_a_closed_file_can_be_unregistered_by_the_object_it_was(selector: PollerSelector, pair: Any) -> None:
    ours, _ = pair
    key = selector.register(ours, selectors.EVENT_READ)
    ours.close()
    assert selector.unregister(ours) == key
    assert not selector.get_map()


@pytest.mark.parametrize("events", [0, 4, 7])
def test_events_that_there_are_not(selector: PollerSelector, pair: Any, events: int) -> None:
    with pytest.raises(ValueError, match="Invalid events"):
        selector.register(pair[0], events)
    assert not selector.get_map()


def test_the_end_makes_readers_and_writers_ready(selector: PollerSelector, pair: Any) -> None:
    ours, theirs = pair
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    key = selector.register(ours, both)
    theirs.close()
    assert selector.select(30) == [(key, both)]
    key = selector.modify(ours, selectors.EVENT_WRITE)
    assert selector.select(30) == [(key, selectors.EVENT_WRITE)]


@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_it_does_not_wait_without_time(selector: PollerSelector, timeout: float) -> None:
    assert selector.select(timeout) == []


def test_it_closes_its_poller(selector: PollerSelector) -> None:
    selector.close()
    selector.close()
    with pytest.raises(RuntimeError, match="Selector is closed"):
        selector.get_map()
    with pytest.raises(ValueError, match="closed"):
        selector.poller.wait(0)
