"""Processes are replaced, and what they serve goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from supervised import APPLICATION, Supervised, alive, until

pytestmark = [pytest.mark.posix, pytest.mark.once]

Supervise = Callable[..., Supervised]


def test_serves_and_stops(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    pids = {one.process(0), one.process(1)}
    assert int(one.ask("os.getpid()")) in pids
    assert one.stop() == 0
    assert not any(map(alive, pids))


def test_takes_new_code_and_keeps_connections(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    old = {one.process(0), one.process(1)}
    with one.connect() as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        one.write(APPLICATION.replace("VERSION = 1", "VERSION = 2"))
        one.signal(signal.SIGHUP)
        one.serves(times=2)
        until(lambda: one.ask("VERSION") == "2")
        sock.sendall(b"hello again")
        assert sock.recv(100) == b"hello again"
        assert any(map(alive, old))
    until(lambda: not any(map(alive, old)))
    assert one.stop() == 0


BROKEN = {
    "syntax": "def",
    "import": "import sys; sys.exit(5)",
    "boot": APPLICATION + "\n    def on_boot(self, engine): raise RuntimeError('broken')\n",
    "exit": APPLICATION + "\n    def on_boot(self, engine): raise SystemExit(4)\n",
    "kill": APPLICATION + "\n    def on_boot(self, engine): os.kill(os.getpid(), 9)\n",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_version_that_does_not_come_up_leaves_the_old_one(supervise: Supervise, how: str) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    one.write(BROKEN[how])
    one.signal(signal.SIGHUP)
    one.said("nothing more is replaced")
    assert one.ask("VERSION") == "1"
    one.write(APPLICATION.replace("VERSION = 1", "VERSION = 2"))
    one.signal(signal.SIGHUP)
    one.serves(times=2)
    until(lambda: one.ask("VERSION") == "2")
    assert one.stop() == 0


def test_a_new_one_that_hangs_in_its_boot_is_given_up_by_the_next_order(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", shutdown_timeout=0.1).serves()
    one.write(APPLICATION + "\n    def on_boot(self, engine):\n        while True: time.sleep(1)\n")
    one.signal(signal.SIGHUP)
    one.said("replacing")
    assert one.ask("VERSION") == "1"
    one.write(APPLICATION.replace("VERSION = 1", "VERSION = 2"))
    one.signal(signal.SIGHUP)
    one.serves(times=2)
    until(lambda: one.ask("VERSION") == "2")
    assert one.stop() == 0


def test_takes_over(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    before = one.addresses
    for times in (2, 3):
        old = one.pid
        one.signal(signal.SIGUSR2)
        one.serves(times=times)
        until(lambda old=old: one.pid != old)  # type: ignore[misc]
        until(lambda old=old: not alive(old))  # type: ignore[misc]
        assert one.ask("VERSION") == "1"
    assert one.popen.wait(10) == 0
    assert one.said("listening on (.*)", times=3)[1].split(", ") == before
    one.stop()


def test_a_successor_shows_its_processes_where_they_were_shown(supervise: Supervise) -> None:
    pytest.importorskip("h11")
    one = supervise("tcp://127.0.0.1:0", admin="tcp://127.0.0.1:0").serves()
    shown = one.said("the processes are shown on (.*)")[1]
    one.signal(signal.SIGUSR2)
    one.said(r"the new supervisor \(\d+\) serves")
    assert one.said("the processes are shown on (.*)", times=2)[1] == shown
    assert "cannot be shown" not in one.log
    one.signal(signal.SIGTERM)
    assert one.wait() == 0


def test_no_listener_is_added_that_a_successor_knows_nothing_of(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    one.write("import time\ntime.sleep(1000)")
    one.signal(signal.SIGUSR2)
    one.said(r"a new supervisor \(\d+\)")
    one.signal(signal.SIGTTIN)
    one.said("there is no process more: a new supervisor is about to take over")
    assert "3 processes" not in one.log
    one.signal(signal.SIGTERM)
    one.signal(signal.SIGTERM)
    assert one.wait() == 0


@pytest.mark.parametrize("how", ["syntax", "boot", "exit"])
def test_a_supervisor_that_does_not_come_up_leaves_the_old_one(supervise: Supervise, how: str) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    one.write(BROKEN[how])
    one.signal(signal.SIGUSR2)
    one.said("the new supervisor has ended with status 1, and this one stays")
    assert one.ask("VERSION") == "1"
    one.write(APPLICATION.replace("VERSION = 1", "VERSION = 2"))
    one.signal(signal.SIGHUP)
    one.serves(times=2)
    until(lambda: one.ask("VERSION") == "2")
    assert one.stop() == 0
