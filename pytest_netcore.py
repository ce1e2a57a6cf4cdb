"""The plugin of netcore for pytest: tests in a simulated world, under as many seeds as one likes.

A test asks for the fixture ``simulation``, which is a ``netcore.testing.simulation.Simulation`` of one seed.
``--netcore-seeds 1000`` runs it under that many, and ``--netcore-seed 17`` under this one again.

It is outside of the package so that pytest, which loads it wherever netcore is installed, imports netcore
only for the tests that ask for it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from netcore.testing.simulation import Simulation

__all__ = ["simulation", "simulation_seed"]

_SEED = "simulation_seed"
_MARKER = "netcore_seeds"

_MOST_ITEMS = 100
"""Seeds up to which each is a test of its own. Beyond that a test goes through a range of them, so that ten
thousand seeds are as quickly collected, and as many lines, as a hundred."""

_MOST_LINES = 5
"""Failing seeds of one test that the summary shows."""

_now: pytest.StashKey[int] = pytest.StashKey()
"""The seed that an item runs under."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the command line and of the configuration file."""
    group = parser.getgroup("netcore", "simulated worlds of netcore")
    group.addoption(
        "--netcore-seeds",
        type=_count,
        metavar="N",
        help="run each test that has the fixture simulation under N seeds (default: netcore_seeds)",
    )
    group.addoption(
        "--netcore-seed",
        type=_first,
        action="append",
        metavar="SEED",
        help="run it under this seed, and no other unless this is given several times",
    )
    group.addoption(
        "--netcore-first-seed",
        type=_first,
        metavar="SEED|random",
        help="the first of the seeds; 'random' for seeds that nobody has tried yet, as in a nightly run: the "
        "header says which (default: netcore_first_seed)",
    )
    group.addoption(
        "--netcore-trace",
        metavar="DIR",
        help="write the trace of each failing seed to this directory, as a page for the browser",
    )
    parser.addini(
        "netcore_seeds", "under how many seeds a test that has the fixture simulation runs", default="1"
    )
    parser.addini("netcore_first_seed", "the first of these seeds, or 'random'", default="0")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seeds, which is 1 or more")
    return int(text)


def _first(text: str) -> int:
    if text == "random":
        return random.SystemRandom().randrange(1 << 32)
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a seed, which is 0 or more, nor 'random'")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Reads the options."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(n): under how many seeds the test runs, unless the command line says otherwise",
    )
    option = config.option
    if hasattr(config, "workerinput"):
        option.netcore_first_seed = config.workerinput["netcore_first_seed"]
    elif option.netcore_first_seed is None:
        option.netcore_first_seed = _configured(config, "netcore_first_seed", _first)
    if option.netcore_seed is not None and option.netcore_seeds is not None:
        raise pytest.UsageError("--netcore-seed names the seeds: --netcore-seeds has no place beside it")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist which seed is the first, or each would pick one at random."""
    node.workerinput["netcore_first_seed"] = node.config.option.netcore_first_seed


def _configured(config: pytest.Config, name: str, read: Callable[[str], int]) -> int:
    try:
        return read(str(config.getini(name)))
    except argparse.ArgumentTypeError as error:
        raise pytest.UsageError(f"{name} in the configuration file: {error}") from None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Tells of the seeds, if they are not the same ones as always."""
    option = config.option
    if option.netcore_seed is not None:
        return f"netcore: seed {', '.join(map(str, option.netcore_seed))}"
    count = option.netcore_seeds or _configured(config, "netcore_seeds", _count)
    first = option.netcore_first_seed
    if count == 1 and first == 0:
        return None
    return f"netcore: {count} seeds from {first} on (--netcore-seeds {count} --netcore-first-seed {first})"


