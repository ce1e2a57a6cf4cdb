"""Running the command line as users do: as a process, found by the log line that says where it listens."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from pathlib import Path

import pytest

from netcore import Address
from netcore.cli import main

COMMAND = (sys.executable, "-m", "netcore")

ECHO = """
import netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())
"""


class Served:
    """A running ``netcore run``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stderr is not None
        self._stderr = process.stderr
        self.log: list[str] = []
        marker = "listening on "
        while not self.log or marker not in self.log[-1]:
            line = self._stderr.readline()
            assert line, f"ended before it listened: {self.log}"
            self.log.append(line)
        listed = self.log[-1].partition(marker)[2].strip()
        self.addresses = [Address.parse(text) for text in listed.split(", ")]

    def dial(self, index: int = 0) -> socket.socket:
        """Connects to one of the addresses."""
        address = self.addresses[index]
        if address.network == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(30)
            sock.connect(address.path)
            return sock
        return socket.create_connection((address.host, address.port), timeout=30)

    def read_log(self) -> str:
        """Waits for one more line on stderr."""
        self.log.append(self._stderr.readline())
        return self.log[-1]

    def signal(self, number: int) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Waits for the end; returns the exit status. The whole of stderr is in ``log`` then."""
        self.log.extend(self._stderr.readlines())
        return self._process.wait(30)


@pytest.fixture
def netcore_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command to its end in a directory that is empty at first: ``netcore_command(*arguments)``."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def netcore_main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same within this process, which saves most of the time; the application's module is ``app``."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        level = logging.root.level
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setattr(sys, "path", sys.path.copy())
            patch.setattr(logging.root, "handlers", [])  # with those of pytest the command would add none
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            try:
                status = main(arguments)
            except SystemExit as end:
                status = int(end.code or 0)
            finally:
                logging.root.setLevel(level)
                for name in ("app", "balancing"):
                    sys.modules.pop(name, None)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


@pytest.fixture
def installed() -> str:
    """The version of netcore that is installed."""
    try:
        return metadata.version("netcore-io")
    except metadata.PackageNotFoundError:
        pytest.skip("netcore is not installed, only on the path")


@pytest.fixture
def script(installed: str) -> str:
    """The path of the installed command."""
    path = shutil.which("netcore", path=sysconfig.get_path("scripts"))
    assert path is not None
    return path


@contextmanager
def _served(directory: Path, arguments: tuple[str, ...], command: tuple[str, ...]) -> Iterator[Served]:
    with subprocess.Popen(
        [*command, "run", *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    ) as process:
        try:
            yield Served(process)
        finally:
            process.kill()


@pytest.fixture
def served(tmp_path: Path) -> Callable[..., AbstractContextManager[Served]]:
    """Starts a server: ``with served("app:Echo", "tcp://127.0.0.1:0", app=source) as server``."""

    def start(
        *arguments: str, app: str = ECHO, directory: Path = tmp_path, command: tuple[str, ...] = COMMAND
    ) -> AbstractContextManager[Served]:
        if directory == tmp_path:
            (tmp_path / "app.py").write_text(app)
        return _served(directory, arguments, command)

    return start
