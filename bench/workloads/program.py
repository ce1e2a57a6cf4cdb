"""Programs that measure themselves: what has no server and no load."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bench import process, toolchain
from bench.figures import Sample
from bench.peer import Peer
from bench.process import RunError
from bench.workloads.base import Window

_SLACK = 90.0


@dataclass(frozen=True)
class Program:
    """A peer that is told its values and prints one figure or more as JSON.

    The functions of `preloaded`, a C file of the suite's own, stand before those of the C library: ld.so(8).
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    values: Mapping[str, int]
    compared: tuple[str, ...]
    preloaded: str = ""

    def settings(self) -> Mapping[str, float]:
        return self.values

    def missing(self) -> str | None:
        return toolchain.missing_compiler() if self.preloaded else None

    def measure(self, peer: Peer, window: Window) -> Sample:
        timing = window.timing
        command = peer.command(**self.values, warmup=timing.warmup, seconds=timing.seconds)
        if self.preloaded:
            command = ["env", f"LD_PRELOAD={toolchain.library(self.preloaded)}", *command]
        printed = process.run_program(command, window.cpus.server, timing.warmup + timing.seconds + _SLACK)
        try:
            sample: dict[str, float] = json.loads(printed)
        except json.JSONDecodeError as error:
            raise RunError(f"it printed no figures: {printed!r}") from error
        return sample
