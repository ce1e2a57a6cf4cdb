"""Which poller is opened under which name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from netcore.errors import PollerUnavailableError
from netcore.poll import (
    EpollPoller,
    IocpPoller,
    KqueuePoller,
    Poller,
    SelectPoller,
    available,
    open_poller,
    poller_names,
    register_poller,
    registry,
    why_unavailable,
)

BUILTIN = ("epoll", "kqueue", "iocp", "select")


class Mine(SelectPoller):
    name = "mine"


def cannot_run() -> Poller:
    raise OSError(38, "this system has no such thing")


def was_not_built() -> Poller:
    raise ImportError("no compiler was there")


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    builtin = {name: registry._factories[name] for name in BUILTIN}  # others may have been added
    monkeypatch.setattr(registry, "_factories", builtin)
    monkeypatch.delenv("NETCORE_POLLER", raising=False)
    yield


def opened(name: str | None = None) -> str:
    poller = open_poller(name)
    poller.close()
    return poller.name


def test_the_builtin_pollers_are_known_best_first() -> None:
    assert poller_names() == BUILTIN


def test_available_lists_what_runs_in_the_order_of_the_names() -> None:
    assert available() == tuple(name for name in poller_names() if not why_unavailable(name))
    assert "select" in available()


def test_the_first_that_runs_is_the_default() -> None:
    assert opened() == available()[0]


@pytest.mark.parametrize("name", [name for name in available() if name in BUILTIN])
def test_each_opens_by_its_name(name: str) -> None:
    assert opened(name) == name


def test_each_open_makes_a_new_poller() -> None:
    first, second = open_poller(), open_poller()
    assert first is not second
    first.close()
    second.wait(0)
    second.close()


def test_an_unavailable_poller_is_passed_over() -> None:
    first, *others = available()
    if not others:
        pytest.skip("only one poller runs here")
    registry._factories[first] = cannot_run
    assert available() == tuple(others)
    assert opened() == others[0]


@pytest.mark.posix  # the name that it takes is of no poller of Windows
@pytest.mark.parametrize(
    ("factory", "reason"),
    [(cannot_run, "this system has no such thing"), (was_not_built, "no compiler was there")],
)
def test_an_unavailable_poller_says_why(
    factory: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._factories, "epoll", factory)
    assert reason in why_unavailable("epoll")
    with pytest.raises(PollerUnavailableError, match=f"'epoll' cannot run here: .*{reason}"):
        open_poller("epoll")


@pytest.mark.parametrize("poller", [EpollPoller, KqueuePoller, IocpPoller])
def test_without_native_part_it_is_unavailable(
    poller: Callable[[], Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netcore._native._loaded", None)
    monkeypatch.setattr("netcore._native.MISSING", "netcore was built without its native part")
    with pytest.raises(ImportError, match="without its native part"):
        poller()
    assert available() == ("select",)
    assert opened() == "select"


def test_where_nothing_runs_there_is_no_default() -> None:
    for name in poller_names():
        registry._factories[name] = cannot_run
    assert available() == ()
    with pytest.raises(PollerUnavailableError, match=f"none of the pollers {', '.join(BUILTIN)}$"):
        open_poller()


@pytest.mark.parametrize("name", ["nope", "EPOLL", "kqueue2"])
def test_an_unknown_name_is_told_with_the_known_ones(name: str) -> None:
    known = ", ".join(BUILTIN)
    with pytest.raises(PollerUnavailableError, match=f"no poller '{name}': the pollers are {known}$"):
        open_poller(name)


def test_the_environment_sets_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORE_POLLER", "select")
    assert opened() == "select"


def test_a_name_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORE_POLLER", "nope")
    assert opened("select") == "select"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORE_POLLER", "")
    assert opened() == available()[0]


def test_the_environment_does_not_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORE_POLLER", "nope")
    with pytest.raises(PollerUnavailableError, match="no poller 'nope'"):
        open_poller()


def test_a_poller_of_ones_own_is_last() -> None:
    register_poller("mine", Mine)
    assert poller_names() == (*BUILTIN, "mine")
    assert available()[-1] == "mine"
    assert opened("mine") == "mine"
    assert opened() != "mine"


def test_a_poller_of_ones_own_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    register_poller("mine", Mine)
    monkeypatch.setenv("NETCORE_POLLER", "mine")
    assert opened() == "mine"


def test_a_known_name_is_replaced_in_its_place() -> None:
    register_poller("epoll", Mine)
    assert poller_names() == BUILTIN
    assert opened() == "mine"
