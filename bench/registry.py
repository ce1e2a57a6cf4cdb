"""The peers: servers that do the same job, each in its own idiom."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import toolchain

_PEERS = Path(__file__).resolve().parent / "peers"
_REPOSITORY = _PEERS.parent.parent
_IMPORT_TIMEOUT = 30.0


class Peer(Protocol):
    """One server under test."""

    @property
    def name(self) -> str:
        """What the tables and `--peers` call it."""

    def missing(self) -> str | None:
        """Says why this machine cannot run it, or None."""

    def command(self, port: int) -> list[str]:
        """The command that serves 127.0.0.1:`port` until it is terminated."""


@dataclass(frozen=True)
class NativePeer:
    """A server in C from native/."""

    name: str
    source: str

    def missing(self) -> str | None:
        return toolchain.missing_compiler()

    def command(self, port: int) -> list[str]:
        return [str(toolchain.binary(self.source)), str(port)]


@dataclass(frozen=True)
class PythonPeer:
    """A server in Python from peers/, run by `python`, which must be able to execute `needs`."""

    name: str
    script: str
    needs: str
    python: str

    def missing(self) -> str | None:
        try:
            tried = subprocess.run(
                [self.python, "-c", self.needs],
                env=environment(),
                capture_output=True,
                text=True,
                timeout=_IMPORT_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{self.python}: {error}"
        if tried.returncode == 0:
            return None
        return (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]

    def command(self, port: int) -> list[str]:
        return [self.python, str(_PEERS / self.script), str(port)]


def environment() -> dict[str, str]:
    """The environment of every peer: netcore comes from this repository, installed or not."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(_REPOSITORY), inherited] if inherited else [str(_REPOSITORY)])
    return {**os.environ, "PYTHONPATH": path}


def stream_echo_peers(python: str) -> dict[str, Peer]:
    """Returns the stream echo servers by name, the physical reference first."""
    peers: tuple[Peer, ...] = (
        NativePeer("c-epoll", "echo_epoll.c"),
        PythonPeer("netcore", "echo_netcore.py", "from netcore import Conn, EventHandler, run", python),
        PythonPeer("uvloop", "echo_uvloop.py", "from uvloop import run", python),
        PythonPeer("asyncio", "echo_asyncio.py", "import asyncio", python),
    )
    return {peer.name: peer for peer in peers}
