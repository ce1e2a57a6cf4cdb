"""The stream echo at a given rate: what its clients wait for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import process, toolchain
from bench.figures import ASKED, CPU, P50, P99, P999, Sample
from bench.peer import Peer
from bench.workloads.base import Window
from bench.workloads.load import generate, sample_of


@dataclass(frozen=True)
class Capacity:
    """The messages per second of a closed loop that a reference takes, measured once in each round.

    Rates that are shares of it ask the same of all peers, and neither too little nor too much of any machine.
    """

    reference: Peer
    connections: int
    size: int
    _known: dict[int, float] = field(default_factory=dict)

    def of(self, window: Window) -> float:
        """Returns that of the window's round.

        Raises:
            RunError: the reference does not serve.
            CompileError: it, or the load generator, could not be built.
        """
        if window.round not in self._known:
            shape = (self.connections, self.size, 1)
            with process.serving(
                lambda port: self.reference.command(port=port), window.cpus.server
            ) as server:
                answer = generate("load_stream", server, shape, window.cpus, window.timing)
            self._known[window.round] = answer["messages_per_second"]
        return self._known[window.round]


@dataclass(frozen=True)
class OpenLoop:
    """Messages are sent when they are due, at `percent` of the capacity, and wait from then on."""

    name: str
    title: str
    peers: tuple[Peer, ...]
    capacity: Capacity
    percent: int
    compared: tuple[str, ...] = (P99, P50, P999, CPU)

    def settings(self) -> Mapping[str, float]:
        capacity = self.capacity
        return {
            "connections": capacity.connections,
            "size": capacity.size,
            "percent of capacity": self.percent,
        }

    def missing(self) -> str | None:
        return toolchain.missing_compiler() or process.too_few_descriptors(self.capacity.connections)

    def measure(self, peer: Peer, window: Window) -> Sample:
        rate = max(1, int(self.capacity.of(window) * self.percent / 100))
        shape = (self.capacity.connections, self.capacity.size, rate)
        with process.serving(lambda port: peer.command(port=port), window.cpus.server) as server:
            timing = window.timing.after(peer.settle)
            answer = generate("load_open", server, shape, window.cpus, timing)
        return {**sample_of(answer), ASKED: rate}
