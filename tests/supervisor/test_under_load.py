"""Nothing is refused, reset or lost, whatever is replaced: seen by real clients."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from needed import program
from supervised import PATIENCE, Supervised, connect, until

pytestmark = [pytest.mark.posix, pytest.mark.clients]

Supervise = Callable[..., Supervised]

APPLICATION = """
import netcore

VERSION = 1
BODY = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"
LAST = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"

class App(netcore.EventHandler):
    def on_traffic(self, conn):
        data = conn.read()
        if not data.startswith(b"GET "):
            conn.write(data)
        elif b"Connection: close" in data:
            conn.write(LAST)
            return netcore.Action.CLOSE
        else:
            conn.write(BODY * data.count(b"\\r\\n\\r\\n"))
"""

LATE = 10.0
"""Seconds after which an answer counts as lost; the machine may be busy."""


class Load:
    """Clients in threads, and what has gone wrong for them."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.wrong: list[str] = []
        self.done: dict[str, int] = {}

    def echo(self, address: str, name: str) -> None:
        """One long connection, of which every byte is checked."""
        try:
            with connect(address) as sock:
                sock.settimeout(LATE)
                number = 0
                while not self.over.is_set():
                    number += 1
                    sent = f"{name} {number};".encode() * 50
                    sock.sendall(sent)
                    got = b""
                    while len(got) < len(sent):
                        more = sock.recv(65536)
                        assert more, f"ended after {number}"
                        got += more
                    assert got == sent
                    self.done[name] = number
                    time.sleep(0.002)
        except Exception as error:
            self.wrong.append(f"{name}: {error!r}")

    def datagrams(self, address: str, name: str) -> None:
        """Requests with numbers, each of which is answered before the next one."""
        try:
            with connect(address) as sock:
                sock.settimeout(LATE)
                number = 0
                while not self.over.is_set():
                    number += 1
                    sock.send(f"{name} {number}".encode())
                    assert sock.recv(2000) == f"{name} {number}".encode()
                    self.done[name] = number
                    time.sleep(0.002)
        except Exception as error:
            self.wrong.append(f"{name}: {error!r}")

    def short(self, address: str, name: str) -> None:
        """A connection for each request."""
        try:
            number = 0
            while not self.over.is_set():
                number += 1
                with connect(address) as sock:
                    sock.settimeout(LATE)
                    sock.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
                    got = b""
                    while more := sock.recv(1000):
                        got += more
                    assert got.endswith(b"ok"), got
                self.done[name] = number
        except Exception as error:
            self.wrong.append(f"{name}: {error!r}")


@contextmanager
def under_load(one: Supervised) -> Iterator[Load]:
    """Has clients of all kinds at work on all addresses; in the end all is well with them."""
    load = Load()
    threads = []
    for index, address in enumerate(one.addresses):
        kinds = [load.datagrams] * 3 if address.startswith("udp") else [load.echo, load.echo, load.short]
        for number, kind in enumerate(kinds):
            name = f"{kind.__name__}-{index}-{number}"
            threads.append(threading.Thread(target=kind, args=(address, name)))
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(load.done) == len(threads) or load.wrong)
        yield load
        before = dict(load.done)
        until(lambda: all(load.done[name] > count for name, count in before.items()) or load.wrong)
    finally:
        load.over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not load.wrong, f"{load.wrong}\n{one.log}"


@contextmanager
def wrk(port: int, *arguments: str) -> Iterator[None]:
    """Has wrk at work meanwhile, and sees to it that it has nothing to complain of."""
    command = [
        program("wrk"),
        "-t1",
        "-c16",
        "-d60",
        "--timeout",
        "10s",
        *arguments,
        f"http://127.0.0.1:{port}/",
    ]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        popen.send_signal(signal.SIGINT)
        said = popen.communicate(timeout=PATIENCE)[0]
    assert "Socket errors" not in said and "Non-2xx" not in said, said
    requests = re.search(r"(\d+) requests in", said)
    assert requests and int(requests[1]) > 0, said


PLACES = ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://127.0.0.1:0", "unix://{folder}/socket")


def _roll(one: Supervised, times: int) -> None:
    """Replaces every process so many times."""
    for _ in range(times):
        before = one.signal(signal.SIGHUP)
        one.said("process . .* serves", 2, after=before)


def _upgrade(one: Supervised, times: int) -> None:
    """Replaces the supervisor so many times."""
    for _ in range(times):
        before = one.signal(signal.SIGUSR2)
        one.said("the new supervisor .* serves", after=before)


@pytest.mark.parametrize("listeners", ["own", "shared"])
@pytest.mark.parametrize("replace", [_roll, _upgrade])
def test_nothing_is_lost(
    supervise: Supervise, tmp_path: object, replace: Callable[[Supervised, int], None], listeners: str
) -> None:
    places = [place.format(folder=tmp_path) for place in PLACES]
    one = supervise(*places, application=APPLICATION, listeners=listeners, drain_timeout=60).serves()
    with ExitStack() as stack:
        stack.enter_context(wrk(one.port))
        stack.enter_context(wrk(one.port, "-H", "Connection: close"))
        stack.enter_context(under_load(one))
        replace(one, 2)  # those that have come into a place go from it, too
    one.stop()


def test_nothing_is_lost_with_more_and_less(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", application=APPLICATION, drain_timeout=60).serves()
    with wrk(one.port, "-H", "Connection: close"), under_load(one):
        for _ in range(3):
            before = one.signal(signal.SIGTTIN)
            one.said("process 2 .* serves", after=before)
            before = one.signal(signal.SIGTTOU)
            one.said("processes that are wanted now: 2", after=before)
        before = one.signal(signal.SIGTTOU)
        one.said("processes that are wanted now: 1", after=before)
        time.sleep(0.5)
    one.stop()


def test_a_storm_of_orders(supervise: Supervise) -> None:
    one = supervise(
        "tcp://127.0.0.1:0", "udp://127.0.0.1:0", application=APPLICATION, drain_timeout=60
    ).serves()
    with wrk(one.port, "-H", "Connection: close"), under_load(one):
        for _ in range(30):
            before = one.signal(signal.SIGHUP)
            time.sleep(0.02)
        one.said("process 1 .* serves", after=before)
    one.stop()


def stop(pid: int) -> None:
    """Stops a process, and waits until none of its threads runs any more."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    while any(
        task.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()
    ):
        time.sleep(0.01)


def test_killed_processes_lose_nothing_that_waits(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", application=APPLICATION, drain_timeout=60).serves()
    port = one.port
    stop(one.process(1))  # it accepts nothing, and its backlog fills
    with ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(64)]
        for sock in waiting:
            sock.sendall(b"hello")
        os.kill(one.process(1), signal.SIGKILL)
        for sock in waiting:
            assert sock.recv(5) == b"hello"
    one.stop()
