"""Engines on Unix sockets of simulated hosts, and the files of these."""

from __future__ import annotations

import os

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import Simulation

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no Unix sockets in Python")

PATH = "/run/nothing/of/this/is/there.sock"


class Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


class Caller(EventHandler):
    received = b""

    def on_open(self, conn: Conn) -> Action | None:
        conn.write(b"hello")
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        self.received += conn.read()
        return Action.CLOSE


@pytest.mark.parametrize("address", [f"unix://{PATH}", "unix://@abstract"])
def test_an_engine_serves_a_unix_socket_of_its_host_alone(address: str) -> None:
    simulation = Simulation()
    server, other = simulation.host("server"), simulation.host("other")
    engine = server.engine(Echo(), address)
    caller = Caller()
    server.dial(address, handler=caller)
    simulation.run(until=lambda: caller.received == b"hello")

    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        other.dial(address).result()
    assert not os.path.exists(PATH)
    engine.stop()


def test_the_file_goes_with_the_engine_and_stays_over_a_crash() -> None:
    simulation = Simulation()
    host = simulation.host("server")
    engine = host.engine(Echo(), f"unix://{PATH}")
    with host:
        assert os.path.exists(PATH)
    engine.stop()
    with host:
        assert not os.path.exists(PATH)

    host.engine(Echo(), f"unix://{PATH}")
    host.crash()
    (engine,) = host.restart()
    caller = Caller()
    host.dial(f"unix://{PATH}", handler=caller)
    simulation.run(until=lambda: caller.received == b"hello")
    engine.stop()


def test_a_live_socket_of_another_engine_is_not_taken_away() -> None:
    simulation = Simulation()
    host = simulation.host("server")
    host.engine(Echo(), f"unix://{PATH}")

    with pytest.raises(OSError, match="in use"):
        host.engine(Echo(), f"unix://{PATH}")
