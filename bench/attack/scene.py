"""What an attack is given: how large it is to be, and processes to do it."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.attack.programs import program
from bench.process import free_port
from netcore.poll import open_poller

if TYPE_CHECKING:
    from bench.attack.target import Target

_PATIENCE = 60.0
"""Seconds after which an attacker is killed; none takes a tenth of them on an idle machine."""


class Missing(Exception):
    """Something is not installed without which an attack is none."""


@dataclass(frozen=True)
class Scene:
    """How attacks are run.

    Attributes:
        short: Whether a small round will do.
        seed: Of what is random in them.
    """

    short: bool
    seed: int = 0

    def size(self, short: int, full: int) -> int:
        """Chooses a count."""
        return short if self.short else full

    def attack(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a function of a module in a process of its own.

        Args:
            function: Of a module; what it returns can be said in JSON.
            arguments: Which can, too.

        Raises:
            RuntimeError: It failed, or did not end in time.
        """
        return self.finish(self.begin(function, *arguments))

    def begin(self, function: Callable[..., Any], *arguments: Any) -> subprocess.Popen[str]:
        """Does the same, but does not wait: `finish` does."""
        return subprocess.Popen(
            program(
                "bench.attack.attacker", f"{function.__module__}:{function.__name__}", json.dumps(arguments)
            ),
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, attacker: subprocess.Popen[str]) -> Any:
        """Waits for an attacker's end; returns what its function has returned."""
        try:
            said, complaints = attacker.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            attacker.kill()
            attacker.communicate()
            raise RuntimeError(f"the attacker did not end within {_PATIENCE:g} s") from None
        if attacker.returncode:
            last = (complaints.strip().splitlines() or [f"exit status {attacker.returncode}"])[-1]
            raise RuntimeError(f"the attacker failed: {last}")
        return json.loads(said.splitlines()[-1])

    def await_connections(self, target: Target, count: int) -> None:
        """Waits until so many are connected."""
        end = time.monotonic() + _PATIENCE / 2
        while target.ask()["connections"] < count:
            if time.monotonic() > end:
                raise RuntimeError(f"there were never {count} connections")
            time.sleep(0.01)

    def most_descriptors(self) -> int:
        """How many a process may have."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def supports_edges(self) -> bool:
        """Whether the poller that servers take is told of edges."""
        with contextlib.closing(open_poller()) as poller:
            return poller.supports_edge

    def free_port(self) -> int:
        """A port that nobody has."""
        return free_port()
