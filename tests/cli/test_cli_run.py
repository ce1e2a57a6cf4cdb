"""``netcore run`` finds handlers, serves them, and passes the options on."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ANY_PORT = "tcp://127.0.0.1:0"

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., AbstractContextManager[Any]]

APP = """
import netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())

class Holder:
    handler = Echo()

def make():
    return Echo()

def make_with_default(size=10):
    return Echo()
"""

ONCE = """
class Once(Echo):
    def on_close(self, conn, error):
        return netcore.Action.SHUTDOWN
"""

FAULTY = """
class Faulty(Echo):
    def on_traffic(self, conn):
        if conn.peek() == b"bad":
            raise ValueError("my own fault")
        super().on_traffic(conn)
"""

REPORT = """
import netcore

class Report(netcore.EventHandler):
    def on_boot(self, engine):
        options = engine.options
        print(EXPRESSION)
        return netcore.Action.SHUTDOWN
"""

BALANCING = """
class First:
    mine = True

    def pick(self, loops, remote):
        return loops[0]

first = First()
"""


def echo(sock: socket.socket, data: bytes = b"hello") -> bytes:
    with sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return sock.makefile("rb").read()


@pytest.mark.parametrize("name", ["Echo", "Holder.handler", "make", "make_with_default"])
def test_a_class_an_instance_and_a_function_are_served(served: Serve, name: str) -> None:
    with served(f"app:{name}", ANY_PORT, app=APP) as server:
        assert echo(server.dial()) == b"hello"


def test_the_example_is_found_from_the_repository(served: Serve, script: str) -> None:
    with served("examples.echo:Echo", ANY_PORT, directory=REPOSITORY, command=(script,)) as server:
        assert echo(server.dial()) == b"hello"


def test_the_log_names_every_address_with_its_real_port(served: Serve) -> None:
    with served("app:Echo", ANY_PORT, ANY_PORT) as server:
        assert len({address.port for address in server.addresses} - {0}) == 2
        assert [echo(server.dial(index)) for index in (0, 1)] == [b"hello", b"hello"]


@pytest.mark.unix_sockets
def test_unix_sockets_are_served_and_removed(served: Serve, tmp_path: Path) -> None:
    with served("app:Once", "unix://socket", app=APP + ONCE) as server:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(tmp_path / "socket"))
        assert echo(sock) == b"hello"
        assert server.wait() == 0
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize(
    ("arguments", "expression", "expected"),
    [
        ((), "len(engine.loops), options.poller or None", f"1 {os.environ.get('NETCORE_POLLER') or None}"),
        (("--loops", "3"), "len(engine.loops)", "3"),
        (("--multicore",), "options.multicore", "True"),
        (("--poller", "select"), "options.poller", "select"),
        (("--lb", "least-connections"), "options.load_balancer", "least-connections"),
        (("--lb", "balancing:First"), "options.load_balancer.mine", "True"),
        (("--lb", "balancing:first"), "options.load_balancer.mine", "True"),
        (("--reuse-port",), "options.reuse_port", "True"),
        (("--max-connections", "7"), "options.max_connections", "7"),
        (("--idle-timeout", "1.5"), "options.idle_timeout", "1.5"),
        (("--idle-timeout", "inf"), "options.idle_timeout", "inf"),
        ((), "options.proxy_protocol, options.proxy_protocol_from", "False ()"),
        (("--proxy-protocol",), "options.proxy_protocol, options.proxy_protocol_from", "True ()"),
        (
            ("--proxy-protocol", "--proxy-from", "10.0.0.0/8", "--proxy-from", "::1"),
            "options.proxy_protocol, options.proxy_protocol_from",
            "True ('10.0.0.0/8', '::1')",
        ),
        (("--log-level", "Debug"), "__import__('logging').getLogger().level", str(logging.DEBUG)),
    ],
)
def test_options_reach_the_engine(
    netcore_main: Command, tmp_path: Path, arguments: tuple[str, ...], expression: str, expected: str
) -> None:
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", expression))
    (tmp_path / "balancing.py").write_text(BALANCING)
    done = netcore_main("run", "app:Report", ANY_PORT, *arguments)
    assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr


def test_a_higher_log_level_is_quiet(netcore_command: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", ""))
    done = netcore_command("run", "app:Report", ANY_PORT, "--log-level", "error")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fault_of_the_handler_is_logged_and_serving_goes_on(served: Serve) -> None:
    with served("app:Faulty", ANY_PORT, app=APP + FAULTY) as server:
        assert echo(server.dial(), b"bad") == b""
        while "my own fault" not in server.read_log():
            pass
        assert any("Traceback" in line for line in server.log)
        assert echo(server.dial()) == b"hello"
