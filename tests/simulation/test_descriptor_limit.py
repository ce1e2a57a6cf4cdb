"""Hosts on which descriptors run out."""

from __future__ import annotations

import errno
import socket

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing import RecordingHandler, Simulation


class Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


def greet(conn: Conn) -> None:
    conn.write(b"hello")


def test_who_is_one_too_many_is_turned_away_and_later_served() -> None:
    simulation = Simulation(0)
    server, client = simulation.host("server"), simulation.host("client")
    engine = server.engine(Echo(), "tcp://:7000", num_event_loops=1)
    simulation.run(until=0.5)
    server.descriptor_limit = server.kernel.descriptor_count + 1
    served, refused, late = RecordingHandler(), RecordingHandler(), RecordingHandler(on_open=greet)
    first = client.dial("tcp://server:7000", handler=served).result()
    client.dial("tcp://server:7000", handler=refused)
    simulation.run(until=1.0)

    (closed,) = [event for event in refused.events if event.name == "on_close"]
    assert isinstance(closed.detail, ConnectionResetError)
    assert engine.metrics().accept_failures > 0
    assert engine.metrics().connections == 1

    first.close()
    simulation.run(until=2.0)
    client.dial("tcp://server:7000", handler=late)
    simulation.run(until=3.0)
    assert b"".join(event.detail for event in late.events if event.name == "on_traffic") == b"hello"


def test_a_client_learns_that_there_is_none() -> None:
    simulation = Simulation(0)
    simulation.host("server").engine(Echo(), "tcp://:7000")
    client = simulation.host("client")
    client.client(RecordingHandler())
    client.descriptor_limit = client.kernel.descriptor_count
    with pytest.raises(OSError, match=r".") as caught:
        client.dial("tcp://server:7000").result()
    assert caught.value.errno == errno.EMFILE


def test_the_limit_stays_over_a_restart() -> None:
    simulation = Simulation(0)
    host = simulation.host("a")
    assert host.descriptor_limit is None
    host.descriptor_limit = 2
    host.restart()
    assert host.descriptor_limit == 2
    with host:
        sockets = [socket.socket(), socket.socket()]
        with pytest.raises(OSError, match=r".") as caught:
            socket.socket()
        assert caught.value.errno == errno.EMFILE
        host.descriptor_limit = None
        sockets.append(socket.socket())
        for sock in sockets:
            sock.close()


def test_nothing_of_an_engine_that_has_stopped_is_left() -> None:
    simulation = Simulation(0)
    host = simulation.host("server")
    engine = host.engine(Echo(), "tcp://:7000", "tcp://:7001", num_event_loops=2)
    assert host.kernel.descriptor_count > 0
    engine.stop()
    assert host.kernel.descriptor_count == 0


@pytest.mark.parametrize(("limit", "sockets"), [(None, 8), (8, 5), (1, 1)])
def test_sessions_that_part_from_their_listener_leave_a_quarter_to_others(
    limit: int | None, sockets: int
) -> None:
    simulation = Simulation(0)
    server, client = simulation.host("server"), simulation.host("client")
    engine = server.engine(Echo(), "kcp://:7000", num_event_loops=1)
    for _ in range(8):
        client.dial("kcp://server:7000").result().async_write(b"hello")
    simulation.run(until=1.0)
    server.descriptor_limit = limit
    engine.stop_listening("kcp://:7000")
    simulation.run(until=2.0)

    assert server.kernel.descriptor_count == sockets  # the listener's among them, if a session is on it
    assert engine.metrics().connections == 8
