"""What netcore makes of the table of platforms, here and as if on each of them."""

from __future__ import annotations

import platform
import runpy
import socket
import sys
from typing import Any

import pytest

from netcore import _machine, _platform
from netcore._facts import Facts
from netcore._platforms import PLATFORMS, platform_of


def names_on(monkeypatch: pytest.MonkeyPatch, system: str, release: str = "14.0-RELEASE") -> dict[str, Any]:
    """Runs the module that chooses as if on another system; returns its names."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "release", lambda: release)
    return runpy.run_path(_platform.__file__)


def facts_on(monkeypatch: pytest.MonkeyPatch, system: str, release: str = "14.0-RELEASE") -> Facts:
    """Returns what the kernel would be taken for on another system."""
    facts: Facts = names_on(monkeypatch, system, release)["FACTS"]
    return facts


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("linux", "Linux"),
        ("darwin", "macOS"),
        ("freebsd14", "FreeBSD"),
        ("openbsd7", "OpenBSD"),
        ("netbsd10", "NetBSD"),
        ("dragonfly6", "DragonFly"),
        ("win32", "Windows"),
        ("sunos5", "other"),
    ],
)
def test_each_system_finds_its_row(monkeypatch: pytest.MonkeyPatch, system: str, name: str) -> None:
    assert platform_of(system).name == name
    assert names_on(monkeypatch, system)["HERE"].name == name


def test_every_platform_has_a_poller_that_runs_anywhere() -> None:
    assert all(row.pollers[-1] == "select" for row in PLATFORMS)


@pytest.mark.parametrize("system", ["darwin", "openbsd7", "netbsd10", "win32"])
def test_no_port_is_shared_where_the_kernel_would_not_balance(
    monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    assert facts_on(monkeypatch, system).reuse_port is None


def test_freebsd_balances_under_another_option_also_where_python_does_not_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT_LB", raising=False)
    assert facts_on(monkeypatch, "freebsd14").reuse_port == 0x10000


def test_macos_has_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "TCP_KEEPALIVE", 0x10, raising=False)
    facts = facts_on(monkeypatch, "darwin")
    assert facts.keep_alive[0] == 0x10
    assert facts.no_sigpipe == 0x1022


def test_openbsd_has_keep_alive_times_for_the_system_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert facts_on(monkeypatch, "openbsd7").keep_alive == (None, None, None)


@pytest.mark.parametrize(
    ("system", "release", "units"),
    [
        ("dragonfly5", "5.6-RELEASE", (1000, 1000, 1)),
        ("dragonfly5", "5.8-RELEASE", (1, 1, 1)),
        ("dragonfly6", "6.4-RELEASE", (1, 1, 1)),
        ("linux", "5.4.0", (1, 1, 1)),
    ],
)
def test_old_dragonfly_counts_milliseconds(
    monkeypatch: pytest.MonkeyPatch, system: str, release: str, units: tuple[int, ...]
) -> None:
    assert facts_on(monkeypatch, system, release).keep_alive_units == units


@pytest.mark.parametrize("row", PLATFORMS, ids=lambda row: row.name)
def test_the_choosing_module_runs_as_if_on_each(monkeypatch: pytest.MonkeyPatch, row: Any) -> None:
    names = names_on(monkeypatch, row.system)
    facts = names["FACTS"]
    assert facts.abstract_names is row.abstract_names
    assert (names["SENDFILE"] is None) >= (not row.sendfile)
    assert len(facts.keep_alive) == 3


@pytest.mark.parametrize(
    ("system", "release", "first", "leave"),
    [
        ("linux", "6.13.0-1-amd64", True, True),
        ("linux", "6.1.0-18-amd64", True, False),
        ("linux", "5.4.0", True, False),
        ("linux", "5.3.18", False, False),
        ("darwin", "23.1.0", True, False),
        ("freebsd14", "14.0-RELEASE", True, False),
        ("win32", "10", False, False),
    ],
)
def test_who_is_connected_comes_first_where_the_kernel_says_so(
    monkeypatch: pytest.MonkeyPatch, system: str, release: str, first: bool, leave: bool
) -> None:
    facts = facts_on(monkeypatch, system, release)
    assert (facts.connected_first, facts.connected_leave) == (first, leave)


@pytest.mark.posix
def test_there_may_be_so_many_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert _platform.descriptor_limit() == (None if soft == resource.RLIM_INFINITY else soft)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    assert _platform.descriptor_limit() is None
    monkeypatch.setitem(sys.modules, "resource", None)
    assert _platform.descriptor_limit() is None


@pytest.mark.parametrize(("limit", "taken"), [(200, 0.75), (None, 0.0)])
def test_how_many_are_taken_the_latest_one_tells(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, taken: float
) -> None:
    monkeypatch.setattr(_machine, "descriptor_limit", lambda: limit)
    assert _machine.REAL.descriptors_taken(150) == taken
