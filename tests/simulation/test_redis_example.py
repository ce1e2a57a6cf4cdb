"""The Redis example under many seeds: counters on a bad net, and keys that expire in virtual time."""

from __future__ import annotations

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import Host, Simulation

pytest.importorskip("hiredis")

from examples import redis
from examples.redis_server import Server

pytestmark = pytest.mark.once

CLIENTS = 3
TROUBLE = 5.0
SETTLED = 2000.0


class Counter(EventHandler):
    """Counts on the server: some requests at once, and more when they are answered.

    Attributes:
        asked: How many increments were sent.
        answers: The values that came back.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.asked = 0
        self.answers: list[int] = []
        self._waiting = 0

    def on_open(self, conn: Conn) -> None:
        self.ask(conn)

    def ask(self, conn: Conn) -> None:
        if self.simulation.now > TROUBLE:
            conn.close()
        elif not conn.closed:
            self._waiting = self.simulation.random.randrange(1, 40)
            self.asked += self._waiting
            conn.write(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n" * self._waiting)

    def on_traffic(self, conn: Conn) -> Action | None:
        *lines, rest = bytes(conn.peek()).split(b"\r\n")
        conn.discard(conn.inbound_buffered - len(rest))
        for line in lines:
            self.answers.append(int(line.removeprefix(b":")))
        self._waiting -= len(lines)
        if not self._waiting:
            if self.simulation.random.random() < 0.1:
                return Action.CLOSE
            conn.loop.schedule(self.simulation.random.random() * 0.1, self.ask, conn)
        return None


class World:
    """A server and those who count on it."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.handler = redis.Redis()
        self.server = simulation.host("server")
        self.handler.server = Server(self.server.clock.time)
        loops = simulation.random.choice((1, 2))
        self.engine = self.server.engine(
            self.handler, "tcp://:6379", options=redis.OPTIONS, num_event_loops=loops
        )
        self.counters: list[Counter] = []
        self.homes = [simulation.host(f"home{i}") for i in range(CLIENTS)]
        for home in self.homes:
            loss = simulation.random.choice((0.0, 0.1))
            simulation.link(home, self.server, latency=0.01, loss=loss)
            self.come(home)
        simulation.call_later(simulation.random.random(), self.trouble)

    def come(self, home: Host) -> None:
        """Has a client begin, and others after it."""
        if self.simulation.now < TROUBLE:
            if home.up:
                counter = Counter(self.simulation)
                self.counters.append(counter)
                with home:
                    home.client(counter, tcp_keep_alive=60).engine.dial("tcp://server:6379", timeout=5)
            self.simulation.call_later(1.0, self.come, home)

    def trouble(self) -> None:
        simulation, source = self.simulation, self.simulation.random
        home = source.choice(self.homes)
        if simulation.now > TROUBLE:
            for each in self.homes:
                simulation.heal(each, self.server)
            return
        what = source.random()
        if what < 0.4:
            simulation.partition(home, self.server, one_way=source.random() < 0.5)
        elif what < 0.8:
            simulation.heal(home, self.server)
        else:
            home.restart()
        simulation.call_later(source.random() * 0.5, self.trouble)

    def ask(self, request: bytes) -> bytes:
        """Asks something now, by a client that nothing is wrong with."""
        answer = bytearray()

        class Console(EventHandler):
            def on_open(self, conn: Conn) -> None:
                conn.write(request)

            def on_traffic(self, conn: Conn) -> Action:
                answer.extend(conn.read())
                return Action.CLOSE

        self.simulation.host("console").dial("tcp://server:6379", handler=Console())
        self.simulation.run(until=lambda: bool(answer))
        return bytes(answer)


@pytest.mark.netcore_seeds(50)
def test_what_was_answered_has_been_counted_once(simulation: Simulation) -> None:
    world = World(simulation)
    simulation.run(until=SETTLED)

    answers = [value for counter in world.counters for value in counter.answers]
    assert len(answers) == len(set(answers)), "two were given the same number"
    for counter in world.counters:
        assert counter.answers == sorted(counter.answers)
    count = int(world.ask(b"GET n\r\n").split(b"\r\n")[1])
    assert max(answers) <= count
    assert len(answers) <= count <= sum(counter.asked for counter in world.counters)

    simulation.run(until=simulation.now + 1)
    assert not world.engine.connections(), "somebody is gone, and the server has not noticed"
    assert world.engine.stop()
    assert not world.server.kernel.network.descriptors.of("server")


def test_keys_expire_in_virtual_time(simulation: Simulation) -> None:
    world = World(simulation)
    simulation.run(until=SETTLED)
    assert world.ask(b"SET k v EX 86400\r\n") == b"+OK\r\n"
    simulation.run(until=simulation.now + 86_390)
    assert world.ask(b"GET k\r\n") == b"$1\r\nv\r\n"
    simulation.run(until=simulation.now + 20)
    assert world.ask(b"GET k\r\n") == b"$-1\r\n"
