"""What a supervisor costs while nothing happens."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import family, process
from bench.figures import ALL_IDLE, SUPERVISOR_IDLE, SUPERVISOR_PSS, SUPERVISOR_RSS, Sample
from bench.peer import Peer
from bench.workloads.base import Window

_LONGER = 30  # than other windows: what happens once in a while is to be in it
_AFTER_BOOT = 1.0  # seconds, in which something may yet end that belongs to the start


@dataclass(frozen=True)
class Rest:
    """CPU and memory of the supervisor, which is the parent, and CPU of all its processes, at rest."""

    name: str
    title: str
    peers: tuple[Peer, ...]
    compared: tuple[str, ...] = (SUPERVISOR_RSS, SUPERVISOR_IDLE, ALL_IDLE)

    def settings(self) -> Mapping[str, float]:
        return {"times the window": _LONGER}

    def missing(self) -> str | None:
        return None

    def measure(self, peer: Peer, window: Window) -> Sample:
        with process.serving(
            lambda port: peer.command(port=port), window.cpus.shared().server, processes=peer.processes
        ) as server:
            time.sleep(_AFTER_BOOT)
            begin, own, everyone = time.monotonic(), family.cpu_seconds(server.pid), server.cpu_seconds()
            time.sleep(_LONGER * window.timing.seconds)
            own = family.cpu_seconds(server.pid) - own
            everyone = server.cpu_seconds() - everyone
            seconds = time.monotonic() - begin
            return {
                SUPERVISOR_RSS: _megabytes(server.pid, "status", "VmRSS"),
                SUPERVISOR_PSS: _megabytes(server.pid, "smaps_rollup", "Pss"),
                SUPERVISOR_IDLE: own / seconds * 100,
                ALL_IDLE: everyone / seconds * 100,
            }


def _megabytes(pid: int, file: str, field: str) -> float:
    """Reads a line of proc(5); MB are 10^6 bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6
