"""A short round of every attack: the figures hold."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the attacks read Linux's /proc")

NAMES = [
    "connection-flood",
    "reset-storm",
    "datagram-flood",
    "empty-datagrams",
    "log-flood",
    "slow-readers",
    "no-readers",
    "fast-reader",
    "leaving-readers",
    "half-open-ends",
    "slow-http",
    "slow-lines",
    "idle-crowd",
    "tls-stalls",
    "proxy-stalls",
    "tls-costly-keys",
    "proxy-tlvs",
    "fuzz-frames",
    "fuzz-delimited",
    "fuzz-lines",
    "fuzz-http",
    "fuzz-redis",
    "fuzz-websocket",
    "no-descriptors",
    "no-memory",
    "no-threads",
    "lingering-peers",
    "stopped-process",
    "passed-descriptors",
]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Makes `bench` importable: it is part of the repository, not of what is installed."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_hold(name):
    from bench.attack.__main__ import run
    from bench.attack.base import load
    from bench.attack.scene import Scene

    outcome = run(load()[name], Scene(short=True, seed=7))
    if outcome.missing:
        pytest.skip(outcome.error)
    assert not outcome.broken()


def test_no_attack_is_left_out():
    from bench.attack.base import load

    assert sorted(load()) == sorted(NAMES)


def test_a_figure_that_is_missing_or_out_of_bounds_breaks_the_attack():
    from bench.attack.base import Attack, Outcome, at_least, at_most, exactly

    attack = Attack("a", "does it", {"x": at_most(1), "y": at_least(2), "z": exactly(0)}, lambda scene: {})
    assert Outcome(attack, {"x": 1, "y": 2, "z": 0}).broken() == []
    assert Outcome(attack, {"x": 1.5, "y": 1, "z": 0}).broken() == ["x is 1.5, not <= 1", "y is 1, not >= 2"]
    assert Outcome(attack, {"x": 0, "y": 3}).broken() == ["z is nan, not = 0"]
    assert Outcome(attack, {}, "it failed").broken() == ["it failed"]
    assert Outcome(attack, {}, "nothing to attack", missing=True).broken() == []


def test_an_attacker_that_fails_is_no_silent_success():
    from bench.attack.scene import Scene

    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        nothing = lambda: None  # noqa: E731
        nothing.__module__ = "bench.attack.attacks.nothing"
        Scene(short=True).attack(nothing)


def test_the_command_lists_chooses_and_reports(capsys, monkeypatch, tmp_path):
    from bench.attack.__main__ import main

    monkeypatch.setattr(sys, "argv", ["attack", "--list"])
    assert main() == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in NAMES)
    report = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["attack", "--short", "--json", str(report), "fuzz-delim"])
    assert main() == 0
    assert "fuzz-delimited" in capsys.readouterr().out
    assert "fuzz-delimited" in report.read_text()
