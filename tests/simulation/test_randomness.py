"""There is one source of randomness in a simulated world, whichever way a program asks for some."""

from __future__ import annotations

import os
import random
import secrets
import tempfile
import uuid
from collections.abc import Callable

import pytest

from netcore.testing import Simulation


def reseeded() -> float:
    random.seed()
    return random.random()


def name_of_a_file() -> str:
    with tempfile.TemporaryDirectory() as directory:
        return directory


WAYS: list[Callable[[], object]] = [
    lambda: random.random(),
    lambda: random.Random().random(),
    lambda: random.Random(None).random(),
    reseeded,
    lambda: random.SystemRandom().random(),
    lambda: os.urandom(8),
    secrets.token_hex,
    uuid.uuid4,
    name_of_a_file,
]


@pytest.mark.parametrize("way", WAYS, ids=range(len(WAYS)))
def test_the_seed_decides(way: Callable[[], object]) -> None:
    def drawn(seed: int) -> object:
        with Simulation(seed).host("a"):
            return way()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_what_is_seeded_goes_by_its_seed() -> None:
    with Simulation(1).host("a"):
        assert random.Random(5).random() == random.Random(x=5).random()
        random.seed(5)
        assert random.random() == random.Random(5).random()
        assert random.Random("text").getrandbits(64) == 7331205974797327822
