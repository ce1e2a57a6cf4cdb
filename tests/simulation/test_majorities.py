"""A register on three hosts, of which a majority is asked: chaos finds the read that forgets half of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import LinkChange, Simulation

pytestmark = pytest.mark.once

REPLICAS = ("a", "b", "c")
DURATION = 4.0
SEEDS = 60
AGAIN = 0.3
"""Seconds after which an unanswered question is asked again."""


class Replica(EventHandler):
    """Keeps the greatest number that it has heard of, and answers with it."""

    def __init__(self) -> None:
        self.value = 0

    def on_traffic(self, conn: Conn) -> Action | None:
        number, _, value = conn.read().partition(b" ")
        self.value = max(self.value, int(value))
        conn.write(b"%b %d" % (number, self.value))
        return None


class Client(EventHandler):
    """Asks all replicas at once, one question after the other, and is content with two answers."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self._simulation = simulation
        self._number = 0
        self._answers: dict[int, int] = {}
        self._done: Callable[[int], object] = print
        host = simulation.host(name)
        self._conns = [host.dial(f"udp://{each}:7000", handler=self).result() for each in REPLICAS]

    def ask(self, value: int, done: Callable[[int], object]) -> None:
        """Has the replicas know of a number; gives the greatest that is known to two of them."""
        self._number += 1
        self._answers, self._done = {}, done
        self._send(self._number, value)

    def _send(self, number: int, value: int) -> None:
        if number == self._number:
            for conn in self._conns:
                conn.async_write(b"%d %d" % (number, value))
            self._simulation.call_later(AGAIN, self._send, number, value)

    def on_traffic(self, conn: Conn) -> Action | None:
        number, _, value = conn.read().partition(b" ")
        if int(number) == self._number:
            self._answers[conn.id] = int(value)
            if len(self._answers) == 2:
                self._number += 1
                self._done(max(self._answers.values()))
        return None


def goes_back(seed: int, writes_back: bool) -> bool:
    """Whether a reader sees a number that is less than the one that it saw before."""
    seen = [0]
    with Simulation(seed) as simulation:
        for name in REPLICAS:
            simulation.host(name).engine(Replica(), "udp://:7000")
        writer, reader = Client(simulation, "writer"), Client(simulation, "reader")

        def write(value: int = 1) -> None:
            writer.ask(value, lambda _: simulation.call_later(0.02, write, value + 1))

        def read() -> None:
            reader.ask(0, write_back if writes_back else have)

        def write_back(value: int) -> None:
            reader.ask(value, lambda _: have(value))

        def have(value: int) -> None:
            seen.append(value)
            simulation.call_later(0.005, read)

        write()
        read()
        simulation.chaos(DURATION, kinds=[LinkChange])
        simulation.run(until=lambda: seen[-1] < max(seen) or simulation.now > DURATION)
    assert len(seen) > 20
    return seen[-1] < max(seen)


def test_a_read_that_does_not_write_back_is_found_out() -> None:
    assert any(goes_back(seed, writes_back=False) for seed in range(SEEDS))


def test_one_that_does_survives() -> None:
    assert not any(goes_back(seed, writes_back=True) for seed in range(SEEDS // 10))
