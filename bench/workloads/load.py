"""The workloads of the suite's own load generators."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import BULK, CPU, LAG, P50, P99, P999, RATE, Sample
from bench.peer import Peer
from bench.process import Cpus, RunError, Server
from bench.workloads.base import Timing, Window

# Connecting, and a load generator that has to wait for its CPU.
_SLACK = 30.0

Answer = Mapping[str, float]
"""What a load generator prints."""


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

    def values(self) -> Mapping[str, object]:
        """What a peer is told beside its port."""
        return {}

    def missing(self) -> str | None:
        connections = max(self.shape.get(name, 0) for name in ("connections", "sockets", "sessions"))
        return toolchain.missing_compiler() or process.too_few_descriptors(connections)

    def measure(self, peer: Peer, window: Window) -> Sample:
        timing = window.timing.after(peer.settle)
        cpus = window.cpus.shared() if self.several_cpus else window.cpus
        values = self.values()
        with process.serving(
            lambda port: peer.command(port=port, **values), cpus.server, self.serves, peer.processes
        ) as server:
            answer = generate(self.generator, server, self.shape.values(), cpus, timing, self.options)
        return sample_of(answer)


def generate(
    generator: str,
    server: Server,
    shape: Iterable[int],
    cpus: Cpus,
    timing: Timing,
    options: tuple[str, ...] = (),
    meanwhile: Callable[[], object] | None = None,
    with_cpu: bool = True,
    host: str = "127.0.0.1",
) -> Answer:
    """Runs a load generator against a server, and calls `meanwhile` again and again as long as it runs.

    It tells the CPU time of the server's processes, if they are the same from one end to the other.

    Raises:
        RunError: the server did not do its job, or no message was complete in the window.
        CompileError: the load generator could not be built.
    """
    command = [str(toolchain.binary(generator)), *options, host, str(server.port)]
    command += map(str, (*shape, timing.warmup, timing.seconds, *(server.family() if with_cpu else ())))
    timeout = timing.warmup + timing.seconds + _SLACK
    answer: Answer = json.loads(process.run_load(command, cpus.load, timeout, meanwhile))
    if not answer["messages"]:
        raise RunError(f"no reply was complete within the window of {answer['seconds']:g} s")
    return answer


def sample_of(answer: Answer) -> Sample:
    """Makes figures of what a generator has printed."""
    messages, seconds = answer["messages"], answer["seconds"]
    sample = {
        "messages": messages,
        RATE: answer["messages_per_second"],
        CPU: answer["server_cpu_seconds"] * 1e6 / messages,
        P50: answer["p50_us"],
        P99: answer["p99_us"],
        P999: answer["p999_us"],
        "server_busy": answer["server_cpu_seconds"] / seconds,
        "load_busy": answer["load_cpu_seconds"] / seconds,
    }
    if "lost" in answer:
        sample["lost_share"] = answer["lost"] / (messages + answer["lost"])
    if "lag_p99_us" in answer:
        sample[LAG] = answer["lag_p99_us"]
        del sample["load_busy"]  # it spins between messages
    if "bulk_bytes" in answer:
        sample[BULK] = answer["bulk_bytes"] / seconds / 1e6
        del sample[CPU]  # most of it went into the bulk
    return sample
