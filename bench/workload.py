"""What the load generators do, and what they say about it."""

import json
from dataclasses import asdict, dataclass

from bench import process, toolchain
from bench.process import Cpus, RunError, Server

# Connecting, and a load generator that has to wait for its CPU.
_SLACK = 30.0


@dataclass(frozen=True)
class Sample:
    """One measured window of one server."""

    messages: int
    messages_per_second: float
    cpu_us_per_message: float  # of the server, user + system, all threads
    p50_us: float
    p99_us: float
    p999_us: float
    server_busy: float  # CPU time per second of the window
    load_busy: float


@dataclass(frozen=True)
class StreamEcho:
    """A closed loop of echoes: each of `connections` keeps `depth` messages of `size` bytes under way."""

    connections: int
    size: int
    depth: int
    warmup: float  # seconds, before the window
    seconds: float  # the window

    def describe(self) -> dict[str, float]:
        return asdict(self)

    def measure(self, server: Server, cpus: Cpus) -> Sample:
        """Loads `server` and returns what the window held.

        Raises:
            RunError: a reply was wrong or a connection broke (the figures of a server that does not
                do the job mean nothing), or there was no reply at all.
            CompileError: the load generator could not be built.
        """
        shape = (self.connections, self.size, self.depth, self.warmup, self.seconds)
        command = [str(toolchain.binary("load_stream.c")), "127.0.0.1"]
        command += map(str, (server.port, *shape, server.pid))
        answer = json.loads(process.run_load(command, cpus.load, self.warmup + self.seconds + _SLACK))
        if not answer["messages"]:
            raise RunError(f"no reply was complete within the window of {self.seconds:g} s")
        return Sample(
            messages=answer["messages"],
            messages_per_second=answer["messages_per_second"],
            cpu_us_per_message=answer["server_cpu_seconds"] * 1e6 / answer["messages"],
            p50_us=answer["p50_us"],
            p99_us=answer["p99_us"],
            p999_us=answer["p999_us"],
            server_busy=answer["server_cpu_seconds"] / answer["seconds"],
            load_busy=answer["load_cpu_seconds"] / answer["seconds"],
        )
