"""The proxy example, and the one of coroutines, under many seeds."""

from __future__ import annotations

import pytest
from proxied import ProxyWorld, options_for

from examples import async_proxy, proxy
from netcore.testing.simulation import Simulation

pytestmark = pytest.mark.once


@pytest.mark.netcore_seeds(100)
def test_a_proxy_on_a_bad_net(simulation: Simulation) -> None:
    ProxyWorld(simulation, proxy.Proxy, options_for(simulation.random, proxy.OPTIONS)).live()


@pytest.mark.netcore_seeds(100)
def test_one_of_coroutines(simulation: Simulation) -> None:
    options = options_for(simulation.random, async_proxy.OPTIONS)
    ProxyWorld(simulation, async_proxy.Proxy, options, piece=65536).live()
