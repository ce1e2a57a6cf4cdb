"""The server as its attackers' master sees it: ports, figures, and what /proc tells of the process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

from bench import certificate
from bench.attack.base import Figures
from bench.attack.handlers import PING, PINGS
from bench.attack.neighbour import Neighbour
from bench.attack.programs import program
from bench.attack.scene import Missing

_PATIENCE = 10.0
"""Seconds that the server has to be rid of those who have gone."""

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Target:
    """A server process; see `serving`."""

    def __init__(
        self,
        server: str,
        process: subprocess.Popen[str],
        log: IO[str],
        ahead: bytes = b"",
        secured: bool = False,
    ) -> None:
        self.server = server
        self._ahead = ahead
        self._secured = secured
        self.process = process
        self._log = log
        self._asking = threading.Lock()
        self.addresses: list[str] = json.loads(self._line())
        self.ask()
        self.at_rest = self.descriptors()

    @property
    def port(self) -> int:
        """Of the first address."""
        return self.port_of(0)

    def port_of(self, number: int) -> int:
        """Returns the port of an address."""
        return urlsplit(self.addresses[number]).port or 0

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with status {self.process.wait()}: {self._last_words()}")
        return line

    def _last_words(self) -> str:
        lines = self.log().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def ask(self) -> dict[str, int]:
        """Has the server tell its figures: connections, open, close, what has failed before it was open."""
        assert self.process.stdin is not None
        with self._asking:
            print(file=self.process.stdin, flush=True)
            figures: dict[str, int] = json.loads(self._line())
        return figures

    def neighbour(self) -> Neighbour:
        """Returns somebody with a connection of their own, who measures how they are served."""
        request, answer = PINGS.get(self.server, (PING, PING))
        return Neighbour(self.port, request, answer, self._ahead, self._secured)

    def serves_a_newcomer(self) -> bool:
        """Whether a new connection is served now."""
        newcomer = self.neighbour()
        with contextlib.suppress(OSError), newcomer:
            time.sleep(0.05)
        return newcomer.pings > 0 and not newcomer.lost

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def log(self) -> str:
        """What the server has written on standard error."""
        self._log.seek(0)
        return self._log.read()

    def said(self) -> Figures:
        """How much it has said, and how often of an error that nobody has expected."""
        log = self.log()
        return {"lines of log": log.count("\n"), "tracebacks": log.count("Traceback (most recent")}

    def resident(self) -> int:
        """Bytes of memory."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * _PAGE

    def descriptors(self) -> int:
        """How many are open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def rest(self, staying: int = 0, patience: float = _PATIENCE) -> Figures:
        """Waits until only so many connections are there; says what is there beyond."""
        end = time.monotonic() + patience
        while True:
            connections = self.ask()["connections"] - staying
            descriptors = self.descriptors() - self.at_rest - staying
            if (connections <= 0 and descriptors <= 0) or time.monotonic() > end:
                return {"connections left": connections, "descriptors left": max(descriptors, 0)}
            time.sleep(0.02)

    @contextmanager
    def watching(self) -> Iterator[Figures]:
        """Watches memory and descriptors during the block: gives how far they rise above the beginning."""
        before, most = self.resident(), {"memory, MB": 0.0, "descriptors": 0.0}
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.005):
                with contextlib.suppress(OSError):
                    most["memory, MB"] = max(most["memory, MB"], (self.resident() - before) / 1e6)
                    most["descriptors"] = max(most["descriptors"], self.descriptors() - self.at_rest)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield most
        finally:
            ended.set()
            watcher.join()


@contextmanager
def serving(
    server: str,
    *addresses: str,
    descriptors: int = 0,
    memory: int = 0,
    plain_signals: bool = False,
    ahead: bytes = b"",
    secured: bool = False,
    **options: Any,
) -> Iterator[Target]:
    """Runs a server for the length of the block.

    Args:
        server: Which, of `handlers.SERVERS`.
        addresses: Where; by default a port of 127.0.0.1.
        descriptors: How many more than it has when it serves it may have; 0 for any number.
        memory: How many bytes of address space more; 0 for any.
        plain_signals: Whether SIGPIPE ends it, as it does a program that is not Python.
        ahead: What a neighbour says first.
        secured: Whether it speaks TLS, on its first address and with its neighbours.
        options: Of its engine.
    """
    if secured and (why := certificate.missing()):
        raise Missing(why)
    description = {
        "server": server,
        "addresses": addresses or [f"{'tls' if secured else 'tcp'}://127.0.0.1:0"],
        "certificate": certificate.files() if secured else None,
        "descriptors": descriptors,
        "memory": memory,
        "plain_signals": plain_signals,
        "options": options,
    }
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            program("bench.attack.server", json.dumps(description)),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Target(server, process, log, ahead, secured)
        finally:
            process.kill()
            process.communicate()
