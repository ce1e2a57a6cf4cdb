"""Standard output that nobody reads, that has no room, or that is not there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from netcore import Address

COMMAND = (sys.executable, "-m", "netcore")
PRINTING = """
import netcore

class Printing(netcore.EventHandler):
    def on_boot(self, engine):
        print("here it is", flush=True)

    def on_traffic(self, conn):
        print("x" * 100000)
        conn.write(conn.read())
"""

pytestmark = pytest.mark.posix


def run(*arguments: str, cwd: Path, stdout: int | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["doctor", "--platforms"], ["--version"], ["--help"], ["run", "--help"]],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left_ends_it_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*arguments, cwd=tmp_path, stdout=writer)
    finally:
        os.close(writer)
    assert (done.stderr, done.returncode) == ("", 141)


@pytest.mark.parametrize("unread", [True, False], ids=["nobody reads it", "the disk is full"])
@pytest.mark.parametrize(
    "arguments", [["run", "nothing:at_all", "tcp://:0"], ["run"], ["nothing"]], ids=" ".join
)
def test_errors_that_cannot_be_told_are_in_the_status(
    tmp_path: Path, arguments: list[str], unread: bool
) -> None:
    if not (unread or Path("/dev/full").exists()):
        pytest.skip("there is no /dev/full")
    reader, writer = (
        os.pipe() if unread else (os.open(os.devnull, os.O_RDONLY), os.open("/dev/full", os.O_WRONLY))
    )
    os.close(reader)
    try:
        done = subprocess.run([*COMMAND, *arguments], cwd=tmp_path, stderr=writer, timeout=120)
    finally:
        os.close(writer)
    assert done.returncode == 2


def test_a_reader_that_leaves_after_the_first_line(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "doctor"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("ok")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["doctor"], ["--help"]], ids=" ".join)
def test_no_room_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = run(*arguments, cwd=tmp_path, stdout=full.fileno())
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("netcore: cannot write")


def test_without_standard_output_the_report_is_made_all_the_same(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'netcore', 'doctor'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_server_goes_on_when_nobody_reads_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    (tmp_path / "app.py").write_text(PRINTING)
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "run", "app:Printing", "tcp://127.0.0.1:0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        assert process.stderr is not None
        listening = next(line for line in process.stderr if "listening on" in line)
        address = Address.parse(listening.split()[-1])
        for _ in range(3):
            with socket.create_connection((address.host, address.port), timeout=30) as peer:
                peer.sendall(b"hello")
                assert peer.recv(5) == b"hello"
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
        assert process.wait(60) == 0
