"""systemd's own programs: its units as the page shows them, and its socket activation."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "systemd.md").read_text()
UNITS = re.findall(r"^```ini\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.posix, pytest.mark.clients]

APP = """
import netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())
"""


def program(name: str) -> str:
    spec = importlib.util.spec_from_file_location("needed", Path(__file__).parents[1] / "needed.py")
    assert spec is not None and spec.loader is not None
    needed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(needed)
    return needed.program(name)


def version() -> int:
    said = subprocess.run(
        [program("systemd-analyze"), "--version"], capture_output=True, text=True, check=True
    )
    return int(said.stdout.split()[1])


@pytest.fixture
def unit_file(tmp_path: Path):
    """Writes a unit of the page as one that could start here."""

    def write(text: str) -> Path:
        (tmp_path / "netcore").touch(mode=0o755)
        for name in ("netcore", "kill"):
            text = re.sub(rf"(?<==)/\S*/{name}(?= )", str(tmp_path / "netcore"), text)
        (tmp_path / "echo.socket").write_text(next(unit for unit in UNITS if "[Socket]" in unit))
        path = tmp_path / ("echo.socket" if "[Socket]" in text else "echo.service")
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("text", UNITS, ids=[re.findall(r"Description=(.*)", unit)[0] for unit in UNITS])
def test_systemd_has_nothing_to_say_of_a_unit(unit_file, text):
    path = unit_file(text)
    if "[Socket]" in text:
        unit_file(next(unit for unit in UNITS if "fd://web" in unit))
    said = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in said.stderr.splitlines() if str(path.parent) in line]
    if version() < 253:
        complaints = [line for line in complaints if "notify-reload" not in line]
    assert (said.returncode, complaints) == (0, [])


def test_the_hardened_unit_is_graded_as_it_says(unit_file):
    text = next(unit for unit in UNITS if "SystemCallFilter" in unit)
    command = [program("systemd-analyze"), "security", "--offline=yes", str(unit_file(text))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    grade = re.search(r"Overall exposure level for echo.service: ([0-9.]+)", said)
    assert grade is not None, said
    assert float(grade[1]) < 2, said


def free_port(kind: int) -> int:
    with socket.socket(type=kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def activate(tmp_path: Path):
    """Activates netcore: ``activate(kind, address, *arguments)``; returns a client, and the process."""
    (tmp_path / "app.py").write_text(APP)
    started: list[subprocess.Popen[str]] = []
    clients: list[socket.socket] = []

    def activate(kind: int, address: str, *arguments: str, name: str = "") -> socket.socket:
        port = free_port(kind)
        command = [program("systemd-socket-activate"), "-l", f"127.0.0.1:{port}"]
        command += ["--datagram"] if kind == socket.SOCK_DGRAM else []
        command += [f"--fdname={name}"] if name else []
        command += [f"--setenv={key}" for key in ("PYTHONPATH", "VIRTUAL_ENV") if key in os.environ]
        command += [sys.executable, "-m", "netcore", "run", "app:Echo", address.format(port=port), *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Listening on"):
                break
        client = socket.socket(type=kind)
        clients.append(client)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        return client, process

    yield activate
    for client in clients:
        client.close()
    for process in started:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert "no address asks for" not in said


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["streams", "datagrams"])
@pytest.mark.parametrize(
    ("name", "address"),
    [("web", "fd://web"), ("", "fd://3"), ("", "fd://unknown"), ("", "{network}://127.0.0.1:{port}")],
)
def test_a_socket_is_found(activate, kind, name, address):
    network = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    client, _ = activate(kind, address.replace("{network}", network), name=name)
    client.send(b"hello")  # by which it is started
    assert client.recv(100) == b"hello"


@pytest.mark.parametrize("address", ["fd://web", "tcp://127.0.0.1:{port}"])
def test_processes_share_it(activate, address):
    arguments = ("--processes", "2", "--hang-timeout", "30")
    client, process = activate(socket.SOCK_STREAM, address, *arguments, name="web")
    client.send(b"hello")
    assert client.recv(100) == b"hello"
    serving: set[str] = set()
    for line in process.stderr:
        serving.update(re.findall(r"process (\d+) \(\d+\) serves", line))
        if len(serving) == 2:
            break
    assert serving == {"0", "1"}
