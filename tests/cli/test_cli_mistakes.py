"""A wrong argument gets one clear line and exit status 2; a fault of the user's own code its traceback."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from netcore.cli import main, serve_here

ANY_PORT = "tcp://127.0.0.1:0"

Command = Callable[..., "subprocess.CompletedProcess[str]"]

APP = """
import netcore

number = 7

class Echo(netcore.EventHandler):
    pass

class Needy(Echo):
    def __init__(self, size):
        self.size = size

class Faulty(Echo):
    def __init__(self):
        raise KeyError("my own fault")

class Stranger:
    pass

def make_nothing():
    return None

class NoBalancer:
    pass
"""


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    # Without the native part a warning of it may come first, which is not about the arguments.
    (line,) = (line for line in done.stderr.splitlines() if " WARNING netcore: " not in line)
    assert line.startswith("netcore: ")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("handler", "complaint"),
    [
        ("app", "not of the form MODULE:NAME"),
        (":Echo", "not of the form MODULE:NAME"),
        ("app:", "not of the form MODULE:NAME"),
        ("./app.py:Echo", "not of the form MODULE:NAME"),
        ("absent:Echo", "there is no module 'absent'"),
        ("app.py:Echo", "there is no module 'app.py'"),
        ("app:Ecco", "app has no attribute 'Ecco'"),
        ("app:Echo.inner", "app:Echo has no attribute 'inner'"),
        ("app:number", "app:number is no EventHandler"),
        ("app:Stranger", "app:Stranger is no EventHandler"),
        ("app:Needy", "app:Needy cannot be called without arguments: missing a required argument: 'size'"),
        ("app:make_nothing", "app:make_nothing returned None"),
    ],
)
def test_handler(netcore_main: Command, tmp_path: Path, handler: str, complaint: str) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert_one_line(netcore_main("run", handler, ANY_PORT), complaint)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["localhost:9000"], "'localhost:9000' is not an address"),
        (["http://localhost:9000"], "unknown scheme 'http'"),
        (["tcp://localhost"], "no valid host and port"),
        (["tcp://192.0.2.1:0"], "(tcp://192.0.2.1:0)"),
        pytest.param(
            ["unix://absent/socket"],
            "No such file or directory (unix://absent/socket)",
            marks=pytest.mark.unix_sockets,
        ),
        ([], "ADDRESS"),
        ([ANY_PORT, "--loops", "0"], "--loops"),
        ([ANY_PORT, "--loops", "two"], "--loops"),
        ([ANY_PORT, "--max-connections", "-1"], "--max-connections"),
        ([ANY_PORT, "--idle-timeout", "soon"], "--idle-timeout"),
        ([ANY_PORT, "--idle-timeout", "-1"], "--idle-timeout"),
        ([ANY_PORT, "--idle-timeout", "nan"], "--idle-timeout"),
        ([ANY_PORT, "--proxy-from", "10.0.0.0/8"], "--proxy-from: it needs --proxy-protocol"),
        ([ANY_PORT, "--proxy-protocol", "--proxy-from"], "--proxy-from"),
        ([ANY_PORT, "--proxy-protocol", "--proxy-from", "10.0.0.1/8"], "10.0.0.1/8 has host bits set"),
        ([ANY_PORT, "--poller", "nosuch"], "there is no poller 'nosuch'"),
        ([ANY_PORT, "--lb", "nosuch"], "there is no load balancer 'nosuch'"),
        ([ANY_PORT, "--lb", "app:Nosuch"], "app has no attribute 'Nosuch'"),
        ([ANY_PORT, "--lb", "app:NoBalancer"], "app:NoBalancer is no load balancer"),
        ([ANY_PORT, "--lb", "app:Needy"], "cannot be called without arguments"),
        ([ANY_PORT, "--log-level", "loud"], "--log-level"),
        ([ANY_PORT, "--nosuch"], "--nosuch"),
    ],
)
def test_addresses_and_options(
    netcore_main: Command, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    (tmp_path / "app.py").write_text(APP)
    assert_one_line(netcore_main("run", "app:Echo", *arguments), complaint)


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["doctor", "extra"], ["--nosuch"]])
def test_commands(netcore_command: Command, arguments: list[str]) -> None:
    assert_one_line(netcore_command(*arguments))


def test_the_environment(netcore_main: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    done = netcore_main("run", "app:Echo", ANY_PORT, NETCORE_POLLER="nosuch")
    assert_one_line(done, "there is no poller 'nosuch'")


def test_an_address_in_use(netcore_command: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        assert_one_line(netcore_command("run", "app:Echo", address), f"({address})")


def test_a_refused_permission(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Tests often run as root, who is refused nothing.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied (tcp://:80)")

    monkeypatch.setattr(serve_here, "run", refuse)
    monkeypatch.setattr("sys.path", [])
    assert main(["run", "netcore:EventHandler", "tcp://:80"]) == 2
    assert capsys.readouterr().err == "netcore: Permission denied (tcp://:80)\n"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("1 / 0\n", "ZeroDivisionError"),
        ("def broken(:\n", "SyntaxError"),
        ("import absent_dependency\n", "ModuleNotFoundError: No module named 'absent_dependency'"),
        ("from netcore import nosuch\n", "ImportError"),
    ],
)
def test_a_module_that_fails_shows_its_traceback(
    netcore_main: Command, tmp_path: Path, source: str, fault: str
) -> None:
    (tmp_path / "app.py").write_text(source)
    done = netcore_main("run", "app:Echo", ANY_PORT)
    assert done.returncode == 2
    *shown, last = done.stderr.splitlines()
    assert fault in "\n".join(shown)
    assert "app.py" in "\n".join(shown)
    assert "loading.py" not in done.stderr
    assert last.startswith("netcore: importing app failed: ")


@pytest.mark.parametrize(
    ("handler", "code", "said"),
    [
        (
            "app:Echo",
            "netcore.run(Echo(), 'tcp://127.0.0.1:0')",
            "importing app failed: RuntimeError: netcore.run was called while app is imported for its "
            "handler: put the call under if __name__ == '__main__'",
        ),
        (
            "app:main",
            "def main():\n    netcore.run(Echo(), 'tcp://127.0.0.1:0')",
            "calling app:main failed: RuntimeError: netcore.run was called while app:main is called for a "
            "handler: have it return one instead",
        ),
    ],
    ids=["module", "function"],
)
def test_a_program_that_serves_by_itself_is_not_served(
    netcore_main: Command, tmp_path: Path, handler: str, code: str, said: str
) -> None:
    (tmp_path / "app.py").write_text(APP + code)
    done = netcore_main("run", handler, ANY_PORT)
    assert done.returncode == 2
    *shown, last = done.stderr.splitlines()
    assert last == f"netcore: {said}"
    assert any("app.py" in line for line in shown)


def test_a_class_that_fails_shows_its_traceback(netcore_main: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    done = netcore_main("run", "app:Faulty", ANY_PORT)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("netcore: calling app:Faulty failed: KeyError: 'my own fault'\n")


def test_a_fault_in_on_boot_is_no_wrong_argument(netcore_command: Command, tmp_path: Path) -> None:
    source = "    def on_boot(self, engine):\n        open('absent')\n"
    (tmp_path / "app.py").write_text(APP.replace("    pass\n", source, 1))
    done = netcore_command("run", "app:Echo", ANY_PORT)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "on_boot" in done.stderr
