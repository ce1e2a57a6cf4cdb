"""The plugin for pytest: tests under many seeds, and what is told of those that fail. Each runs a pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

# Plugins that no test here is about, and that take twice as long to import as all else together. The plugin
# itself is found as users' pytest finds it.
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio")

pytestmark = pytest.mark.once

SEEDS = """
def test_seed(simulation, simulation_seed):
    assert simulation.seed == simulation_seed
    with open("seeds", "a") as file:
        file.write(f"{simulation_seed}\\n")
"""

FAILING = """
import pytest

@pytest.mark.parametrize("word", ["good", "bad"])
def test_some(word, simulation):
    a, b = simulation.host("a"), simulation.host("b")
    simulation.call_at(1.0, simulation.partition, "a", "b")
    simulation.run(until=2.0)
    assert word == "good" or simulation.seed % 10 != 7
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Writes a test module and runs it: ``run(module, *arguments)``."""

    def start(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(module)
        return subprocess.run(
            [sys.executable, "-m", "pytest", *WITHOUT, *arguments],
            cwd=tmp_path,
            env={**{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return start


@pytest.fixture
def seeds(tmp_path: Path) -> Callable[[], list[int]]:
    """Returns the seeds that the tests have run under, and forgets them."""

    def read() -> list[int]:
        file = tmp_path / "seeds"
        found = list(map(int, file.read_text().split())) if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    return read


def outcome(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the last line, without how long it took."""
    return done.stdout.splitlines()[-1].strip("= ").partition(" in ")[0]


def test_without_options_a_test_runs_once_and_has_the_name_it_has(
    run: Run, seeds: Callable[[], list[int]]
) -> None:
    done = run(SEEDS, "-v")

    assert outcome(done) == "1 passed"
    assert "test_it.py::test_seed PASSED" in done.stdout
    assert "netcore:" not in done.stdout
    assert seeds() == [0]


def test_some_seeds_are_tests_of_their_own(run: Run, seeds: Callable[[], list[int]]) -> None:
    done = run(SEEDS, "-v", "--netcore-seeds", "3", "--netcore-first-seed", "40")

    assert outcome(done) == "3 passed"
    assert re.findall(r"::(\S+) PASSED", done.stdout) == [f"test_seed[seed={n}]" for n in (40, 41, 42)]
    assert "netcore: 3 seeds from 40 on" in done.stdout
    assert seeds() == [40, 41, 42]


def test_many_seeds_are_ranges(run: Run, seeds: Callable[[], list[int]]) -> None:
    done = run(SEEDS, "-v", "--netcore-seeds", "250")

    assert outcome(done) == "100 passed"
    assert "test_it.py::test_seed[seeds=0-1] PASSED" in done.stdout
    assert "test_it.py::test_seed[seeds=247-249] PASSED" in done.stdout
    assert seeds() == list(range(250))


def test_one_seed_or_some_are_repeated(run: Run, seeds: Callable[[], list[int]]) -> None:
    done = run(SEEDS, "test_it.py::test_seed", "--netcore-seed", "17")
    assert outcome(done) == "1 passed"
    assert "netcore: seed 17" in done.stdout
    assert seeds() == [17]

    done = run(SEEDS, "--netcore-seed", "17", "--netcore-seed", "5", "--netcore-seed", "17")
    assert outcome(done) == "2 passed"
    assert seeds() == [17, 5]


