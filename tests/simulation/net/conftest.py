"""Simulated hosts for tests of the net alone."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest
from simulated import Yard

from netcore.testing.simulation.net import sockets
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.polling import simulated_poll, simulated_select


@pytest.fixture
def yard() -> Yard:
    """Two hosts, and what lies between them."""
    return Yard()


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts simulated sockets in the place of those of the standard library."""
    monkeypatch.setattr(socket, "socket", sockets.SimulatedSocket)
    for name in ("dup", "fromfd", "socketpair"):
        monkeypatch.setattr(socket, name, getattr(sockets, name))
    for name, simulated in (("poll", simulated_poll), ("select", simulated_select)):
        if hasattr(select, name):
            monkeypatch.setattr(select, name, simulated(getattr(select, name)))


@pytest.fixture
def host(yard: Yard) -> Iterator[Kernel]:
    """Has the test be code of one host."""
    with yard.on("one") as kernel:
        yield kernel
