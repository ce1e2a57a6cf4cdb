"""HTTP/1.1 under wrk, the load generator that web servers are compared with."""

import re
import resource
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import CPU, P50, P99, RATE, Sample
from bench.peer import Peer
from bench.process import Cpus, RunError
from bench.workloads.base import Window

_TOOL = "wrk"
_SCRIPT = toolchain.HERE / "native" / "wrk.lua"
_PATH = "/plaintext"
_SLACK = 30.0
_find_figures = re.compile(r"^figures: (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE).search


@dataclass(frozen=True)
class Http:
    """GET of a short text on connections that are kept, `depth` requests at a time on each.

    An answer that is no success is an error. Of pipelined requests wrk knows no latency that means anything.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    connections: int
    depth: int
    several_cpus: bool = False  # server and load share all the CPUs
    compared: tuple[str, ...] = (CPU, RATE)

    def settings(self) -> Mapping[str, float]:
        return {"connections": self.connections, "depth": self.depth}

    def missing(self) -> str | None:
        return None if shutil.which(_TOOL) else f"{_TOOL} is not on PATH"

    def measure(self, peer: Peer, window: Window) -> Sample:
        timing = window.timing.after(peer.settle)
        cpus = window.cpus.shared() if self.several_cpus else window.cpus
        with process.serving(
            lambda port: peer.command(port=port), cpus.server, processes=peer.processes
        ) as server:
            self._run(server.port, cpus, timing.warmup)
            before, others_before = server.cpu_seconds(), _cpu_of_the_load()
            requests, duration, p50, p99 = self._run(server.port, cpus, timing.seconds)
            cpu, load = server.cpu_seconds() - before, _cpu_of_the_load() - others_before
        sample = {
            "messages": requests,
            RATE: requests / duration,
            CPU: cpu * 1e6 / requests,
            "server_busy": cpu / duration,
            "load_busy": load / duration,
        }
        return sample if self.depth > 1 else {**sample, P50: p50, P99: p99}

    def _run(self, port: int, cpus: Cpus, seconds: float) -> tuple[int, float, float, float]:
        whole = max(1, round(seconds))  # wrk takes no fractions
        command = [_TOOL, "-t", "1", "-c", str(self.connections), "-d", str(whole), "-s", str(_SCRIPT)]
        command += [f"http://127.0.0.1:{port}{_PATH}", "--", str(self.depth)]
        printed = process.run_load(command, cpus.load, whole + _SLACK)
        found = _find_figures(printed)
        if found is None:
            raise RunError(f"{_TOOL} printed no figures: {printed.strip()!r}")
        requests, duration, errors, p50, p99 = map(int, found.groups())
        if errors or not requests:
            raise RunError(f"{errors} of {requests} requests failed")
        return requests, duration / 1e6, float(p50), float(p99)


def _cpu_of_the_load() -> float:
    """Returns the CPU time of wrk so far: no other child ends before its server has been measured."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
