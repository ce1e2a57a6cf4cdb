"""After the README's commands a checkout serves natively, inside and outside, and type checkers find it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.packaging, pytest.mark.posix, pytest.mark.native]


TWO_ENGINES = """
import logging, netcore
logging.basicConfig()
for _ in range(2):
    with netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0"):
        pass
"""


def readme_commands() -> tuple[str, str, str]:
    """Returns those that serve the main example: they make an environment, install, and run it."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    pattern = r"^    (python3 -m venv \S+) && (\S+/pip install .*\S)(?: && |\n    )(\S+/python examples/\S+)$"
    ((environment, installation, program),) = re.findall(pattern, text, re.MULTILINE)
    return environment, installation, program


@pytest.fixture(scope="module")
def checkout(source: Callable[[], Path], run: Run) -> Path:
    """A checkout in which the README's commands have been typed up to the program.

    Without the network: what pip would fetch is borrowed from the running environment.
    """
    tree = source()
    environment, installation, _ = readme_commands()
    assert environment == "python3 -m venv .venv"
    venv.create(tree / ".venv", with_pip=True)
    (packages,) = (tree / ".venv" / "lib").glob("*/site-packages")
    for bundled in packages.glob("setuptools*"):  # older Pythons bring one that is too old
        shutil.rmtree(bundled)
    (packages / "borrowed").mkdir()
    (packages / "borrowed.pth").write_text("borrowed")
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(folder).iterdir():
            if not path.name.startswith(("netcore", "__editable__")):
                (packages / "borrowed" / path.name).symlink_to(path)
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # 0: there is none
    done = run("sh", "-c", installation, cwd=tree, NETCORE_NATIVE="require", **offline)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree


def test_the_readmes_program_serves_natively(checkout: Path, environment: dict[str, str]) -> None:
    program = readme_commands()[2]
    with subprocess.Popen(
        ["sh", "-c", f"exec {program} tcp://127.0.0.1:0"],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            assert "standard library" not in said
            port = re.search(r":(\d+)", said)
            assert port, said
            with socket.create_connection(("127.0.0.1", int(port[1])), timeout=30) as sock:
                sock.sendall(b"PING\r\n")
                assert sock.recv(100) == b"+PONG\r\n"
        finally:
            process.terminate()


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
@pytest.mark.parametrize("command", ["bin/netcore doctor", "bin/python -m netcore doctor"])
def test_netcore_is_native_wherever_it_runs(
    checkout: Path, tmp_path: Path, run: Run, command: str, inside: bool
) -> None:
    program, *arguments = command.split()
    done = run(checkout / ".venv" / program, *arguments, cwd=checkout if inside else tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    assert ["ok", "native", "part", "compiled"] in told
    assert not [words for words in told if words[1:2] == ["installation"]]


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_an_example_is_served_by_its_name_wherever_one_is(
    checkout: Path, tmp_path: Path, run: Run, inside: bool
) -> None:
    script = "import examples.echo; from netcore.sockets import open_sockets; print(open_sockets(4096).name)"
    done = run(checkout / ".venv/bin/python", "-c", script, cwd=checkout if inside else tmp_path)
    assert (done.stdout, done.stderr) == ("native\n", "")


def test_type_checkers_are_told_by_a_line_that_they_read(checkout: Path, tmp_path: Path, run: Run) -> None:
    """They run no import hooks; mypy stands for them."""
    (packages,) = (checkout / ".venv" / "lib").glob("*/site-packages")
    lines = [line for file in packages.glob("*netcore*.pth") for line in file.read_text().splitlines()]
    assert lines == [str(checkout)]
    if importlib.util.find_spec("mypy") is None:
        return
    program = tmp_path / "program.py"
    program.write_text("import netcore\n\nreveal_type(netcore.run)\n")
    python = checkout / ".venv" / "bin" / "python"
    options = ("--strict", "--cache-dir", os.devnull, "--python-executable", python)
    done = run(sys.executable, "-m", "mypy", *options, program, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "EventHandler" in done.stdout


def test_a_copy_that_a_checkout_hides_is_told_of_once(
    source: Callable[[], Path], build_wheel: Callable[..., Any], install: Callable[[Path], Any], run: Run
) -> None:
    """As after ``pip install .``, run from the checkout by ``python -m``."""
    tree = source()
    installed = install(build_wheel(tree, NETCORE_NATIVE="require").file)
    done = run(installed.scripts / "python", "-c", TWO_ENGINES, cwd=tree)
    (line,) = done.stderr.splitlines()
    assert line.startswith("WARNING:netcore:netcore was built without its native part")
    assert f"{tree} hides the netcore in {installed.directory}" in line
    assert f"pip install --editable {tree}" in line
