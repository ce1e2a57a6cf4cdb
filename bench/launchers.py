"""What a peer runs on: how it is found or built, and why it may be missing."""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from bench import toolchain
from bench.foreign import BuildError

PEERS = toolchain.HERE / "peers"
REPOSITORY = toolchain.HERE.parent
_TRIAL_TIMEOUT = 30.0


class Launcher(Protocol):
    """Turns the name of a program into what can be executed."""

    def missing(self) -> str | None:
        """Says why this machine cannot run it, or None.

        It may have to be built for that, so that no round has to do it.
        """

    def command(self) -> list[str]:
        """The command without the peer's arguments; only where nothing is missing."""


@dataclass(frozen=True)
class CProgram:
    """A program from native/."""

    program: str

    def missing(self) -> str | None:
        return toolchain.missing_compiler()

    def command(self) -> list[str]:
        return [str(toolchain.binary(self.program))]


@dataclass(frozen=True)
class PythonProgram:
    """A program run by `python`, which must be able to execute `needs`.

    `variables` are those of the environment that differ from other peers', as NAME=VALUE.
    """

    python: str
    program: str
    needs: str
    variables: tuple[str, ...] = ()

    def missing(self) -> str | None:
        return _printed((*self._interpreter(), "-c", self.needs))[1]

    def command(self) -> list[str]:
        return [*self._interpreter(), *self._started_by()]

    def under(self, *variables: str) -> "PythonProgram":
        """The same with these variables in its environment."""
        return replace(self, variables=self.variables + variables)

    def _interpreter(self) -> tuple[str, ...]:
        return ("env", *self.variables, self.python) if self.variables else (self.python,)

    def _started_by(self) -> list[str]:
        raise NotImplementedError


class PythonScript(PythonProgram):
    """A script. Relative paths begin at peers/."""

    def _started_by(self) -> list[str]:
        return [str(PEERS / self.program)]


class PythonModule(PythonProgram):
    """An installed module that is a program."""

    def _started_by(self) -> list[str]:
        return ["-m", self.program]


@dataclass(frozen=True)
class NodeScript:
    """A script from peers/ for Node.js."""

    script: str

    def missing(self) -> str | None:
        return None if shutil.which("node") else "node is not on PATH"

    def command(self) -> list[str]:
        return ["node", str(PEERS / self.script)]


@dataclass(frozen=True)
class Built:
    """A program built by other tools than the C compiler; see `bench.foreign`."""

    build: Callable[[], list[str]]

    def missing(self) -> str | None:
        try:
            self.build()
        except BuildError as error:
            return str(error)
        return None

    def command(self) -> list[str]:
        return self.build()


@dataclass(frozen=True)
class Installed:
    """A program that is on PATH, or is not."""

    program: str

    def missing(self) -> str | None:
        return None if shutil.which(self.program) else f"{self.program} is not on PATH"

    def command(self) -> list[str]:
        return [self.program]


@dataclass(frozen=True)
class Computing:
    """A program whose handlers compute for a given time.

    How many steps that takes is what the `reference` tells, which is the computation alone, on the
    same interpreter: the program finds its answer in BENCH_STEPS.
    """

    launcher: Launcher
    reference: Launcher
    microseconds: int

    def missing(self) -> str | None:
        return self.launcher.missing() or self._calibrate()[1]

    def command(self) -> list[str]:
        return ["env", f"BENCH_STEPS={self._calibrate()[0]}", *self.launcher.command()]

    def _calibrate(self) -> tuple[str, str | None]:
        return _printed((*self.reference.command(), str(self.microseconds)))


@functools.cache
def _printed(command: tuple[str, ...]) -> tuple[str, str | None]:
    """Runs a command, once, and returns what it printed and what is wrong."""
    try:
        tried = subprocess.run(
            command,
            cwd=PEERS,  # where scripts are that it stands for: `python -c` would import from here first
            env=environment(),
            capture_output=True,
            text=True,
            timeout=_TRIAL_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{command[0]}: {error}"
    if tried.returncode == 0:
        return tried.stdout.strip(), None
    return "", (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]


def environment() -> dict[str, str]:
    """The environment of every peer: netcore comes from this repository, installed or not."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(REPOSITORY), inherited] if inherited else [str(REPOSITORY)])
    return {**os.environ, "PYTHONPATH": path}
