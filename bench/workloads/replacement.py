"""Short connections while the processes that serve them are replaced."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench import family, process, toolchain
from bench.figures import (
    EXCESS,
    FAILURES,
    GAP,
    GAP_BESIDE,
    P50,
    P99,
    P999,
    REPLACED,
    WAIT,
    WAIT_BESIDE,
    WAIT_QUIET,
    Sample,
)
from bench.launchers import environment
from bench.peer import Peer
from bench.process import RunError, Server
from bench.workloads.base import Timing, Window
from bench.workloads.load import Answer, generate

_RATE, _SIZE = 1000, 64
_LONGER, _SHORTEST = 5, 2.0  # times a window, and at least so many seconds, for something to be replaced in
_TIMEOUT = 60.0
_INTERVAL = 0.02
_FAILURES = ("refused", "reset", "wrong", "unanswered")

Disturbance = Callable[[Server], None]
"""Does something once, and returns when it is over."""


@dataclass(frozen=True)
class Replacement:
    """An open loop of short connections in three windows: undisturbed, beside what boots, and replaced.

    Whoever replaces another boots meanwhile, and takes a CPU from those that serve and from the load for that
    time, as any program does that boots: the second window shows what this alone makes a connection wait.
    Replacements, like those programs, follow each other without a pause.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    replace: Disturbance
    beside: Disturbance
    compared: tuple[str, ...] = (WAIT, GAP)

    def settings(self) -> Mapping[str, float]:
        return {"connections per second": _RATE, "size": _SIZE}

    def missing(self) -> str | None:
        return toolchain.missing_compiler()

    def measure(self, peer: Peer, window: Window) -> Sample:
        cpus = window.cpus.shared()
        timing = Timing(window.timing.warmup, max(_SHORTEST, _LONGER * window.timing.seconds))
        count = 0

        def load(meanwhile: Callable[[], object] | None = None) -> Answer:
            shape = (_SIZE, _RATE)
            return generate("load_arrivals", server, shape, cpus, timing, meanwhile=meanwhile, with_cpu=False)

        def replace() -> None:
            nonlocal count
            self.replace(server)
            count += 1

        with process.serving(
            lambda port: peer.command(port=port), cpus.server, processes=peer.processes
        ) as server:
            quiet = load()
            beside = load(lambda: self.beside(server))
            replaced = load(replace)
        return {
            FAILURES: sum(replaced[kind] for kind in _FAILURES),
            REPLACED: count,
            P50: replaced["p50_us"],
            P99: replaced["p99_us"],
            P999: replaced["p999_us"],
            WAIT: replaced["longest_us"] / 1e3,
            WAIT_BESIDE: beside["longest_us"] / 1e3,
            WAIT_QUIET: quiet["longest_us"] / 1e3,
            GAP: replaced["gap_us"] / 1e3,
            GAP_BESIDE: beside["gap_us"] / 1e3,
            EXCESS: (replaced["longest_us"] - max(beside["longest_us"], quiet["longest_us"])) / 1e3,
        }


def by_sighup(server: Server) -> None:
    """Has a supervisor replace its processes, and returns when those that it had are gone.

    Raises:
        RunError: they are not gone in time.
    """
    (head,) = family.heads(server.pid)
    before = family.in_session(server.pid).keys() - {head}
    os.kill(head, signal.SIGHUP)
    _await(lambda: not before & family.in_session(server.pid).keys(), "the processes were not replaced")


def by_sigusr2(server: Server) -> None:
    """Has a supervisor replaced by a new one, and returns when nobody is left whom it had.

    Raises:
        RunError: they are not gone in time.
    """
    before = family.in_session(server.pid).keys()
    (head,) = family.heads(server.pid)
    os.kill(head, signal.SIGUSR2)
    _await(lambda: not before & family.in_session(server.pid).keys(), "no new supervisor has taken over")


def boot_beside(python: str) -> Disturbance:
    """Returns what boots as a process of a supervisor does, and has nothing to do."""

    def boot(server: Server) -> None:
        command = (python, "-c", "import netcore.supervisor.process")
        cpus = frozenset(os.sched_getaffinity(server.pid))
        subprocess.run(
            command, env=environment(), check=True, capture_output=True, preexec_fn=process.pin(cpus)
        )

    return boot


def _await(happened: Callable[[], bool], otherwise: str) -> None:
    give_up = time.monotonic() + _TIMEOUT
    while not happened():
        if time.monotonic() > give_up:
            raise RunError(f"{otherwise} within {_TIMEOUT:g} s")
        time.sleep(_INTERVAL)
