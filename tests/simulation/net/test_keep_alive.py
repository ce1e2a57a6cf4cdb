"""Keep-alive in a simulated world: what it finds out and when, and that silence costs nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from netcore import Action, Conn, EventHandler
from netcore.sockets import set_keep_alive
from netcore.testing import Host, Simulation

_IDLE, _INTERVAL, _COUNT = 10.0, 2.0, 3
_DAY = 86_400.0


class Serving(EventHandler):
    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.ended: list[tuple[float, str]] = []

    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.ended.append((self.simulation.now, type(error).__name__))
        return None


def connected() -> tuple[Simulation, Serving, Host, Conn]:
    simulation = Simulation()
    serving = Serving(simulation)
    server, client = simulation.host("server"), simulation.host("client")
    server.engine(
        serving, "tcp://:7000", tcp_keep_alive=_IDLE, tcp_keep_interval=_INTERVAL, tcp_keep_count=_COUNT
    )
    return simulation, serving, client, client.dial("tcp://server:7000").result()


def test_a_silent_day_is_no_event() -> None:
    simulation, serving, _, conn = connected()
    simulation.run(until=2 * _IDLE)
    happened = simulation._world.scheduler.happened
    simulation.run(until=_DAY)

    assert simulation._world.scheduler.happened == happened
    assert not conn.closed
    assert not serving.ended


@pytest.mark.parametrize("when", [1.0, 15.0, 1000.0, _DAY + 3.5])
@pytest.mark.parametrize(
    ("trouble", "error", "at_most"),
    [
        (lambda simulation, client: client.crash(), "TimeoutError", _IDLE + _COUNT * _INTERVAL),
        (lambda simulation, client: client.restart(), "ConnectionResetError", _IDLE),
        (
            lambda simulation, client: simulation.partition("server", "client"),
            "TimeoutError",
            _IDLE + _COUNT * _INTERVAL,
        ),
        (
            lambda simulation, client: simulation.partition("server", "client", one_way=True),
            "TimeoutError",
            _IDLE + _COUNT * _INTERVAL,
        ),
        (
            lambda simulation, client: simulation.partition("client", "server", one_way=True),
            "TimeoutError",
            _IDLE + _COUNT * _INTERVAL,
        ),
        (
            lambda simulation, client: simulation.link("server", "client", loss=1.0),
            "TimeoutError",
            _IDLE + _COUNT * _INTERVAL,
        ),
    ],
)
def test_a_peer_that_is_lost_is_found_out_in_time(
    when: float, trouble: Callable[[Simulation, Host], object], error: str, at_most: float
) -> None:
    simulation, serving, client, _ = connected()
    simulation.run(until=when)
    trouble(simulation, client)
    simulation.run(until=when + 100)

    ((ended, name),) = serving.ended
    assert name == error
    assert at_most - _IDLE < ended - when + 0.01 <= at_most + 0.02


def test_traffic_puts_the_next_question_off() -> None:
    simulation, serving, client, conn = connected()
    simulation.run(until=1000)
    conn.async_write(b"hello")
    simulation.run(until=1003)
    client.crash()
    simulation.run(until=1100)

    ((ended, _),) = serving.ended
    assert ended == pytest.approx(1000 + _IDLE + _COUNT * _INTERVAL, abs=0.1)


def test_a_line_that_heals_in_time_was_no_trouble() -> None:
    simulation, serving, _, conn = connected()
    for _ in range(3):
        simulation.run(until=simulation.now + 1000)
        simulation.partition("server", "client")
        simulation.run(until=simulation.now + 2 * _INTERVAL)
        simulation.heal("server", "client")
    simulation.run(until=simulation.now + 1000)

    assert not serving.ended
    assert not conn.closed


def test_a_peer_that_had_closed_before_its_host_crashed_is_found_out_as_well() -> None:
    simulation = Simulation()
    server, client = simulation.host("server"), simulation.host("client")
    with server:
        listener = socket.create_server(("", 7000))
    with client:
        near = socket.create_connection(("server", 7000))
        set_keep_alive(near, True, _IDLE, _INTERVAL, _COUNT)
    with server:
        listener.accept()[0].close()  # which waits for the other end to close, too
    simulation.run(until=5.0)
    server.restart()
    simulation.run(until=5.0 + 2 * _IDLE)

    with client:
        assert near.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            near.send(b"?")
        near.close()
