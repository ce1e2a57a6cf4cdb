"""Where the system refuses io_uring, as containers do: netcore says why, and serves on what is left."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.poller("io_uring")  # without it there is none to be refused

# Filters io_uring_setup(2) with seccomp(2), then becomes the command. The filter is a program for the machine
# of bpf(2): load the number of the system call; if it is 425, as on every architecture, return the error.
REFUSE = """
    import ctypes, os, struct, sys

    code = int(sys.argv[1])
    LOAD, JUMP_IF_EQUAL, RETURN, ERROR, ALLOW = 0x20, 0x15, 0x06, 0x50000, 0x7FFF0000
    steps = (LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, 425), (RETURN, 0, 0, ERROR | code), (RETURN, 0, 0, ALLOW)
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    instructions = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(instructions)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
    if prctl(PR_SET_NO_NEW_PRIVS, 1, None, 0, 0) or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        sys.exit(77)
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def refused(code: int, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python, away from the source, under a filter that gives io_uring_setup(2) an error."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(REFUSE), str(code), *map(str, arguments)],
        cwd=tempfile.gettempdir(),
        env={**os.environ, "NETCORE_POLLER": "", **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("no seccomp filter can be set here")
    return done


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EPERM, "a seccomp filter forbids io_uring"), (errno.ENOSYS, "or a seccomp filter hides it")],
)
def test_the_doctor_says_why_and_all_else_works(code: int, reason: str) -> None:
    done = refused(code, "-m", "netcore", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.split()[1:3] == ["poller", "io_uring"])
    assert line.startswith("--")
    assert reason in line


def test_an_engine_that_is_told_to_use_it_says_why() -> None:
    program = """
        import netcore
        try:
            netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0", poller="io_uring").start()
        except netcore.PollerUnavailableError as error:
            print(error)
    """
    done = refused(errno.EPERM, "-c", textwrap.dedent(program))
    assert "'io_uring' cannot run here" in done.stdout, done.stderr
    assert "seccomp" in done.stdout


def test_a_suite_that_forces_it_is_skipped_and_says_why() -> None:
    settings = ("-q", "-p", "no:cacheprovider", "-c", REPOSITORY / "pyproject.toml")
    one = REPOSITORY / "tests" / "test_address.py"
    done = refused(errno.EPERM, "-m", "pytest", *settings, one, NETCORE_POLLER="io_uring", PYTEST_ADDOPTS="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" not in done.stdout
    assert "NETCORE_POLLER=io_uring: " in done.stdout
    assert "seccomp filter forbids" in done.stdout
