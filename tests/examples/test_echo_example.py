"""The echo example as a program of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netcore import Address

Ask = Callable[["subprocess.Popen[str]"], bool]

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "echo.py"


@pytest.mark.wine("no Ctrl+Break without a console")
@pytest.mark.parametrize("options", [(), ("--loops", "2")])
def test_it_echoes_until_it_is_stopped(options: tuple[str, ...], ask_to_stop: Ask) -> None:
    command = [sys.executable, str(PROGRAM), "tcp://127.0.0.1:0", "tcp://127.0.0.1:0", *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("echo on "), process.stderr and process.stderr.read()
            for text in line.split()[2:]:
                with socket.create_connection(("127.0.0.1", Address.parse(text).port), timeout=30) as sock:
                    sock.sendall(b"hello")
                    sock.shutdown(socket.SHUT_WR)
                    assert sock.makefile("rb").read() == b"hello"
            assert ask_to_stop(process)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_a_wrong_address_is_one_line() -> None:
    command = [sys.executable, str(PROGRAM), "9000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("echo: '9000' is not an address")
    assert done.stderr.count("\n") == 1