# Which seeds a test runs under.


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes tests of the seeds, where there are more than one: a test under one has the name that it has."""
    if _SEED not in metafunc.fixturenames or _names_seeds_itself(metafunc.definition):
        return
    groups = _groups(_seeds(metafunc))
    if len(groups) > 1:
        metafunc.parametrize(_SEED, groups, indirect=True, ids=map(_id, groups))


def _names_seeds_itself(item: pytest.Item) -> bool:
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        if _SEED in (re.split(r"[,\s]+", names) if isinstance(names, str) else names):
            return True
    return False


def _seeds(metafunc: pytest.Metafunc) -> Sequence[int]:
    option = metafunc.config.option
    if option.netcore_seed is not None:
        return list(dict.fromkeys(option.netcore_seed))
    count = option.netcore_seeds
    if count is None:
        marker = metafunc.definition.get_closest_marker(_MARKER)
        count = _configured(metafunc.config, "netcore_seeds", _count) if marker is None else _marked(marker)
    return range(option.netcore_first_seed, option.netcore_first_seed + count)


def _marked(marker: pytest.Mark) -> int:
    if len(marker.args) == 1 and not marker.kwargs and isinstance(marker.args[0], int) and marker.args[0] > 0:
        return marker.args[0]
    raise pytest.UsageError(f"pytest.mark.{_MARKER} takes one number of seeds, from 1 on")


def _groups(seeds: Sequence[int]) -> list[Sequence[int]]:
    """Divides seeds among at most so many tests; the groups differ by one seed in size."""
    many = min(len(seeds), _MOST_ITEMS)
    ends = [len(seeds) * i // many for i in range(many + 1)]
    return [seeds[first:last] for first, last in itertools.pairwise(ends)]


def _id(seeds: Sequence[int]) -> str:
    return f"seed={seeds[0]}" if len(seeds) == 1 else f"seeds={seeds[0]}-{seeds[-1]}"


def _group(item: pytest.Item) -> Sequence[int]:
    """Returns the seeds of an item, if there are any: it has been told them, or it runs under one alone."""
    callspec = getattr(item, "callspec", None)
    group = () if callspec is None else callspec.params.get(_SEED, ())
    return group if isinstance(group, (list, range)) else ()


@pytest.fixture
def simulation_seed(request: pytest.FixtureRequest) -> int:
    """The seed that the test runs under, for who makes a simulation otherwise than ``simulation`` does."""
    stash = request.node.stash
    if _now not in stash:
        named = getattr(request, "param", None)  # a group of one, or what the test's own parametrization says
        option = request.config.option
        seeds = [named] if isinstance(named, int) else named or option.netcore_seed
        stash[_now] = seeds[0] if seeds else option.netcore_first_seed
    return int(stash[_now])


@pytest.fixture
def simulation(simulation_seed: int) -> Iterator[Simulation]:
    """A simulated world of the seed that the test runs under; it is closed after the test."""
    from netcore.testing.simulation import Simulation

    with Simulation(simulation_seed) as world:
        yield world


# A test that goes through a range of seeds.


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test under each seed of its range, with new fixtures each time, up to the first that fails."""
    seeds = _group(item)
    if len(seeds) < 2:
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    spent = dict.fromkeys(("setup", "call", "teardown"), 0.0)
    told: list[pytest.TestReport] = []
    for seed in seeds:
        item.stash[_now] = seed
        # What is above the test is left as it is until its last seed: as if a sibling were next.
        follower: Any = nextitem if seed == seeds[-1] else item.parent
        reports = runtestprotocol(item, log=False, nextitem=follower)
        for report in reports:
            spent[report.when] += report.duration
        if any(report.failed or hasattr(report, "wasxfail") for report in reports):
            told = reports
            if follower is not nextitem:
                told += _tear_down(item, nextitem)
            break
        if not told or not any(report.skipped for report in reports):
            told = reports
    for report in told:
        report.duration = spent[report.when]
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _tear_down(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Tears down what the next item does not need; returns what there is to report of that."""
    # Not through the hooks, whose other implementations have had their turn for this item.
    state = item.session._setupstate
    call = pytest.CallInfo.from_call(
        lambda: state.teardown_exact(nextitem), "teardown", reraise=pytest.exit.Exception
    )
    return [] if call.excinfo is None else [pytest.TestReport.from_item_and_call(item, call)]


# What is told of a seed that fails.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to the report of a failure how it is repeated, and what has happened last."""
    report = yield
    if report.failed and _now in item.stash:
        seed = item.stash[_now]
        test = _plain(item)
        command = f"pytest {_quoted(_seen_from_here(item.config, test))} --netcore-seed {seed}"
        report.user_properties += [
            ("netcore_test", test),
            ("netcore_seed", seed),
            ("netcore_repeat", command),
        ]
        told = "last events:" in report.longreprtext
        report.sections.append(
            ("netcore", "\n".join([f"to repeat it: {command}", *_traces(item, test, seed, told)]))
        )
    if call.when == "teardown" and _now in item.stash:
        del item.stash[_now]
    return report


def _plain(item: pytest.Item) -> str:
    """Returns what an item is called if it runs under one seed."""
    group = _group(item)
    if not group:
        return item.nodeid
    mine = _id(group)
    name, _, parameters = item.nodeid.rpartition("[")
    others = parameters[:-1].replace(f"-{mine}", "").replace(f"{mine}-", "").replace(mine, "")
    return f"{name}[{others}]" if others else name


def _seen_from_here(config: pytest.Config, test: str) -> str:
    """Returns the name of a test with its path from where pytest was started."""
    here = config.invocation_params.dir
    if here == config.rootpath:
        return test
    path, colons, name = test.partition("::")
    return f"{os.path.relpath(config.rootpath / path, here)}{colons}{name}"


def _quoted(text: str) -> str:
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)


