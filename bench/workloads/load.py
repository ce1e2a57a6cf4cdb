"""The workloads of the suite's own load generators."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import CPU, P50, RATE, Sample
from bench.process import Cpus, RunError
from bench.registry import Peer
from bench.workloads.base import Timing

# Connecting, and a load generator that has to wait for its CPU.
_SLACK = 30.0


@dataclass(frozen=True)
class Load:
    """A closed loop: `generator` is given `shape`, in its order, between the address and the times."""

    name: str
    title: str
    peers: tuple[Peer, ...]
    generator: str
    shape: Mapping[str, int]
    options: tuple[str, ...] = ()
    serves: Callable[[int], bool] = process.accepts_stream
    several_cpus: bool = False  # server and load share all the CPUs
    compared: tuple[str, ...] = (CPU, RATE, P50)

    def settings(self) -> Mapping[str, float]:
        return self.shape

    def missing(self) -> str | None:
        connections = max(self.shape.get("connections", 0), self.shape.get("sockets", 0))
        return toolchain.missing_compiler() or process.too_few_descriptors(connections)

    def measure(self, peer: Peer, cpus: Cpus, timing: Timing) -> Sample:
        warmup = timing.warmup + peer.settle
        placed = cpus.shared() if self.several_cpus else cpus
        with process.serving(lambda port: peer.command(port=port), placed.server, self.serves) as server:
            command = [str(toolchain.binary(self.generator)), *self.options, "127.0.0.1", str(server.port)]
            command += map(str, (*self.shape.values(), warmup, timing.seconds, server.pid))
            answer = json.loads(process.run_load(command, placed.load, warmup + timing.seconds + _SLACK))
        return _sample(answer)


def _sample(answer: Mapping[str, float]) -> Sample:
    messages = answer["messages"]
    if not messages:
        raise RunError(f"no reply was complete within the window of {answer['seconds']:g} s")
    sample = {
        "messages": messages,
        RATE: answer["messages_per_second"],
        CPU: answer["server_cpu_seconds"] * 1e6 / messages,
        "p50_us": answer["p50_us"],
        "p99_us": answer["p99_us"],
        "p999_us": answer["p999_us"],
        "server_busy": answer["server_cpu_seconds"] / answer["seconds"],
        "load_busy": answer["load_cpu_seconds"] / answer["seconds"],
    }
    if "lost" in answer:
        sample["lost_share"] = answer["lost"] / (messages + answer["lost"])
    return sample
