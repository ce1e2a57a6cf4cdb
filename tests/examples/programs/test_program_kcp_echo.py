"""The example of KCP: its server, and its client as another program."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "kcp_echo.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("options", [(), ("--loops", "2"), ("--gentle",)])
def test_the_client_gets_its_answers(start, options) -> None:
    server = start("kcp_echo", *options, address="kcp://127.0.0.1:0")
    for _ in range(2):
        done = call(str(server.addresses[0]), "--client", "--messages", "5", "--pause", "0", *options)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"5 answers after [\d.]+ to [\d.]+ ms, [\d.]+ on average\n", done.stdout)


def test_nobody_is_there() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        done = call(f"kcp://127.0.0.1:{silent.getsockname()[1]}", "--client")
    assert done.returncode == 1
    assert "the peer does not answer" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tcp://127.0.0.1:0"], "kcp echo: tcp://127.0.0.1:0 is no address of KCP: use kcp://HOST:PORT"),
        (["kcp://127.0.0.1"], "kcp echo: 'kcp://127.0.0.1' has no valid host and port"),
        (["--client", "--messages", "0"], "--messages must be at least 1"),
    ],
)
def test_mistakes(arguments: list[str], complaint: str) -> None:
    done = call(*arguments)
    assert done.returncode
    assert complaint in done.stderr and "Traceback" not in done.stderr
