"""Example programs as processes of their own, and real clients to talk to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netcore import Address

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the examples are no installed package

TIMEOUT = 30

Ask = Callable[["subprocess.Popen[str]"], bool]


class Program:
    """A running example, once it has said where it listens."""

    def __init__(self, name: str, arguments: tuple[str, ...], log: Path, ask_to_stop: Ask) -> None:
        self.log = log
        self._ask_to_stop = ask_to_stop
        command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments]
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=log.parent,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " on " in line, log.read_text()
        self.addresses = [Address.parse(text) for text in line.partition(" on ")[2].split()]

    @property
    def host_and_port(self) -> tuple[str, str]:
        """The first address as arguments for a client."""
        return self.addresses[0].host, str(self.addresses[0].port)

    @property
    def url(self) -> str:
        """The first address for a browser."""
        scheme = "https" if self.addresses[0].is_tls else "http"
        return "{}://{}:{}".format(scheme, *self.host_and_port)

    def stop(self) -> None:
        """Stops the program as its user would, and looks at how that went."""
        try:
            if self._ask_to_stop(self.process):
                assert self.process.wait(TIMEOUT) == 0, self.log.read_text()
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()


class Talk:
    """A client program on a connection, line by line."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout

    def say(self, *lines: str) -> None:
        """Sends lines."""
        self._stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._stdin.flush()

    def end(self) -> None:
        """Ends what it says."""
        self._stdin.close()

    def hear(self) -> str:
        """Returns the next line without its end; empty at the end of the connection."""
        return self._stdout.readline().decode().rstrip("\n")

    def hear_until(self, wanted: str) -> list[str]:
        """Returns the lines up to the first one with these words in it."""
        lines = [self.hear()]
        while wanted not in lines[-1]:
            assert lines[-1], f"the connection ended after {lines}, without {wanted!r}"
            lines.append(self.hear())
        return lines

    def hear_all(self) -> str:
        """Returns everything up to the end of the connection, which nc awaits when it has no more to say."""
        self._stdin.close()
        return self._stdout.read().decode()

    def close(self) -> None:
        """Ends the client."""
        self.process.kill()
        self.process.wait()
        for pipe in (self._stdin, self._stdout):
            try:
                pipe.close()
            except BrokenPipeError:  # what it was to say last and did not
                pass


@pytest.fixture
def client() -> Callable[[str], str]:
    """Finds a client program, or skips the test."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find


def starting(directory: Path, ask_to_stop: Ask) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def run(name: str, *arguments: str, address: str = "tcp://127.0.0.1:0") -> Program:
        log = directory / f"{name.replace('/', '-')}-{len(programs)}.log"
        programs.append(Program(name, (address, *arguments), log, ask_to_stop))
        return programs[-1]

    yield run
    for program in reversed(programs):
        program.stop()


@pytest.fixture
def start(tmp_path: Path, ask_to_stop: Ask) -> Iterator[Callable[..., Program]]:
    """Starts examples and stops them after the test: ``start("chat", "--loops", "2", address=...)``."""
    yield from starting(tmp_path, ask_to_stop)


@pytest.fixture(scope="module")
def start_for_all(
    tmp_path_factory: pytest.TempPathFactory, ask_to_stop: Ask
) -> Iterator[Callable[..., Program]]:
    """The same for all tests of a module, which must not mind each other."""
    yield from starting(tmp_path_factory.mktemp("programs"), ask_to_stop)


@pytest.fixture
def talk(client: Callable[[str], str]) -> Iterator[Callable[[Program], Talk]]:
    """Connects nc to a program and ends it after the test."""
    talks: list[Talk] = []
    path = client("nc")

    def connect(program: Program, *options: str) -> Talk:
        talks.append(Talk(path, *options, *program.host_and_port))
        return talks[-1]

    yield connect
    for made in talks:
        made.close()