def _traces(item: pytest.Item, test: str, seed: int, told: bool) -> Iterator[str]:
    """Says what has happened last in the simulations of an item, and writes their pages if that is wanted.

    Args:
        item: The item.
        test: What it is called.
        seed: Its seed.
        told: Whether the failure itself shows the last events, as that of an invariant does.
    """
    directory = item.config.option.netcore_trace
    for number, world in enumerate(_simulations(item)):
        if world.errors:
            yield _errors(world.errors)
        summary, _, events = str(world.trace).partition("\n")
        yield summary if told else f"{summary}\n{events}"
        if directory is not None:
            words = re.sub(r"[^\w.=-]+", "-", test).strip("-")
            more = f"-{number + 1}" if number else ""
            path = Path(item.config.invocation_params.dir, directory, f"{words}-seed-{seed}{more}.html")
            path.parent.mkdir(parents=True, exist_ok=True)
            world.trace.write_html(path)
            yield f"the whole trace: {path}"


def _errors(errors: Sequence[Exception]) -> str:
    """Says what handlers and others have raised: the run goes on then, and may fail of that later."""
    first = errors[0]
    frames = traceback.extract_tb(first.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
    text = traceback.format_exception_only(type(first), first)[-1].strip()
    return f"raised before and caught by nobody, {len(errors)} in Simulation.errors, at first: {text}{where}"


def _simulations(item: pytest.Item) -> list[Simulation]:
    """Returns the simulations among the values of an item's fixtures, whoever has made them."""
    module = sys.modules.get("netcore.testing.simulation")
    values = (getattr(item, "funcargs", None) or {}).values()
    return [] if module is None else [value for value in values if isinstance(value, module.Simulation)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what repeats the failures, for each test."""
    lines: dict[str, list[str]] = {}
    for outcome in ("failed", "error"):
        for report in terminalreporter.getreports(outcome):
            told = dict(getattr(report, "user_properties", ()))  # what fails to be collected has none
            if "netcore_repeat" in told:
                lines.setdefault(told["netcore_test"], []).append(told["netcore_repeat"])
    if lines:
        terminalreporter.section("seeds that fail")
    for commands in lines.values():
        distinct = list(dict.fromkeys(commands))
        for command in distinct[:_MOST_LINES]:
            terminalreporter.line(command)
        if len(distinct) > _MOST_LINES:
            terminalreporter.line(f"... and {len(distinct) - _MOST_LINES} more of this test")
