"""Engines, clients and plain code that speak UDP and look names up in a simulated world."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from netcore import Action, Conn, EventHandler
from netcore.sockets import PureSockets
from netcore.testing.conformance import sockets_bench
from netcore.testing.conformance.datagram_rules import DATAGRAM_RULES
from netcore.testing.conformance.sockets_bench import SocketsBench
from netcore.testing.simulation import Simulation, current


class Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(b"re: " + conn.read())
        return None


class Asker(EventHandler):
    """Sends a question on each connection, and keeps the answers."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def on_open(self, conn: Conn) -> Action | None:
        conn.write(b"hello")
        return None

    def on_traffic(self, conn: Conn) -> Action | None:
        self.answers.append(conn.read())
        return None


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(1)


@pytest.mark.parametrize("listener", ["udp://:7000", "udp4://0.0.0.0:7000", "udp6://[::]:7000"])
def test_an_engine_answers_datagrams(simulation: Simulation, listener: str) -> None:
    simulation.host("server").engine(Echo(), listener)
    asker = Asker()
    target = "udp6://server:7000" if "udp6" in listener else "udp://server:7000"
    simulation.host("client").dial(target, handler=asker)
    simulation.run(until=lambda: len(asker.answers) == 1)
    assert asker.answers == [b"re: hello"]


def test_loops_share_a_port_and_each_flow_is_one_s(simulation: Simulation) -> None:
    simulation.host("server").engine(Echo(), "udp://:7000", multicore=True, reuse_port=True)
    asker = Asker()
    client = simulation.host("client")
    for _ in range(8):
        client.dial("udp://server:7000", handler=asker)
    simulation.run(until=lambda: len(asker.answers) == 8)
    assert asker.answers == [b"re: hello"] * 8


def test_an_engine_that_listens_to_a_group_hears_it(simulation: Simulation) -> None:
    for name in ("first", "second"):
        simulation.host(name).engine(Echo(), "udp://239.1.2.3:7000")
    with simulation.host("client"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        simulation.run(until=0.1)
        sock.sendto(b"all", ("239.1.2.3", 7000))
        answers = [sock.recvfrom(100) for _ in range(2)]
    assert [data for data, _ in answers] == [b"re: all"] * 2
    assert sorted(name[0] for _, name in answers) == ["10.0.0.1", "10.0.0.2"]


def test_plain_code_asks_and_waits(simulation: Simulation) -> None:
    simulation.host("server").engine(Echo(), "udp://:7000")
    simulation.names.plan("server", delay=2.0)
    with simulation.host("client"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert socket.gethostname() == "client"
        sock.sendto(b"hello", ("server", 7000))
        assert simulation.now == 2.0
        assert sock.recvfrom(100) == (b"re: hello", ("10.0.0.1", 7000))
        sock.settimeout(3)
        with pytest.raises(TimeoutError):
            sock.recv(100)
        assert simulation.now > 5.0


def test_a_dial_waits_for_a_slow_name(simulation: Simulation) -> None:
    simulation.host("server").engine(Echo(), "tcp://:7000")
    simulation.names.add("db.example", "server")
    simulation.names.plan("db.example", delay=1.5)
    asker = Asker()
    simulation.host("client").dial("tcp://db.example:7000", handler=asker)
    simulation.run(until=lambda: len(asker.answers) == 1)
    assert 1.5 < simulation.now < 1.6


def test_a_dial_fails_with_its_name(simulation: Simulation) -> None:
    simulation.host("server").engine(Echo(), "tcp://:7000")
    simulation.names.plan("server", failure=1, delay=0.5)
    with pytest.raises(socket.gaierror, match="server"):
        simulation.host("client").dial("tcp://server:7000").result()
    assert simulation.now == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rule", DATAGRAM_RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_a_host_s_sockets_keep_the_rules_of_datagrams(
    rule: Callable[[SocketsBench], None], simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_ready(fd: int) -> bool:
        current.wait(lambda: False, 0.001, "everything to arrive")
        return bool(current.kernel().endpoint(fd).readiness())

    monkeypatch.setattr(sockets_bench, "wait_ready", wait_ready)
    with simulation.host("client"):
        bench = SocketsBench(PureSockets())
        try:
            rule(bench)
        finally:
            bench.close()
