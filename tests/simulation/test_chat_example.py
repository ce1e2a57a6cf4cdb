"""The chat example under many seeds."""

from __future__ import annotations

import pytest
from chat_room import ChatWorld

from netcore.testing.simulation import Simulation

pytestmark = pytest.mark.once

SEEDS = 150


def test_a_room_on_a_bad_net() -> None:
    for seed in range(SEEDS):
        ChatWorld(Simulation(seed, trace_limit=1000)).live()
