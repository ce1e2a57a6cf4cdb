"""The proxy example under many seeds."""

from __future__ import annotations

import pytest
from proxied import ProxyWorld, options_for

from examples.proxy import OPTIONS, Proxy
from netcore.testing.simulation import Simulation

pytestmark = pytest.mark.once


@pytest.mark.netcore_seeds(100)
def test_a_proxy_on_a_bad_net(simulation: Simulation) -> None:
    ProxyWorld(simulation, Proxy, options_for(simulation.random, OPTIONS)).live()
