"""The chat example under many seeds."""

from __future__ import annotations

import pytest
from chat_room import ChatWorld

from netcore.testing.simulation import Simulation

pytestmark = pytest.mark.once


@pytest.mark.netcore_seeds(150)
def test_a_room_on_a_bad_net(simulation: Simulation) -> None:
    ChatWorld(simulation).live()
