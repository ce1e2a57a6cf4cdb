"""Many connections, of which few are busy at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import CPU, MEMORY, P50, P99, Sample
from bench.peer import Peer
from bench.workloads.base import Window
from bench.workloads.load import generate, sample_of
from bench.workloads.memory import memory_at_rest


@dataclass(frozen=True)
class MostlyIdle:
    """A stream echo on many connections, a few of which, each time others, have a message under way.

    Memory is what the server's Pss has grown by, over all connections, at the end of the load.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    connections: int
    active: int
    size: int = 64
    compared: tuple[str, ...] = (CPU, MEMORY, P50, P99)

    def settings(self) -> Mapping[str, float]:
        return {"connections": self.connections, "active": self.active, "size": self.size}

    def missing(self) -> str | None:
        return toolchain.missing_compiler() or process.too_few_descriptors(self.connections)

    def measure(self, peer: Peer, window: Window) -> Sample:
        shape = (self.connections, self.size, self.active)
        with process.serving(lambda port: peer.command(port=port), window.cpus.server) as server:
            before = memory_at_rest(server)
            timing = window.timing.after(peer.settle)
            answer = generate("load_idle", server, shape, window.cpus, timing)
        grown = answer["server_pss_bytes"] - before
        return {**sample_of(answer), MEMORY: grown / self.connections}
