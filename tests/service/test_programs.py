"""What real processes tell a service manager, and what they take from one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.posix, pytest.mark.once]

APP = """
import os, threading, time
import netcore

class Echo(netcore.EventHandler):
    def on_boot(self, engine):
        print("booting", flush=True)

    def on_traffic(self, conn):
        data = conn.read()
        if data == b"hang":
            time.sleep(3600)
        if data == b"nap":
            time.sleep(0.3)
        conn.write(data)
        if data == b"end":
            return netcore.Action.SHUTDOWN
"""


@pytest.fixture
def start(tmp_path: Path):
    (tmp_path / "app.py").write_text(APP)
    started = []

    def start(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "netcore", "run", "app:Echo", *arguments]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(data)
        return sock.recv(100)


def port_in(status: str) -> int:
    return int(status.rpartition(":")[2])


def test_a_life(start, manager):
    process = start("tcp://127.0.0.1:0", "--shutdown-timeout", "20", NOTIFY_SOCKET=manager.address)
    ready = manager.hear()
    port = port_in(ready["STATUS"])
    assert ready == {"READY": "1", "STATUS": f"listening on tcp://127.0.0.1:{port}"}
    assert ask(port, b"hello") == b"hello"
    process.send_signal(signal.SIGTERM)
    stopping = manager.hear()
    assert stopping.pop("STATUS").startswith("stopping, ")
    assert stopping == {"STOPPING": "1"}
    assert manager.hear() == {"EXTEND_TIMEOUT_USEC": "22000000"}
    assert process.wait(30) == 0
    assert manager.heard() == []


def test_an_end_from_within_is_told_too(start, manager):
    process = start("tcp://127.0.0.1:0", NOTIFY_SOCKET=manager.address)
    assert ask(port_in(manager.hear()["STATUS"]), b"end") == b"end"
    assert manager.hear()["STOPPING"] == "1"
    assert process.wait(30) == 0


def test_a_watchdog_is_fed_until_a_callback_hangs(start, manager):
    process = start("tcp://127.0.0.1:0", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    port = port_in(manager.hear()["STATUS"])
    for _ in range(3):
        assert manager.hear() == {"WATCHDOG": "1"}
    assert ask(port, b"nap") == b"nap"
    manager.heard()
    assert manager.hear() == {"WATCHDOG": "1"}, "it has recovered"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(b"hang")
        quiet_since = time.monotonic()
        while time.monotonic() < quiet_since + 0.4:  # which a manager would take for its end
            if manager.heard():
                quiet_since = time.monotonic()
            time.sleep(0.01)
        process.send_signal(signal.SIGABRT)  # as systemd would
        assert process.wait(30) == -signal.SIGABRT


def test_anothers_watchdog_is_left_alone(start, manager):
    process = start(
        "tcp://127.0.0.1:0", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000", WATCHDOG_PID="1"
    )
    port = port_in(manager.hear()["STATUS"])
    assert ask(port, b"hello") == b"hello"
    process.send_signal(signal.SIGTERM)
    assert "STOPPING" in manager.hear()
    assert process.wait(30) == 0


def test_a_reload_of_certificates(start, manager, pki, tmp_path):
    files = []
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_bytes(Path(pki.path(name)).read_bytes())
        files.append(str(tmp_path / name))
    process = start(
        "tls://127.0.0.1:0",
        "--tls-certificate",
        files[0],
        "--tls-key",
        files[1],
        NOTIFY_SOCKET=manager.address,
    )
    status = manager.hear()["STATUS"]
    for outcome in ("the certificate is loaded again", "the certificate is not loaded again"):
        asked = time.monotonic_ns() // 1000
        process.send_signal(signal.SIGHUP)
        reloading = manager.hear()
        assert int(reloading.pop("MONOTONIC_USEC")) >= asked  # so systemd knows it is the answer
        assert reloading == {"RELOADING": "1", "STATUS": "loading the certificate again"}
        assert manager.hear() == {"READY": "1", "STATUS": f"{outcome}; {status}"}
        Path(files[0]).write_text("no certificate")
    process.send_signal(signal.SIGTERM)
    assert "STOPPING" in manager.hear()
    assert process.wait(30) == 0


def test_one_that_does_not_start_says_nothing(start, manager):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert start(f"tcp://127.0.0.1:{port}", NOTIFY_SOCKET=manager.address).wait(30) == 2
    assert manager.heard() == []


def test_without_a_manager_all_is_as_ever(start):
    process = start("tcp://127.0.0.1:0", NOTIFY_SOCKET="/no/such/place", WATCHDOG_USEC="1000")
    assert process.stderr is not None
    line = next(line for line in process.stderr if "listening on" in line)
    assert ask(port_in(line.strip()), b"hello") == b"hello"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
