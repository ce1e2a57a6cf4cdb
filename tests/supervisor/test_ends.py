"""Processes that die, hang, or never boot; and the end of the supervisor itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from supervised import APPLICATION, Supervised, alive, until

pytestmark = [pytest.mark.posix, pytest.mark.once]

Supervise = Callable[..., Supervised]


def test_a_process_that_dies_is_replaced(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    for how in ("kill(os.getpid(), 9)", "_exit(3)"):
        before = len(one.lines)
        assert one.ask(f"os.{how}") == ""
        one.said(r"was ended by SIGKILL|ended with status 3", after=before)
        one.said(r"process \d .* serves", after=before)
    assert one.stop() == 0


@pytest.mark.parametrize(
    ("application", "last"),
    [
        ("import sys; sys.exit(5)", "ended with status 5"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        (
            APPLICATION + "\n    def on_boot(self, engine): raise RuntimeError('broken')\n",
            "ended with status 1",
        ),
        ("def", "ended with status 2"),
    ],
)
def test_where_nothing_boots_it_ends_after_three_tries(
    supervise: Supervise, application: str, last: str
) -> None:
    one = supervise("tcp://127.0.0.1:0", application=application)
    assert one.wait() == 1
    assert one.log.count("while booting") == 3
    assert f"BootError: no process has booted in 3 tries: the last one {last}" in one.log


HANGS = {
    "turns": "[None for _ in iter(int, 1)]",
    "sleeps": "time.sleep(1000)",
    "keeps the GIL": "__import__('re').match('(a+)+b', 'a' * 64)",
}


@pytest.mark.parametrize("how", HANGS)
def test_a_process_that_hangs_is_ended_with_its_stacks(supervise: Supervise, how: str) -> None:
    one = supervise("tcp://127.0.0.1:0", hang_timeout=1).serves()
    with one.connect() as sock:
        before = len(one.lines)
        sock.sendall(f"!{HANGS[how]}".encode())
        assert sock.recv(100) == b""
        one.said("has hung", after=before)
        one.said("was ended by SIGABRT", after=before)
        one.said(r"File .*app\.py", after=before)
        one.said(r"process \d .* serves", after=before)
    assert one.stop() == 0


def test_a_process_that_was_stopped_is_ended_with_its_stacks_too(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", hang_timeout=1).serves()
    before = len(one.lines)
    os.kill(one.process(1), signal.SIGSTOP)
    one.said(r"process 1 .* was ended by SIGABRT", after=before)
    one.said(r"process 1 .* serves", after=before)
    assert "is killed" not in one.log
    assert one.stop() == 0


def test_neither_a_slow_boot_nor_idleness_is_a_hang(supervise: Supervise) -> None:
    application = APPLICATION + "\n    def on_boot(self, engine): time.sleep(1.2)\n"
    one = supervise("tcp://127.0.0.1:0", application=application, processes=1, hang_timeout=0.4).serves(1)
    pid = one.process(0)
    assert one.ask("time.sleep(0.1)") == "None"
    with one.connect() as sock:
        sock.settimeout(1.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert one.ask("os.getpid()") == str(pid)
    assert "has hung" not in one.log
    assert one.stop() == 0


def test_a_terminal_stops_the_group_in_order(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0").serves()
    pids = [one.process(0), one.process(1)]
    os.killpg(one.popen.pid, signal.SIGINT)
    assert one.wait() == 0
    assert not any(map(alive, pids))
    assert one.log.count("has ended") == 2
    assert "Traceback" not in one.log


def test_who_stops_while_it_boots_says_not_that_it_listens(supervise: Supervise) -> None:
    slow = """
    def on_boot(self, engine):
        print("it boots", file=__import__("sys").stderr, flush=True)
        time.sleep(0.5)
"""
    one = supervise("tcp://127.0.0.1:0", application=APPLICATION + slow)
    one.said("it boots")
    assert one.stop() == 0
    assert "listening on" not in one.log and "serves" not in one.log
    one.said("process 0 .* has ended")


def test_a_second_signal_ends_it_at_once(supervise: Supervise) -> None:
    application = APPLICATION + "\n    def on_shutdown(self, engine): time.sleep(1000)\n"
    one = supervise("tcp://127.0.0.1:0", application=application, shutdown_timeout=1000).serves()
    os.killpg(one.popen.pid, signal.SIGINT)
    one.said("stopping")
    os.killpg(one.popen.pid, signal.SIGINT)
    assert one.wait() == 0


@pytest.mark.parametrize("order", [signal.SIGHUP, signal.SIGUSR2])
def test_it_stops_while_something_is_replaced(supervise: Supervise, order: int) -> None:
    one = supervise("tcp://127.0.0.1:0", shutdown_timeout=1).serves()
    one.write(APPLICATION + "\n    def on_boot(self, engine): time.sleep(1000)\n")
    one.signal(order)
    one.said("replacing every|is to take over")
    assert one.stop() == 0


def test_a_successor_that_hangs_is_given_up_for_the_next_one(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", shutdown_timeout=0.2, drain_timeout=1).serves()
    one.write(APPLICATION + "\n    def on_boot(self, engine): time.sleep(1000)\n")
    one.signal(signal.SIGUSR2)
    one.said("is to take over")
    one.write(APPLICATION.replace("VERSION = 1", "VERSION = 2"))
    one.signal(signal.SIGUSR2)
    one.said("is given up for another one")
    one.said("the new supervisor .* serves")
    until(lambda: one.ask("VERSION") == "2")
    one.stop()


def test_children_of_a_handler_hold_up_nothing(supervise: Supervise) -> None:
    application = APPLICATION + "\nif os.environ.get('NEVER'): pass\n"
    one = supervise("tcp://127.0.0.1:0", application=application, processes=1).serves(1)
    forked = "(lambda pid: pid or time.sleep(1000))(os.fork())"
    spawned = "__import__('subprocess').Popen(['sleep', '1000'], close_fds=False).pid"
    children = [int(one.ask(forked)), int(one.ask(spawned))]
    try:
        assert [len(os.listdir(f"/proc/{children[1]}/fd"))] == [3] if os.path.exists("/proc/self") else True
        before = one.signal(signal.SIGHUP)
        one.said(r"process 0 .* has ended", after=before)
        before = len(one.lines)
        assert one.ask("os._exit(4)") == ""
        one.said("ended with status 4", after=before)
        one.said("process 0 .* serves", after=before)
        one.signal(signal.SIGTERM)
        assert one.popen.wait(30) == 0
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
