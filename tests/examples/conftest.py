"""Fixtures for the tests of the Redis example."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netcore.testing import ManualClock

# The examples are no installed package: they are found from the root of the repository.
ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from examples.redis_server import Server, Session

Word = str | bytes | int | float


def encode(*words: Word) -> bytes:
    """A request as clients send it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Driver:
    """A connection to an engine, without a network between them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.closed = False

    def send(self, data: bytes) -> bytes:
        """Give bytes as they are, get bytes as they are."""
        reply, self.closed = self.session.receive(data)
        return reply

    def run(self, *words: Word) -> bytes:
        """Execute one command. A single string is split like a shell's command line."""
        if len(words) == 1 and isinstance(words[0], str):
            words = tuple(shlex.split(words[0]))
        return self.send(encode(*words))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000.0)


@pytest.fixture
def server(clock: ManualClock) -> Server:
    from examples.redis_server import Server  # needs hiredis, without which its tests are skipped

    return Server(clock)


@pytest.fixture
def connect(server: Server) -> Callable[[], Driver]:
    return lambda: Driver(server.connect("127.0.0.1:5000", "127.0.0.1:6380", 7))


@pytest.fixture
def client(connect: Callable[[], Driver]) -> Driver:
    return connect()


@pytest.fixture
def run(client: Driver) -> Callable[..., bytes]:
    return client.run


@pytest.fixture(scope="session")
def real_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of the Unix socket of a real redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    directory = tmp_path_factory.mktemp("redis")
    path = str(directory / "s")
    options = ["--port", "0", "--unixsocket", path, "--databases", "1", "--save", "", "--dir", str(directory)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        _wait_until_listening(process, path)
        yield path
    finally:
        process.kill()
        process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], path: str) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.01)
    pytest.fail("redis-server did not start")
