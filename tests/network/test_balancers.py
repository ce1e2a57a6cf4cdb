"""Hosts behind HAProxy and nginx, as the page shows them; one leaves under load, and no request fails."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "several-hosts.md").read_text()
HOSTS = {"one": "10.78.1.2", "two": "10.78.2.2"}
PUBLIC = "http://10.78.0.1:8000/"
TIMEOUT = 30

pytestmark = pytest.mark.clients

APP = """
import netcore

BODY = "HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s"

class App(netcore.EventHandler):
    \"\"\"Answers with the client's address, a little later, so that a request is under way at any time.\"\"\"

    def on_traffic(self, conn):
        end = bytes(conn.peek()).find(b"\\r\\n\\r\\n")
        if end >= 0:
            conn.discard(end + 4)
            conn.pause_reading()
            conn.loop.schedule(0.01, self.answer, conn)

    def answer(self, conn):
        host = conn.remote_address.host
        if not conn.closed:
            conn.resume_reading()
            conn.write((BODY % (len(host), host)).encode())
"""


def program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


class Hosts:
    """The programs on the hosts."""

    def __init__(self, balanced, folder: Path) -> None:
        self.balanced = balanced
        self.folder = folder
        (folder / "app.py").write_text(APP)
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Starts netcore on one, until it listens."""
        listening = [f"tcp://{HOSTS[name]}:8080", "--admin", f"tcp://{HOSTS[name]}:9100"]
        command = [sys.executable, "-m", "netcore", "run", "app:App", *listening, *arguments]
        process = self.balanced.start(name, *command, cwd=self.folder, stderr=subprocess.PIPE)
        self.running[name] = process
        assert next((line for line in process.stderr if "listening on" in line), None)

    def stop(self, name: str) -> None:
        """Sends it SIGTERM, and waits for its end."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, said

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()


@pytest.fixture
def hosts(balanced, tmp_path: Path) -> Iterator[Hosts]:
    hosts = Hosts(balanced, tmp_path)
    yield hosts
    hosts.close()


@pytest.fixture
def on_balancer(balanced) -> Iterator[Callable[..., None]]:
    """Starts a program on the balancer, until it listens there."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str) -> None:
        process = balanced.start("balancer", *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        started.append(process)
        deadline = time.monotonic() + TIMEOUT
        while True:
            with balanced.client.inside(), contextlib.suppress(OSError):
                socket.create_connection(("10.78.0.1", 8000), timeout=TIMEOUT).close()
                return
            assert process.poll() is None and time.monotonic() < deadline, process.stdout.read()
            time.sleep(0.02)

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


@pytest.fixture
def load(balanced) -> Iterator[Callable[..., str]]:
    """Requests from the client, over and over; ``load.end()`` returns what wrk says of them."""

    class Load:
        process: subprocess.Popen[str] | None = None

        def begin(self, *arguments: str) -> None:
            command = [program("wrk"), "-t1", "-c8", "-d600s", *arguments, PUBLIC]
            self.process = balanced.start("client", *command, stdout=subprocess.PIPE)

        def end(self) -> str:
            process, self.process = self.process, None
            assert process is not None
            assert process.poll() is None, "it has ended by itself"
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=TIMEOUT)
            return said

    load = Load()
    yield load
    if load.process is not None:
        load.process.kill()
        load.process.communicate()


def assert_none_failed(said: str) -> None:
    requests = re.search(r"(\d+) requests in", said)
    assert requests is not None and int(requests[1]) > 0, said
    assert "Socket errors" not in said and "Non-2xx" not in said, said


