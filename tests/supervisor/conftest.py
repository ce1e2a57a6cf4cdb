"""A supervisor for each test that wants one, of which nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervised import Supervised

Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts supervisors; see ``Supervised``."""
    made: list[Supervised] = []

    def make(*addresses: str, **arguments: object) -> Supervised:
        one = Supervised(tmp_path, *addresses, **arguments)  # type: ignore[arg-type]
        made.append(one)
        return one

    yield make
    for one in made:
        one.end()
