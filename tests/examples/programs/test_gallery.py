"""The commands of docs/examples.md do what they are there for, as they are written but for the ports."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "docs" / "_ext"))

from example_commands import Example, Way, examples  # noqa: E402

pytestmark = [pytest.mark.clients, pytest.mark.posix, pytest.mark.once]

SAID = {"chat": "/who\n"}
"""What a client that reads says; others say hello."""

HEARD = {
    "asgi": ["hello from netcore.aio", "# netcore"],
    "async_proxy": ["hello"],
    "chat": ["here: .*guest"],
    "custom_codec": ["5:HELLO,3:YOU,"],
    "custom_load_balancer": ["loop [0-3]\nhello"],
    "custom_poller": ["hello"],
    "echo": ["hello"],
    "http_server": ["hello"],
    "proxy": ["hello"],
    "redis": ["OK", "hello"],
    "smtp_starttls": ["250 .*\n.*QUIT"],
    "ticker": [".+\n.+\n"],
    "tls_echo": ["TLSv1.3.*\n(.*\n)*hello"],
    "udp_echo": ["hello"],
    "websocket_chat": ["<html"],
}
"""What each command of a client brings, as regular expressions; it has said a line, if it reads one."""

PACKAGES = {"asgi": "uvicorn", "http_server": "httptools", "redis": "hiredis", "websocket_chat": "wsproto"}

WAYS = [
    pytest.param(example, way, server, id=f"{example.path.stem}-{number}-{server.split()[0]}-{index}")
    for example in examples()
    for number, way in enumerate(example.ways)
    for index, server in enumerate(way.servers)
]


class Running:
    """A command in a shell, with all that it says."""

    def __init__(self, command: str, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.log = folder / f"{len(list(folder.glob('*.log')))}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def hear(self, pattern: str) -> re.Match[str]:
        """Waits until it has said this."""
        while True:
            ended = self.process.poll() is not None
            said = self.log.read_text(errors="replace").replace("\r", "")
            if found := re.search(pattern, said, re.IGNORECASE):
                return found
            assert not ended, f"{self.process.args} ended without {pattern!r}: {said}"
            time.sleep(0.02)

    def end(self) -> None:
        """Ends it, with all that it has started."""
        self._send(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self._send(signal.SIGKILL)
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """Runs commands where the page has them run: in a checkout, with the certificate that it has made."""
    for name in ("examples", "docs", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    started: list[Running] = []

    def start(command: str) -> Running:
        started.append(Running(command, tmp_path))
        return started[-1]

    yield start
    for one in reversed(started):
        one.end()


def on_free_ports(command: str, ports: dict[str, str]) -> str:
    """Puts other ports in the place of those of the page: those known, and 0 for others."""
    return re.sub(r"(?<=[: ])\d{4}(?=/|\s|$)|(?<=-p )\d{4}", lambda port: ports.get(port[0], "0"), command)


def port_in(command: str, name: str) -> str:
    """The port that a command serves at."""
    found = re.search(r"//[^: ]*:(\d{4})|--port (\d{4})", command)
    assert found, f"{name} does not say where: {command}"
    return found[1] or found[2]


@pytest.mark.parametrize(("example", "way", "server"), WAYS)
def test_the_commands_work(example: Example, way: Way, server: str, run: Callable[[str], Running]) -> None:
    name = example.path.stem
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    for command in way.clients:
        for program in re.findall(r"^\w[\w-]*\b(?!:)|(?<=\| )\S+", command):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
    if "cert.pem" in server:
        page = (ROOT / "docs" / "examples.md").read_text()
        making = re.search(r"^openssl req(?:.*\\\n)*.*$", page, re.MULTILINE)
        assert making is not None
        assert run(making[0]).process.wait(60) == 0
    ports: dict[str, str] = {}
    for command in (*way.before, server):
        serving = run(on_free_ports(command, ports))
        ports[port_in(command, name)] = serving.hear(r" on \S+?:(\d+)\b(?!/\d)")[1]
    for command, expected in zip(way.clients, HEARD[name], strict=True):
        wanted = on_free_ports(command, ports)
        talking = run(f"curl -s {wanted}" if wanted.startswith("http") else wanted)
        assert talking.process.stdin is not None
        if "|" not in command and command.startswith("nc"):
            talking.process.stdin.write(SAID.get(name, "hello\n").encode())
            talking.process.stdin.flush()
        talking.hear(expected)


def test_every_example_says_how_to_run_it_and_to_talk_to_it() -> None:
    found = {example.path.stem: example for example in examples()}
    assert set(found) == set(HEARD)
    for name, example in found.items():
        assert example.about.endswith("."), name
        assert example.ways, name
        assert all(way.servers and way.clients for way in example.ways), name
