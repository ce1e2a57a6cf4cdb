"""``netcore run`` on sockets that it inherits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.posix  # elsewhere descriptors are not inherited


APP = """
import netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def start(app: Path, *arguments: str, **popen: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "netcore", "run", "app:Echo", *arguments]
    return subprocess.Popen(command, cwd=app, stderr=subprocess.PIPE, text=True, **popen)


def until_it_listens(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if "listening on " in line:
            return line.partition("listening on ")[2].strip()
    raise AssertionError("it has ended")


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stderr is not None
    process.stderr.close()


def test_it_serves_an_inherited_listener(app: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(type=socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", 0))
        names = listener.getsockname(), port.getsockname()
        fds = listener.fileno(), port.fileno()
        with socket.create_connection(
            names[0], timeout=30
        ) as early:  # by whom the service would be activated
            early.sendall(b"early")
            process = start(app, *(f"fd://{fd}" for fd in fds), pass_fds=fds)
            assert (
                until_it_listens(process) == f"tcp://127.0.0.1:{names[0][1]}, udp://127.0.0.1:{names[1][1]}"
            )
            assert early.recv(100) == b"early"
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.settimeout(30)
            peer.sendto(b"datagram", names[1])
            assert peer.recv(100) == b"datagram"
        end(process)
        with socket.create_connection(names[0], timeout=30):  # it is the parent's still
            listener.setblocking(True)
            listener.accept()[0].close()


def test_it_serves_standard_input(app: Path) -> None:
    """As under inetd's "wait"; its number must not become a connection's, which a child would read from."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, start(app, "fd://0", stdin=listener) as process:
        until_it_listens(process)
        with socket.create_connection(listener.getsockname(), timeout=30) as sock:
            sock.sendall(b"inetd")
            assert sock.recv(100) == b"inetd"
            if sys.platform == "linux":
                assert os.readlink(f"/proc/{process.pid}/fd/0") == os.devnull
        end(process)


def test_it_serves_what_systemd_names(app: Path) -> None:
    """A shell stands in for systemd: it puts the socket where the first one belongs, and knows its pid."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        script = f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@"'
        command = [
            "bash",
            "-c",
            script,
            "bash",
            sys.executable,
            "-m",
            "netcore",
            "run",
            "app:Echo",
            "fd://web",
        ]
        with subprocess.Popen(command, cwd=app, stderr=subprocess.PIPE, text=True, pass_fds=[fd]) as process:
            assert until_it_listens(process) == f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            end(process)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("fd://97", "Bad file descriptor (fd://97)"),
        ("fd://1", "Socket operation on non-socket (fd://1)"),
        ("fd://-1", "'fd://-1' names no descriptor"),
        ("fd://web", "no sockets were passed to this process"),
    ],
)
def test_what_is_not_there_is_one_line(app: Path, address: str, complaint: str) -> None:
    with start(app, address, stdout=subprocess.PIPE) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert complaint in said
    lines = [line for line in said.splitlines() if "built without its native part" not in line]
    assert len(lines) == 1
