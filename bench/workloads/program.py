"""Programs that measure themselves: what has no server and no load."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import Sample
from bench.process import Cpus, RunError
from bench.registry import Peer
from bench.workloads.base import Timing

_SLACK = 90.0


@dataclass(frozen=True)
class Program:
    """A peer that is told its values and prints one figure or more as JSON."""

    name: str
    title: str
    peers: tuple[Peer, ...]
    values: Mapping[str, int]
    compared: tuple[str, ...]
    compiles: bool = False

    def settings(self) -> Mapping[str, float]:
        return self.values

    def missing(self) -> str | None:
        return toolchain.missing_compiler() if self.compiles else None

    def measure(self, peer: Peer, cpus: Cpus, timing: Timing) -> Sample:
        toolchain.BUILD.mkdir(exist_ok=True)
        command = peer.command(**self.values, warmup=timing.warmup, seconds=timing.seconds)
        printed = process.run_program(command, cpus.server, timing.warmup + timing.seconds + _SLACK)
        try:
            sample: dict[str, float] = json.loads(printed)
        except json.JSONDecodeError as error:
            raise RunError(f"it printed no figures: {printed!r}") from error
        return sample
