"""Leader election: of some nodes at most one leads in a term, whatever the net does and whoever crashes.

python examples/election.py a=udp://127.0.0.1:9001 b=udp://127.0.0.1:9002 c=udp://127.0.0.1:9003 --name a

Each node asks the others for their votes when it has not heard of a leader for some time, and leads once more
than half have voted for it: the election of the Raft paper (section 5.2), without its log. What a node has
promised it must keep after a crash, so it is written to the disk before it is told. ``tests/simulation`` runs
this under thousands of seeds, and a twin that forgets its vote, which is found out.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import netcore

HEARTBEAT = 0.05
"""Seconds between two signs of life of a leader, and between two questions of a candidate."""


class Disk(Protocol):
    """Where a node keeps what a crash must not take."""

    def load(self) -> tuple[int, str]:
        """Returns the term, and who has the node's vote in it; zero and an empty name at first."""
        ...

    def save(self, term: int, voted_for: str) -> None:
        """Keeps both, and returns when they are safe."""


class Node(netcore.EventHandler):
    """Takes part in elections. Its datagrams are a word, a term and the sender's name.

    Args:
        name: The node's.
        others: Where the other nodes are, by name.
        disk: What is left of a former life.

    Attributes:
        name: As given.
        term: The present one.
        leads: Whether it leads in it.
    """

    def __init__(self, name: str, others: Mapping[str, str], disk: Disk) -> None:
        self.name = name
        self.term, self._voted_for = disk.load()
        self.leads = False
        self._others = dict(others)
        self._disk = disk
        self._peers: dict[str, netcore.Conn] = {}
        self._votes: set[str] = set()
        self._patience = 0.0

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Opens a socket to each of the others, and waits whether one of them leads."""
        self._be_patient()
        for name, address in self._others.items():
            engine.loops[0].dial(address, context=name)

    def on_open(self, conn: netcore.Conn) -> None:
        """One of these is open."""
        if conn.context is not None:
            self._peers[conn.context] = conn

    def on_tick(self, engine: netcore.EngineView) -> float:
        """Leads, asks again, or finds that nobody leads."""
        self._patience -= HEARTBEAT
        if self.leads:
            self._tell_others("lead")
        elif self._patience <= 0:
            self._stand()
        elif self._votes:
            self._tell_others("ask")
        return HEARTBEAT

    def _stand(self) -> None:
        self._enter(self.term + 1, self.name)
        self._votes = {self.name}
        self._be_patient()
        self._tell_others("ask")

    def _be_patient(self) -> None:
        self._patience = random.uniform(3, 6) * HEARTBEAT

    def _enter(self, term: int, voted_for: str = "") -> None:
        self.term, self._voted_for, self.leads = term, voted_for, False
        self._votes = set()
        self._disk.save(term, voted_for)

    def _tell_others(self, word: str) -> None:
        for conn in self._peers.values():
            self._tell(conn, word)

    def _tell(self, conn: netcore.Conn, word: str) -> None:
        conn.write(f"{word} {self.term} {self.name}".encode())

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Takes what another node says."""
        word, number, name = conn.read().decode().split()
        term = int(number)
        if term > self.term:
            self._enter(term)
        if term < self.term:
            return
        if word == "ask" and self._voted_for in ("", name):
            if not self._voted_for:
                self._enter(term, name)
            self._be_patient()
            self._tell(conn, "vote")
        elif word == "vote" and self._votes:
            self._votes.add(name)
            self.leads = self.leads or 2 * len(self._votes) > len(self._others) + 1
        elif word == "lead":
            self._votes = set()
            self._be_patient()

    def on_error(self, conn: netcore.Conn, error: Exception) -> None:
        """The other one is not there: a datagram more or less."""


class FileDisk:
    """A file of JSON, which is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[int, str]:
        """See ``Disk.load``."""
        if not self._path.exists():
            return 0, ""
        term, voted_for = json.loads(self._path.read_text())
        return term, voted_for

    def save(self, term: int, voted_for: str) -> None:
        """See ``Disk.save``."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([term, voted_for]))
        new.replace(self._path)


def main() -> None:
    """Takes part until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Elects a leader among some nodes.")
    parser.add_argument(
        "nodes", nargs="+", metavar="NAME=ADDRESS", help="all nodes, such as a=udp://127.0.0.1:9001"
    )
    parser.add_argument("--name", required=True, help="which of them this is")
    parser.add_argument("--disk", type=Path, help="where to keep the vote (default: NAME.json)")
    arguments = parser.parse_args()
    nodes = dict(node.partition("=")[::2] for node in arguments.nodes)
    if arguments.name not in nodes:
        sys.exit(f"election: there is no node {arguments.name}")
    address = nodes.pop(arguments.name)
    disk = FileDisk(arguments.disk or Path(f"{arguments.name}.json"))
    try:
        netcore.run(Node(arguments.name, nodes, disk), address, ticker=True)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"election: {error}")


if __name__ == "__main__":
    main()
