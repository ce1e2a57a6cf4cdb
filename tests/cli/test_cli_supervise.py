"""``netcore run --processes``: what the supervisor is given, which is a stand-in here."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from netcore import Options, OptionsError, UnsupportedOperationError
from netcore.supervisor import BootError, TlsFiles

SERVED = ("app:Echo", "tcp://127.0.0.1:0")

Command = Callable[..., "subprocess.CompletedProcess[str]"]

APP = """
import netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())

class First:
    def pick(self, loops, remote):
        return loops[0]
"""


class Supervisor:
    """Notes what it is given; a test may have it fail."""

    made: list[Supervisor]
    error: Exception | None = None
    late: Exception | None = None

    def __init__(self, target: str, *addresses: Any, **given: Any) -> None:
        if self.error is not None:
            raise self.error
        self.target = target
        self.addresses = [str(address) for address in addresses]
        self.options: Options = given.pop("options")
        self.given = given
        self.made.append(self)

    def run(self) -> None:
        if self.late is not None:
            raise self.late


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> type[Supervisor]:
    fresh = type("Fresh", (Supervisor,), {"made": []})
    monkeypatch.setattr("netcore.supervisor.Supervisor", fresh)
    return fresh


DEFAULTS = {
    "processes": 1,
    "configure": "",
    "hang_timeout": 0,
    "drain_timeout": 30,
    "reload": False,
    "listeners": "",
    "balancer": "",
    "tls_files": None,
    "log_level": logging.INFO,
    "log_format": "text",
}


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["--processes", "3"], {"processes": 3}),
        (["--processes", "auto"], {"processes": 0}),
        (["--reload"], {"reload": True}),
        (["--reload", "--processes", "2"], {"reload": True, "processes": 2}),
        (["--processes", "1", "--hang-timeout", "5"], {"hang_timeout": 5}),
        (["--reload", "--drain-timeout", "inf"], {"reload": True, "drain_timeout": float("inf")}),
        (["--processes", "1", "--configure", "app:set_up"], {"configure": "app:set_up"}),
        (["--processes", "1", "--listeners", "shared"], {"listeners": "shared"}),
        (["--processes", "1", "--lb", "app:Own"], {"balancer": "app:Own"}),
        (
            ["--processes", "1", "--log-level", "ERROR", "--log-format", "json"],
            {"log_level": logging.ERROR, "log_format": "json"},
        ),
    ],
)
def test_what_it_is_given(
    netcore_main: Command, supervisor: type[Supervisor], arguments: list[str], given: dict[str, object]
) -> None:
    done = netcore_main("run", *SERVED, *arguments)  # there is no module app, which nobody is to import here
    assert (done.returncode, done.stderr) == (0, "")
    (made,) = supervisor.made
    assert (made.target, made.addresses) == ("app:Echo", ["tcp://127.0.0.1:0"])
    assert made.given == {**DEFAULTS, **given}


def test_options_and_the_environment_reach_it(netcore_main: Command, supervisor: type[Supervisor]) -> None:
    done = netcore_main(
        "run",
        *SERVED,
        "--loops",
        "2",
        "--lb",
        "least-connections",
        NETCORE_PROCESSES="auto",
        NETCORE_BACKLOG="7",
    )
    assert done.returncode == 0, done.stderr
    (made,) = supervisor.made
    assert made.given == {**DEFAULTS, "processes": 0}
    assert made.options == Options(
        num_event_loops=2, load_balancer="least-connections", backlog=7, poller=made.options.poller
    )


def test_certificates_are_named(netcore_main: Command, supervisor: type[Supervisor], tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()  # what is in them the processes will say
    (tmp_path / "ca").mkdir()
    key, ca = ["--tls-key", "key.pem"], ["--tls-client-ca", "ca", "--tls-client-optional"]
    run = ("run", "app:Echo", "tls://:0", "--processes", "2", "--tls-certificate", "cert.pem")
    done = netcore_main(*run, *key, *ca, "--tls-alpn", "h2")
    assert (done.returncode, done.stderr) == (0, "")
    assert supervisor.made[0].given["tls_files"] == TlsFiles(
        certificate="cert.pem", key="key.pem", client_ca="ca", client_optional=True, alpn=("h2",)
    )
    done = netcore_main(*run, "--tls-key", "absent.pem")
    assert done.returncode == 2
    assert done.stderr == "netcore: argument --tls-key: absent.pem: No such file or directory\n"


def test_processes_that_never_boot_are_status_1(netcore_main: Command, supervisor: type[Supervisor]) -> None:
    supervisor.late = BootError("no process has booted in 3 tries")
    done = netcore_main("run", *SERVED, "--processes", "2")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "CRITICAL netcore: no process has booted in 3 tries" in done.stderr


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OptionsError("option x is odd"), "option x is odd"),
        (OSError(98, "Address already in use (tcp://:1)"), "Address already in use (tcp://:1)"),
        (
            UnsupportedOperationError("there are no processes on this platform"),
            "there are no processes on this",
        ),
    ],
)
def test_what_it_refuses_is_one_line(
    netcore_main: Command, supervisor: type[Supervisor], error: Exception, line: str
) -> None:
    supervisor.error = error
    for when in ("error", "late"):
        supervisor.error = supervisor.late = None
        setattr(supervisor, when, error)
        done = netcore_main("run", *SERVED, "--processes", "2")
        assert done.returncode == 2
        assert done.stderr.startswith(f"netcore: {line}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hang-timeout", "5"], "argument --hang-timeout: it needs --processes or --reload"),
        (["--drain-timeout", "5"], "argument --drain-timeout: it needs --processes or --reload"),
        (["--configure", "a:b"], "argument --configure: it needs --processes or --reload"),
        (["--listeners", "own"], "argument --listeners: it needs --processes or --reload"),
        (["--processes", "0"], "argument --processes: '0' is neither a whole number from 1 up nor auto"),
        (["--processes", "2", "--listeners", "none"], "'none' is none of own, shared"),
        (["--processes", "2", "--lb", "nosuch"], "there is no load balancer 'nosuch'"),
        (["--processes", "2", "--backlog", "0"], "argument --backlog: option backlog is 0"),
        (["--processes", "2", "--tls-certificate", "x"], "no ADDRESS has TLS"),
    ],
)
def test_mistakes(
    netcore_main: Command, supervisor: type[Supervisor], arguments: list[str], words: str
) -> None:
    done = netcore_main("run", *SERVED, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not supervisor.made


def test_without_processes_it_is_not_loaded(netcore_command: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import netcore, sys\n"
        "class Report(netcore.EventHandler):\n"
        "    def on_boot(self, engine):\n"
        "        print('netcore.supervisor' in sys.modules)\n"
        "        return netcore.Action.SHUTDOWN\n"
    )
    done = netcore_command("run", "app:Report", "tcp://127.0.0.1:0")
    assert done.stdout == "False\n", done.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there is no supervisor")
def test_the_real_one_serves(served: Callable[..., AbstractContextManager[Any]]) -> None:
    with served("app:Echo", "tcp://127.0.0.1:0", "--processes", "1", "--lb", "app:First", app=APP) as server:
        with server.dial() as sock:
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert any(re.search(r" INFO netcore: process 0 \(\d+\) serves", line) for line in server.log)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there is no supervisor")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (APP + "Echo.on_boot = lambda self, engine: 1 // 0", "this process failed: ZeroDivisionError: "),
        (APP + "1 // 0", "importing app failed: ZeroDivisionError: "),
        (
            APP
            + "from netcore.supervisor import Supervisor\nSupervisor('app:Echo', 'tcp://127.0.0.1:0').run()",
            "importing app failed: RuntimeError: Supervisor.run was called while app is imported",
        ),
    ],
    ids=["boot", "import", "supervisor"],
)
def test_what_ends_a_process_is_in_the_log_in_its_format(
    netcore_command: Command, tmp_path: Path, broken: str, said: str
) -> None:
    (tmp_path / "app.py").write_text(broken)
    done = netcore_command("run", *SERVED, "--processes", "1", "--log-format", "json")
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stderr.splitlines()]
    failures = [record for record in records if record["message"].startswith(said)]
    assert len(failures) == 3 and all(record["process"] == 0 for record in failures)
    assert all("Traceback" in record["exception"] for record in failures)


@pytest.mark.skipif(hasattr(signal, "pthread_sigmask"), reason="there is a supervisor")
def test_where_there_is_none_it_is_said(netcore_main: Command) -> None:
    done = netcore_main("run", *SERVED, "--processes", "2")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "this platform has no supervisor" in done.stderr