class HAProxy:
    """HAProxy as the page has it, and its socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "admin.sock")
        self.path = folder / "haproxy.cfg"
        text = block("haproxy").replace("/run/haproxy/admin.sock", self.socket)
        self.path.write_text(text.replace("inter 1s", "inter 100ms"))

    def say(self, words: str) -> str:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT)
            sock.connect(self.socket)
            sock.sendall(f"{words}\n".encode())
            return "".join(iter(lambda: sock.recv(65536).decode(), ""))

    def server(self, name: str) -> dict[str, str]:
        """What it says of a server."""
        table = csv.DictReader(self.say("show stat").lstrip("# ").splitlines())
        return next(row for row in table if (row["pxname"], row["svname"]) == ("netcore", name))

    def until(self, name: str, holds: Callable[[dict[str, str]], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not holds(said := self.server(name)):
            assert time.monotonic() < deadline, said
            time.sleep(0.02)

    def until_it_serves(self, name: str) -> None:
        """Until it is up, and has got requests since."""
        self.until(name, lambda said: said["status"] == "UP")
        before = int(self.server(name)["hrsp_2xx"])
        self.until(name, lambda said: int(said["hrsp_2xx"]) >= before + 10)


@pytest.fixture
def haproxy(on_balancer, tmp_path: Path) -> HAProxy:
    haproxy = HAProxy(tmp_path)
    on_balancer(program("haproxy"), "-db", "-f", str(haproxy.path))
    return haproxy


PROXIED = {name: ("--proxy-protocol", "--proxy-from", f"10.78.{i}.1") for i, name in enumerate(HOSTS, 1)}


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["plain", "processes"])
def test_hosts_that_stop_are_not_missed(balanced, hosts, haproxy, load, processes):
    """SIGTERM: first not ready, then the balancer knows, then the stop."""
    delay = ("--shutdown-delay", "1.5", *processes)
    for name in HOSTS:
        hosts.start(name, *PROXIED[name], *delay)
    load.begin()
    for name, other in (("one", "two"), ("two", "one")):
        haproxy.until_it_serves(name)
        haproxy.until_it_serves(other)
        hosts.stop(name)
        assert haproxy.server(name)["status"].startswith("DOWN"), "it has known before it was the case"
        haproxy.until_it_serves(other)
        hosts.start(name, *PROXIED[name], *delay)
    haproxy.until_it_serves("two")
    assert_none_failed(load.end())


def test_a_host_is_taken_out_by_hand(balanced, hosts, haproxy, load):
    for name in HOSTS:
        hosts.start(name, *PROXIED[name])
    load.begin()
    haproxy.until_it_serves("one")
    haproxy.until_it_serves("two")
    assert haproxy.say("set server netcore/one state drain").strip() == ""
    haproxy.until("one", lambda said: said["status"].startswith("DRAIN") and said["scur"] == "0")
    hosts.stop("one")
    hosts.start("one", *PROXIED["one"])
    haproxy.say("set server netcore/one state ready")
    haproxy.until_it_serves("one")
    assert_none_failed(load.end())


def test_the_hosts_know_the_client(balanced, hosts, haproxy):
    for name in HOSTS:
        hosts.start(name, *PROXIED[name])
        haproxy.until(name, lambda said: said["status"] == "UP")
    for _ in range(4):
        curl = balanced.start("client", program("curl"), "-sS", PUBLIC, stdout=subprocess.PIPE)
        assert curl.communicate(timeout=TIMEOUT)[0] == "10.78.0.2"
    assert int(haproxy.server("one")["hrsp_2xx"]) + int(haproxy.server("two")["hrsp_2xx"]) == 4


def test_nginx_leaves_a_host_alone_that_is_marked(balanced, hosts, on_balancer, load, tmp_path):
    def write(text: str) -> None:
        around = f"daemon off;\npid {tmp_path}/pid;\nevents {{}}\n"
        text = text.replace("http {", f"http {{\naccess_log {tmp_path}/access.log up;", 1)
        text = text.replace("access_log", "log_format up $upstream_addr;\naccess_log", 1)
        (tmp_path / "nginx.conf").write_text(around + text)

    def log() -> list[str]:
        return (tmp_path / "access.log").read_text().split("\n")

    def until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    for name in HOSTS:
        hosts.start(name)
    text = block("nginx")
    write(text)
    command = [program("nginx"), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    on_balancer(*command)
    load.begin(
        "-H", "Connection: close"
    )  # a worker that leaves closes what is idle, and with it what arrives
    until(lambda: all(log().count(f"{host}:8080") > 10 for host in HOSTS.values()))
    workers = set(children(int((tmp_path / "pid").read_text())))
    write(text.replace("server 10.78.1.2:8080;", "server 10.78.1.2:8080 down;"))
    subprocess.run([*command, "-s", "reload"], check=True, timeout=TIMEOUT)
    until(lambda: not workers & set(children(int((tmp_path / "pid").read_text()))))  # the old ones are done
    before = log().count("10.78.1.2:8080")
    hosts.stop("one")
    so_far = log().count("10.78.2.2:8080")
    until(lambda: log().count("10.78.2.2:8080") > so_far + 10)
    assert log().count("10.78.1.2:8080") == before
    assert_none_failed(load.end())


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
