"""The same seed, the same story, whatever the hashes of text and the addresses of objects are."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

STORY = Path(__file__).with_name("coroutine_story.py")


def told(seed: int, hash_seed: str, *options: str) -> str:
    return subprocess.run(
        [sys.executable, *options, str(STORY), str(seed)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("seed", [1, 2])
def test_a_story_is_the_same_in_every_process(seed: int) -> None:
    first = told(seed, "0")

    assert told(seed, "1") == first
    assert told(seed, "2") == first
    assert told(seed, "0", "-X", "dev") == first


def test_it_is_the_same_again_in_the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STORY.parent))
    from coroutine_story import tell  # type: ignore[import-not-found]

    first = tell(3)
    thresholds = gc.get_threshold()
    gc.set_threshold(10)
    try:
        assert tell(3) == first
    finally:
        gc.set_threshold(*thresholds)
    assert tell(4) != first
