"""The Redis example beside Redis, under Redis's own load generator."""

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from bench import process
from bench.figures import CPU, P50, RATE, Sample
from bench.peer import Peer
from bench.process import Cpus, RunError
from bench.workloads.base import Window

_TOOL = "redis-benchmark"
_CLIENTS = 50
_KEYS = 10_000
# Requests per second of window to expect at least a second's work from, by pipeline depth.
_REQUESTS_PER_SECOND = {1: 80_000, 16: 400_000}
_SLACK = 60.0


@dataclass(frozen=True)
class RedisCommand:
    """One command, `depth` of them under way on each connection, over 10 000 keys that all exist.

    redis-benchmark takes a number of requests, not a time. CPU time is that of its whole run, and so
    includes its clients' connecting.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    command: str
    depth: int
    compared: tuple[str, ...] = (RATE, CPU)

    def settings(self) -> Mapping[str, float]:
        return {"connections": _CLIENTS, "depth": self.depth, "keys": _KEYS}

    def missing(self) -> str | None:
        return None if shutil.which(_TOOL) else f"{_TOOL} is not on PATH"

    def measure(self, peer: Peer, window: Window) -> Sample:
        cpus, timing = window.cpus, window.timing
        requests = int(_REQUESTS_PER_SECOND[self.depth] * timing.seconds)
        with process.serving(lambda port: peer.command(port=port), cpus.server) as server:
            self._run(server.port, cpus, "set", 10 * _KEYS, 16)
            warmup = int(_REQUESTS_PER_SECOND[self.depth] * timing.warmup)
            self._run(server.port, cpus, self.command, warmup, self.depth)
            before = server.cpu_seconds()
            row = self._run(server.port, cpus, self.command, requests, self.depth)
            cpu = server.cpu_seconds() - before
        rate = float(row["rps"])
        return {
            "messages": requests,
            RATE: rate,
            CPU: cpu * 1e6 / requests,
            P50: float(row["p50_latency_ms"]) * 1e3,
            "p99_us": float(row["p99_latency_ms"]) * 1e3,
            "server_busy": cpu * rate / requests,
        }

    def _run(self, port: int, cpus: Cpus, command: str, requests: int, depth: int) -> dict[str, str]:
        line = f"{_TOOL} -h 127.0.0.1 -p {port} -c {_CLIENTS} -r {_KEYS} --csv"
        line += f" -t {command} -P {depth} -n {max(requests, _CLIENTS)}"
        printed = process.run_load(line.split(), cpus.load, _SLACK)
        rows = list(csv.DictReader(printed.splitlines()))
        if len(rows) != 1:
            raise RunError(f"{_TOOL} printed no figures: {printed.strip()!r}")
        return rows[0]
