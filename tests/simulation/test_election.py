"""The election of examples/election.py under many seeds, and a twin that forgets, which is found out."""

from __future__ import annotations

from collections import defaultdict

import pytest

from examples.election import Node
from netcore.testing.simulation import Host, InvariantError, Simulation

pytestmark = pytest.mark.once

NAMES = ("a", "b", "c")
DURATION = 3.0
SEEDS = 100
MOST = 600


class Disk:
    """What survives a crash."""

    def __init__(self) -> None:
        self.kept: tuple[int, str] = (0, "")

    def load(self) -> tuple[int, str]:
        return self.kept

    def save(self, term: int, voted_for: str) -> None:
        self.kept = (term, voted_for)


class ForgetfulDisk(Disk):
    """The planted fault: the vote is not written down, and so is lost in a crash."""

    def save(self, term: int, voted_for: str) -> None:
        self.kept = (term, "")


class Election:
    """Three nodes under a seed, on a bad net, that crash and come back."""

    def __init__(self, seed: int, make_disk: type[Disk]) -> None:
        self.simulation = simulation = Simulation(seed)
        self.leaders: defaultdict[int, set[str]] = defaultdict(set)
        self.disks = {name: make_disk() for name in NAMES}
        self.nodes: dict[str, Node] = {}
        for name in NAMES:
            host = simulation.host(name)
            host.engine(self.node(name), "udp://:9000", ticker=True)
        for first, second in ("ab", "bc", "ac"):
            simulation.link(
                first, second, latency=lambda source: 0.001 + 0.03 * source.random(), loss=0.2, duplicate=0.05
            )
        simulation.invariant(self.at_most_one_leads_in_a_term)
        for host in simulation.hosts:
            self.plan_crash(host)
        self.part_some()

    def node(self, name: str) -> Node:
        others = {other: f"udp://{other}:9000" for other in NAMES if other != name}
        self.nodes[name] = node = Node(name, others, self.disks[name])
        return node

    def part_some(self) -> None:
        """Cuts one of the links, and heals the others; again and again."""
        pairs = [tuple(pair) for pair in ("ab", "bc", "ac")]
        cut = self.simulation.random.choice(pairs)
        for pair in pairs:
            (self.simulation.partition if pair == cut else self.simulation.heal)(*pair)
        self.simulation.call_later(0.5, self.part_some)

    def plan_crash(self, host: Host) -> None:
        self.simulation.call_later(0.6 * self.simulation.random.random(), self.crash, host)

    def crash(self, host: Host) -> None:
        del self.nodes[host.name]
        host.crash()
        self.simulation.call_later(0.03 * self.simulation.random.random(), self.restart, host)

    def restart(self, host: Host) -> None:
        host.restart(self.node(host.name))
        self.plan_crash(host)

    def at_most_one_leads_in_a_term(self) -> None:
        for node in self.nodes.values():
            if node.leads:
                self.leaders[node.term].add(node.name)
                assert len(self.leaders[node.term]) == 1, f"two lead in term {node.term}"


def test_nobody_but_one_leads_in_a_term() -> None:
    led = 0
    for seed in range(SEEDS):
        election = Election(seed, Disk)
        election.simulation.run(until=DURATION)
        led += len(election.leaders)

    assert led > SEEDS  # that nobody ever leads would be no proof of anything


def test_a_vote_that_a_crash_takes_is_found_out() -> None:
    for seed in range(MOST):
        election = Election(seed, ForgetfulDisk)
        try:
            election.simulation.run(until=DURATION)
        except InvariantError as error:
            assert "two lead in term" in str(error)
            break
    else:
        pytest.fail(f"{MOST} seeds have not found it")

    again = Election(seed, ForgetfulDisk)
    with pytest.raises(InvariantError):
        again.simulation.run(until=DURATION)
    assert again.simulation.trace.digest() == election.simulation.trace.digest()
