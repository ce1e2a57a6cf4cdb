"""HTTP/1.1 under wrk, the load generator that web servers are compared with."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import CPU, P50, RATE, Sample
from bench.process import Cpus, RunError
from bench.registry import Peer
from bench.workloads.base import Timing

_TOOL = "wrk"
_REPORT = toolchain.HERE / "native" / "wrk_report.lua"
_SLACK = 30.0
_find_figures = re.compile(r"^figures: (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE).search


@dataclass(frozen=True)
class Http:
    """GET of a short text on connections that are kept; an answer that is no success is an error."""

    name: str
    title: str
    peers: tuple[Peer, ...]
    connections: int
    path: str = "/hello"
    compared: tuple[str, ...] = (CPU, RATE, P50)

    def settings(self) -> Mapping[str, float]:
        return {"connections": self.connections}

    def missing(self) -> str | None:
        return None if shutil.which(_TOOL) else f"{_TOOL} is not on PATH"

    def measure(self, peer: Peer, cpus: Cpus, timing: Timing) -> Sample:
        with process.serving(lambda port: peer.command(port=port), cpus.server) as server:
            self._run(server.port, cpus, timing.warmup + peer.settle)
            before = server.cpu_seconds()
            requests, duration, p50, p99 = self._run(server.port, cpus, timing.seconds)
            cpu = server.cpu_seconds() - before
        return {
            "messages": requests,
            RATE: requests / duration,
            CPU: cpu * 1e6 / requests,
            P50: p50,
            "p99_us": p99,
            "server_busy": cpu / duration,
        }

    def _run(self, port: int, cpus: Cpus, seconds: float) -> tuple[int, float, float, float]:
        whole = max(1, round(seconds))  # wrk takes no fractions
        url = f"http://127.0.0.1:{port}{self.path}"
        command = [_TOOL, "-t", "1", "-c", str(self.connections), "-d", str(whole), "-s", str(_REPORT), url]
        printed = process.run_load(command, cpus.load, whole + _SLACK)
        found = _find_figures(printed)
        if found is None:
            raise RunError(f"{_TOOL} printed no figures: {printed.strip()!r}")
        requests, duration, errors, p50, p99 = map(int, found.groups())
        if errors or not requests:
            raise RunError(f"{errors} of {requests} requests failed")
        return requests, duration / 1e6, float(p50), float(p99)
