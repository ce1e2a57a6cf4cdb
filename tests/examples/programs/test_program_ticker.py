"""The ticker example, with nc listening."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.clients
def test_everybody_gets_every_tick(talk, start) -> None:
    ticker = start("ticker", "--interval", "0.02", "--loops", "2")
    first = talk(ticker)
    ticks = [re.fullmatch(r"tick (\d+), 1 listening", first.hear()) for _ in range(5)]
    numbers = [int(tick[1]) for tick in ticks if tick]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    second = talk(ticker)
    tick = second.hear()
    assert tick.endswith("2 listening")
    assert first.hear_until("2 listening")[-1] == tick
    second.close()
    first.hear_until("1 listening")


def test_an_interval_that_is_none() -> None:
    command = [sys.executable, str(ROOT / "examples" / "ticker.py"), "--interval", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--interval must be above zero" in done.stderr
