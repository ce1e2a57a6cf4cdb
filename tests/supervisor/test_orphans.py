"""Of a supervisor that is killed nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from supervised import APPLICATION, Supervised, alive, until

from netcore._native import MISSING
from netcore.supervisor.takeover import Predecessor

pytestmark = pytest.mark.posix

Supervise = Callable[..., Supervised]

_GUARDED = """
import os, re, socket, sys, time
from netcore.supervisor.guard import guard, guard_in_python
sock = socket.socket(fileno=int(sys.argv[1]))
{guard}(sock.fileno(), 0.1)
sock.close()
print("guarded", flush=True)
{action}
"""

STUCK = {
    "sleeps": "time.sleep(1000)",
    "turns": "while True: pass",
    "keeps the GIL": "re.match('(a+)+b', 'a' * 64)",
}


def _guarded(which: str, action: str) -> tuple[subprocess.Popen[str], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        popen = subprocess.Popen(
            [sys.executable, "-c", _GUARDED.format(guard=which, action=action), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            text=True,
            cwd=os.path.dirname(__file__),  # not where a source tree would be imported that is not built
        )
    assert popen.stdout is not None
    assert popen.stdout.readline() == "guarded\n"
    return popen, ours


GUARDS = [
    pytest.param("guard", marks=pytest.mark.native),
    "guard_in_python",
]


@pytest.mark.parametrize("which", GUARDS)
@pytest.mark.parametrize("how", STUCK)
def test_a_guard_ends_a_process_whatever_it_does(which: str, how: str) -> None:
    if which == "guard_in_python" and how == "keeps the GIL":
        pytest.skip("what Python cannot do")
    popen, ours = _guarded(which, STUCK[how])
    with popen:
        assert popen.poll() is None
        ours.close()
        assert popen.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("which", GUARDS)
def test_a_guard_lets_a_process_end_by_itself(which: str) -> None:
    popen, ours = _guarded(which, "sys.exit(7)")
    with popen, ours:
        assert popen.wait(30) == 7


@pytest.mark.parametrize("which", GUARDS)
def test_a_forked_child_keeps_the_guard_from_nothing(which: str) -> None:
    action = """
pid = os.fork()
if pid == 0:
    time.sleep(1000)
print(pid, flush=True)
time.sleep(1000)
"""
    popen, ours = _guarded(which, action)
    with popen:
        assert popen.stdout is not None
        child = int(popen.stdout.readline())
        try:
            ours.close()
            assert popen.wait(30) == -signal.SIGKILL
            assert alive(child), "it belongs to who has made it"
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.native
def test_a_guard_needs_a_descriptor() -> None:
    from netcore.supervisor.guard import guard

    with pytest.raises(OSError, match="Bad file descriptor"):
        guard(-1, 1)


@pytest.mark.parametrize("how", ["idle", *STUCK])
def test_a_killed_supervisor_leaves_no_process(supervise: Supervise, how: str) -> None:
    if MISSING and how == "keeps the GIL":
        pytest.skip(MISSING)
    application = (
        APPLICATION
        + f"""
        if data == b"stick":
            import re
            {STUCK.get(how, "pass")}
"""
    )
    one = supervise("tcp://127.0.0.1:0", application=application, shutdown_timeout=0.1).serves()
    pids = [one.process(0), one.process(1)]
    with one.connect() as sock:
        if how != "idle":
            sock.sendall(b"stick")
        os.kill(one.pid, signal.SIGKILL)
        until(lambda: not any(map(alive, pids)))


def test_a_killed_supervisor_leaves_no_process_that_boots(supervise: Supervise) -> None:
    action = STUCK["sleeps" if MISSING else "keeps the GIL"]
    application = f"import re, sys, time\nprint('it boots', file=sys.stderr)\n{action}"
    one = supervise("tcp://127.0.0.1:0", application=application, shutdown_timeout=0.1)
    one.said("it boots")
    pids = _children(one.pid)
    os.kill(one.pid, signal.SIGKILL)
    until(lambda: not any(map(alive, pids)))


def test_a_supervisor_killed_in_a_takeover_leaves_nothing(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", shutdown_timeout=0.1).serves()
    one.write("import time\ntime.sleep(1000)")
    one.signal(signal.SIGUSR2)
    successor = int(one.said(r"a new supervisor \((\d+)\)")[1])
    until(lambda: _children(successor))
    pids = [successor, *_children(successor), *_children(one.pid)]
    os.kill(one.pid, signal.SIGKILL)
    until(lambda: not any(map(alive, pids)))


def test_a_supervisor_killed_before_its_successor_knows_of_it_leaves_nothing(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", shutdown_timeout=0.1).serves()
    one.signal(signal.SIGUSR2)
    successor = int(one.said(r"a new supervisor \((\d+)\)")[1])
    os.kill(successor, signal.SIGSTOP)  # its interpreter has just started
    pids = [successor, *_children(one.pid)]
    os.kill(one.pid, signal.SIGKILL)
    one.popen.wait(30)
    os.kill(successor, signal.SIGCONT)
    until(lambda: not any(map(alive, pids)))
    assert len({line.partition("listening on")[2] for line in one.lines if "listening on" in line}) == 1


def test_who_follows_is_told_by_the_channel_and_not_by_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    inode = os.fstat(theirs.fileno()).st_ino
    with theirs:
        for words in ("", "x:1", f"{theirs.fileno()}:{inode + 1}", f"{2**70}:{inode}", f"999999:{inode}"):
            monkeypatch.setenv("NETCORE_TAKEOVER", words)
            assert Predecessor.find() is None
        monkeypatch.setenv("NETCORE_TAKEOVER", f"{theirs.fileno()}:{inode}")
        ours.close()
        with pytest.raises(EOFError):
            Predecessor.find()
        theirs.detach()


def _children(pid: int) -> list[int]:
    out = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in out.stdout.split()]
