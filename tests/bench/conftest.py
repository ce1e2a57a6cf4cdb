import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMPILER = os.environ.get("CC") or "cc"


@pytest.fixture(autouse=True)
def can_run() -> None:
    if sys.platform != "linux":
        pytest.skip("the benchmark needs Linux")


@pytest.fixture
def compiler() -> str:
    if shutil.which(COMPILER) is None:
        pytest.skip(f"no C compiler: {COMPILER} is not on PATH")
    return COMPILER


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `bench` importable: it is part of the repository, not of what is installed."""
    monkeypatch.syspath_prepend(str(REPOSITORY))


Bench = Callable[..., "subprocess.CompletedProcess[str]"]


TOO_SHORT = ("no reply was complete within the window", "0 of 0 requests failed")
"""What the suite, and wrk, say of a window in which nothing came through."""


@pytest.fixture
def run_bench() -> Bench:
    """Runs the suite; with longer windows where a busy machine has seen nothing through in the short ones."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        for longer in ((), ("--seconds", "2"), ("--seconds", "10")):
            done = subprocess.run(
                [sys.executable, "-m", "bench", *arguments, *longer],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if not any(words in done.stdout + done.stderr for words in TOO_SHORT):
                break
        return done

    return run


@pytest.fixture
def generator(compiler: str) -> Callable[[str], str]:
    """Builds a program of the suite and returns its path."""

    def build(program: str) -> str:
        code = f"from bench import toolchain; print(toolchain.binary({program!r}))"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return build
