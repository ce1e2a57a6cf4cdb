"""The soak runs from one end to the other, and can tell a leak from noise."""

import random
import subprocess
import sys
from pathlib import Path
from struct import Struct
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.soak", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False)


def test_a_few_seconds_of_soak() -> None:
    done = soak("--minutes", "0.03", "--threads", "3", "--seed", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conversations on 3 threads" in done.stdout
    assert "| rss |" in done.stdout
    for kind in ("echo", "short", "frames"):
        assert f"| {kind}, plain |" in done.stdout


@pytest.mark.parametrize("arguments", [("--minutes", "0"), ("--threads", "0"), ("--minutes", "nan")])
def test_a_wrong_argument_is_refused(arguments: tuple[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "must be above zero" in done.stderr


def noise(seed: int, count: int, slope: float) -> list[float]:
    chance = random.Random(seed)
    return [1000 + slope * i + chance.gauss(0, 10) for i in range(count)]


@pytest.mark.usefixtures("importable")
def test_a_trend_is_told_from_noise() -> None:
    from bench.soak.trend import trend

    for seed in range(20):
        assert not trend(noise(seed, 60, 0)).grows(20)
        found = trend(noise(seed, 60, 2))
        assert found.grows(20)
        assert found.slope == pytest.approx(2, abs=0.5)


@pytest.mark.usefixtures("importable")
def test_a_trend_is_not_made_by_outliers_nor_by_the_beginning() -> None:
    from bench.soak.trend import trend

    outliers = noise(1, 60, 0)
    outliers[50] = outliers[55] = 100_000
    assert not trend(outliers).grows(20)
    warming = [100.0 * min(i, 14) for i in range(60)]
    assert trend(warming).growth == 0


@pytest.mark.usefixtures("importable")
def test_too_few_samples_are_not_judged() -> None:
    from bench.soak.trend import trend

    assert not trend([1.0, 2.0, 3.0, 4.0]).judged
    assert not trend([1.0]).judged
    assert trend([float(i) for i in range(12)]).grows(1)


def series(seconds: int, every: float, leak: float, seed: int) -> list[dict[str, Any]]:
    """What rounds of a run would show, with the noise of real ones, and so many objects lost a second."""
    chance = random.Random(seed)
    figures = []
    for number in range(int(seconds / every)):
        base = 26_000 + chance.randint(-8, 8)
        lost = int(number * every * leak)
        figures.append(
            {
                "rss": 40 << 20,
                "descriptors": 31,
                "objects": base + lost,
                "kinds": {"builtins.dict": base, "builtins.list": lost},
            }
        )
    return figures


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("seed", range(10))
def test_a_leak_of_one_object_a_second_fails_a_run_of_five_minutes(seed: int) -> None:
    from bench.soak.__main__ import Report, judge

    sound = Report(figures=series(300, 21.25, 0, seed))
    judge(sound)
    assert sound.failures == []
    leaking = Report(figures=series(300, 21.25, 1, seed))
    judge(leaking)
    (failure,) = leaking.failures
    assert failure.startswith("objects grows: by ")
    assert "builtins.list" in failure


@pytest.mark.usefixtures("importable")
def test_packers_are_no_leak_and_have_their_bound() -> None:
    from bench.soak.objects import PACKERS, census

    before = census()
    kept = [Struct(f"{count}n").pack for count in range(1, 200)]
    lost: list[list[None]] = [[] for _ in range(200)]
    after = census()
    assert after[PACKERS] - before[PACKERS] == 2 * len(kept)
    assert after["builtins.list"] - before["builtins.list"] >= len(lost)


def test_a_real_server_that_leaks_is_found_out() -> None:
    done = soak("--minutes", "0.4", "--threads", "2", "--round", "0.2", "--leak", "200")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "objects grows" in done.stderr
    assert "builtins.list" in done.stderr
