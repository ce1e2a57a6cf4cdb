"""A supervisor in a process of its own, as its operator sees it: its signals, its log and its listeners."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which something does not come any more."""

APPLICATION = """
import os, time, netcore

VERSION = 1

class App(netcore.EventHandler):
    # Echoes; a line that begins with "!" is an order.

    def on_traffic(self, conn):
        data = conn.read()
        if conn.network == "udp" or not data.startswith(b"!"):
            conn.write(data if data != b"?" else f"{VERSION} {os.getpid()}".encode())
        else:
            word = data[1:].decode().strip()
            conn.write(str(eval(word)).encode() + b"\\n")
"""
"""What is served, if a test has nothing else to serve."""

_MAIN = """
import sys
from netcore.logs import configure
from netcore.options import Options
from netcore.supervisor import Supervisor, TlsFiles

if __name__ == "__main__":
    configure(20, "text")
    Supervisor({target!r}, *{addresses!r}, log_level=20, **{arguments}).run()
"""

_PROCESS = re.compile(r"process (\d+) \((\d+)\) serves")


def until(condition: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
    """Waits for something that no event tells of."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, what or condition
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc/self").exists()


class Supervised:
    """Starts ``Supervisor(target, *addresses, **arguments).run()`` and reads what it logs.

    Args:
        folder: Where its files are, and its working directory.
        addresses: Where it is to listen.
        application: The source of the module ``app``; None if it is there.
        target: What it serves.
        environ: What its environment has more.
        arguments: Of ``Supervisor``; by name, as what ``repr`` writes.
    """

    def __init__(
        self,
        folder: Path,
        *addresses: str,
        application: str | None = APPLICATION,
        target: str = "app:App",
        environ: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        **arguments: object,
    ) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._changed = threading.Condition()
        if application is not None:
            self.write(application)
        arguments.setdefault("processes", 2)
        main = _MAIN.format(target=target, addresses=addresses, arguments=arguments)
        (folder / "main.py").write_text(main)
        self._ended = False
        self.popen = subprocess.Popen(
            [*prefix, sys.executable, "main.py"],
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def write(self, source: str, name: str = "app.py") -> None:
        """Puts a module, or another one, where the processes import it from."""
        new = self.folder / f".{name}.new"
        new.write_text(source)
        new.replace(self.folder / name)

    # What it says.

    @property
    def log(self) -> str:
        """All that it and its processes have said."""
        return "\n".join(self.lines)

    def said(self, pattern: str, times: int = 1, after: int = 0) -> re.Match[str]:
        """Waits for a line that has been logged so many times; returns the last match."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.lines[after:] if (match := re.search(pattern, line))]

        end = time.monotonic() + PATIENCE
        with self._changed:
            while len(found()) < times and not self._ended and time.monotonic() < end:
                self._changed.wait(0.5)
        assert len(found()) >= times, f"{pattern!r} was not said {times} times:\n{self.log}"
        return found()[times - 1]

    def serves(self, processes: int = 2, times: int = 1) -> Supervised:
        """Waits until so many processes serve, or have served by now; returns itself."""
        self.said(_PROCESS.pattern, processes * times)
        return self

    @property
    def addresses(self) -> list[str]:
        """Where it listens, once it serves."""
        return self.said("listening on (.*)")[1].split(", ")

    @property
    def port(self) -> int:
        """The port of its first address."""
        return int(self.addresses[0].rpartition(":")[2])

    @property
    def pid(self) -> int:
        """Its number: that of the last one that has taken over."""
        for line in reversed(self.lines):
            if match := re.search(r"the new supervisor \((\d+)\) serves", line):
                return int(match[1])
        return self.popen.pid

    def process(self, number: int) -> int:
        """The pid of the process that was last to serve in a place."""
        found = [int(m[2]) for line in self.lines if (m := _PROCESS.search(line)) and int(m[1]) == number]
        return found[-1]

    # What is done to it.

    def signal(self, number: int) -> int:
        """Sends it a signal; returns how many lines it has said before."""
        before = len(self.lines)
        os.kill(self.pid, number)
        return before

    def stop(self) -> int:
        """Stops it in order, and returns its status once all that it has started has ended."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Waits for its end, and for that of all who hold its standard error."""
        status = self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._ended, f"somebody is left behind:\n{self.log}"
        return status

    def end(self) -> None:
        """Kills what is left of it."""
        for pid in {self.pid, self.popen.pid}:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self.popen.stderr is not None and self._ended:
            self.popen.stderr.close()
        assert self._ended, f"somebody is left behind:\n{self.log}"

    # What it is asked.

    def connect(self, index: int = 0) -> socket.socket:
        """Connects to one of its addresses."""
        return connect(self.addresses[index])

    def ask(self, word: str, index: int = 0) -> str:
        """Asks for the value of an expression, on a connection of its own."""
        with self.connect(index) as sock:
            sock.sendall(f"!{word}\n".encode())
            return read_line(sock)


def connect(address: str) -> socket.socket:
    """Connects to an address as it was logged."""
    network, _, place = address.partition("://")
    if network == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(place.replace("@", "\0", 1) if place.startswith("@") else place)
        return sock
    host, _, port = place.rpartition(":")
    if network == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(PATIENCE)
        sock.connect((host, int(port)))
        return sock
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)


def read_line(sock: socket.socket) -> str:
    """Reads a line, or what there is until the end."""
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(65536)
        if not more:
            break
        data += more
    return data.decode().strip()