def test_the_configuration_and_a_mark_say_how_many(
    run: Run, seeds: Callable[[], list[int]], tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nnetcore_seeds = 3\nnetcore_first_seed = 10\n")
    marked = (
        SEEDS
        + "\nimport pytest\n@pytest.mark.netcore_seeds(2)\n"
        + SEEDS.replace("test_seed", "test_two").strip()
    )
    done = run(marked, "--strict-markers", "--strict-config")
    assert outcome(done) == "5 passed"
    assert seeds() == [10, 11, 12, 10, 11]

    run(marked, "--netcore-seeds", "1", "--netcore-first-seed", "3")
    assert seeds() == [3, 3]


def test_seeds_that_nobody_has_tried_are_named(run: Run, seeds: Callable[[], list[int]]) -> None:
    done = run(
        SEEDS, "--netcore-seeds", "2", "--netcore-first-seed", "random", "-n", "2", "-p", "no:randomly"
    )

    (first,) = re.findall(r"netcore: 2 seeds from (\d+) on", done.stdout)
    assert sorted(seeds()) == [int(first), int(first) + 1]

    run(SEEDS, "--netcore-seeds", "2", "--netcore-first-seed", first)
    assert seeds() == [int(first), int(first) + 1]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
@pytest.mark.parametrize("count", [20, 250])
def test_a_failing_seed_comes_with_what_repeats_it(run: Run, workers: list[str], count: int) -> None:
    done = run(FAILING, "--netcore-seeds", str(count), *workers)

    bad = len(range(7, count, 10))
    total = 2 * min(count, 100)
    assert outcome(done) == f"{bad} failed, {total - bad} passed"
    command = "pytest 'test_it.py::test_some[bad]' --netcore-seed 7"
    assert f"to repeat it: {command}\nseed 7, 1 events, digest" in done.stdout
    assert re.search(r"0 +1\.000000 +partition +a +b", done.stdout)
    summary = done.stdout.partition("seeds that fail")[2]
    assert command in summary
    assert summary.count("--netcore-seed") == min(bad, 5)
    assert ("... and 20 more of this test" in summary) == (bad == 25)

    again = run(FAILING, "test_it.py::test_some[bad]", "--netcore-seed", "7")
    assert outcome(again) == "1 failed"
    assert command in again.stdout


def test_the_first_failure_can_be_the_last(run: Run) -> None:
    done = run(FAILING, "--netcore-seeds", "1000", "-x")
    assert "--netcore-seed 7\n" in done.stdout
    assert "1 failed" in outcome(done)


RAISING = """
from netcore import EventHandler

class Failing(EventHandler):
    def on_open(self, conn):
        raise LookupError("what has come before")

def test_it(simulation):
    simulation.host("a").engine(Failing(), "tcp://:7000")
    simulation.host("b").dial("tcp://a:7000")
    simulation.run(until=1.0)
    assert False
"""


def test_a_failing_seed_tells_what_handlers_have_raised_before(run: Run) -> None:
    out = run(RAISING).stdout
    assert "1 in Simulation.errors, at first: LookupError: what has come before (" in out
    assert re.search(r"test_it\.py:6 in on_open\)", out)


BROKEN = """
def test_it(simulation):
    simulation.invariant(lambda: simulation.now < 1.0)
    simulation.call_at(2.0, len, "")
    simulation.run(until=3.0)
"""


def test_a_broken_invariant_shows_the_line_of_the_test_and_none_of_netcore(run: Run) -> None:
    out = run(BROKEN).stdout
    assert re.search(
        r"^test_it\.py:5: InvariantError$|^>\s+simulation\.run\(until=3\.0\)$", out, re.MULTILINE
    )
    assert "def _check_invariants" not in out
    assert "def go_on" not in out
    assert out.count("last events:") == 1
    assert "to repeat it: " in out
    assert len(re.findall(r"^(?:E +)?event +seconds", out, re.MULTILINE)) == 1


def test_the_trace_of_a_failing_seed_is_written(run: Run, tmp_path: Path) -> None:
    run(FAILING, "--netcore-seeds", "20", "--netcore-trace", "traces")

    names = [f"test_it.py-test_some-bad-seed-{seed}.html" for seed in (17, 7)]
    assert sorted(each.name for each in (tmp_path / "traces").iterdir()) == names
    assert "partition" in (tmp_path / "traces" / names[0]).read_text(encoding="utf-8")


FIXTURES = """
import pytest

said = []

@pytest.fixture(scope="module", autouse=True)
def module():
    said.append("begin")
    yield
    said.append("end")
    print(*said)

@pytest.fixture
def each(simulation_seed):
    said.append(f"+{simulation_seed}")
    yield
    said.append(f"-{simulation_seed}")

class TestIt:
    def test_it(self, each, simulation_seed):
        assert simulation_seed != BAD
        if simulation_seed % 2:
            pytest.skip("odd")

def test_next():
    said.append("next")
"""


def test_each_seed_of_a_range_has_fixtures_of_its_own(run: Run) -> None:
    def said(bad: str, *arguments: str) -> tuple[str, str]:
        done = run(FIXTURES.replace("BAD", bad), "-s", "--netcore-seeds", "200", *arguments)
        return outcome(done), re.findall(r"begin.*end", done.stdout)[0]

    every = " ".join(f"+{seed} -{seed}" for seed in range(200))
    assert said("None") == ("101 passed", f"begin {every} next end")
    some = " ".join(f"+{seed} -{seed}" for seed in range(200) if seed != 5)
    assert said("4") == ("1 failed, 100 passed", f"begin {some} next end")
    last = f"begin {' '.join(f'+{seed} -{seed}' for seed in range(199))} end"
    assert said("198", "-k", "TestIt") == ("1 failed, 99 passed, 1 deselected", last)


OWN = """
import pytest
from netcore.testing.simulation import Simulation

@pytest.fixture
def simulation(simulation_seed):
    with Simulation(simulation_seed, trace_limit=3) as made:
        yield made

@pytest.fixture
def cluster(simulation):
    simulation.host("a")
    simulation.call_at(1.0, simulation.host("a").crash)
    simulation.run(until=2.0)

def test_cluster(cluster):
    assert False

@pytest.mark.parametrize("simulation_seed", [3, 4])
def test_named(simulation_seed, simulation):
    assert simulation.seed in (3, 4)

@pytest.mark.xfail(strict=True)
@pytest.mark.netcore_seeds(300)
def test_expected(simulation):
    assert simulation.seed % 3
"""


def test_a_test_may_make_its_simulation_itself(run: Run) -> None:
    done = run(OWN, "-k", "test_cluster or test_named", "--netcore-seeds", "2")

    assert outcome(done) == "2 failed, 2 passed, 2 deselected"
    assert re.search(r"1\.000000 +crash +a", done.stdout)
    assert "pytest test_it.py::test_cluster --netcore-seed 1\n" in done.stdout


def test_an_expected_failure_is_one_whatever_seed_it_comes_with(run: Run) -> None:
    assert outcome(run(OWN, "-k", "test_expected")) == "3 deselected, 100 xfailed"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--netcore-seeds", "0"], "'0' is no number of seeds"),
        (["--netcore-first-seed", "some"], "'some' is neither a seed"),
        (["--netcore-seed", "1", "--netcore-seeds", "2"], "--netcore-seed names the seeds"),
        (["-o", "netcore_seeds=many"], "netcore_seeds in the configuration file: 'many' is no number"),
    ],
)
def test_what_is_no_seed_is_refused(run: Run, arguments: list[str], complaint: str) -> None:
    done = run(SEEDS, *arguments)
    assert done.returncode == 4
    assert complaint in done.stderr


def test_a_mark_that_says_nothing_is_refused(run: Run) -> None:
    done = run("import pytest\n\n@pytest.mark.netcore_seeds\n" + SEEDS.strip())
    assert "takes one number of seeds" in done.stdout
    assert done.returncode != 0


def test_it_imports_netcore_for_those_alone_who_ask_for_it(run: Run) -> None:
    module = "import sys\n\ndef test_it():\n    assert 'netcore' not in sys.modules\n"
    assert outcome(run(module)) == "1 passed"


def test_it_can_be_left_out(run: Run) -> None:
    done = run("def test_it():\n    pass\n" + SEEDS, "-p", "no:netcore")
    assert outcome(done) == "1 passed, 1 error"
    assert "fixture 'simulation' not found" in done.stdout


def test_a_module_that_cannot_be_collected_is_told_of_as_ever(run: Run) -> None:
    done = run("import nothing_of_that_name")

    assert done.returncode == 2
    assert "1 error" in done.stdout
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
