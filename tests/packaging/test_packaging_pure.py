"""Without a compiler, or by choice, netcore installs and runs on the standard library, and says so."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.packaging

NO_COMPILER = {"CC": "/nonexistent/cc"}
NEEDS_CC = pytest.mark.skipif(sys.platform == "win32", reason="CC does not choose the compiler there")

MENDED_BY = "pip install --force-reinstall --no-deps --no-cache-dir --no-binary netcore-io netcore-io"

ECHO_TWICE = """
import logging, socket, netcore
from netcore.sockets import open_sockets

logging.basicConfig()

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())

for _ in range(2):
    with netcore.Engine(Echo(), "tcp://127.0.0.1:0", poller="select") as engine:
        with socket.create_connection(("127.0.0.1", engine.addresses[0].port)) as sock:
            sock.sendall(b"hello")
            print(sock.makefile("rb").read(5).decode(), open_sockets(4096).name)
"""


def assert_runs_pure(installed: Any) -> None:
    done = installed.python("-c", ECHO_TWICE)
    assert done.stdout == "hello pure\n" * 2, done.stderr
    assert done.stderr.count("WARNING:netcore:") == 1
    assert done.stderr.count("without its native part") == 1
    assert done.stderr.count(MENDED_BY) == 1
    done = installed.netcore("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(line.split()[:3] == ["--", "native", "part"] for line in done.stdout.splitlines())
    assert done.stdout.count(MENDED_BY) == 1
    assert "built without its hot half" in done.stdout
    assert "echo over select" in done.stdout


def test_by_choice_the_wheel_is_pure_and_runs(
    build_wheel: Callable[..., Any], install: Callable[..., Any]
) -> None:
    wheel = build_wheel(NETCORE_NATIVE="0").file
    assert wheel.name.endswith("-py3-none-any.whl")
    assert_runs_pure(install(wheel))


@NEEDS_CC
def test_without_a_compiler_it_installs_and_runs(
    build_wheel: Callable[..., Any], install: Callable[..., Any]
) -> None:
    wheel = build_wheel(**NO_COMPILER).file
    assert wheel.name.endswith("-py3-none-any.whl")
    assert_runs_pure(install(wheel))


@NEEDS_CC
@pytest.mark.native
def test_nothing_of_an_earlier_build_is_packed(
    source: Callable[[], Path], build_wheel: Callable[..., Any]
) -> None:
    tree = source()
    assert "-py3-none-any" not in build_wheel(tree, NETCORE_NATIVE="require").file.name
    (built,) = (tree / "build").glob("lib.*/netcore")
    (built / "_gone.py").touch()
    wheel = build_wheel(tree, **NO_COMPILER).file
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.endswith((".so", ".pyd", "_gone.py"))]


@NEEDS_CC
def test_without_a_compiler_a_required_native_part_fails_the_build(build_wheel: Callable[..., Any]) -> None:
    build = build_wheel(NETCORE_NATIVE="require", **NO_COMPILER)
    assert build.done.returncode != 0
    assert build.files == []
    assert "/nonexistent/cc" in build.done.stdout + build.done.stderr


def test_a_wrong_wish_is_a_clear_error(build_wheel: Callable[..., Any]) -> None:
    build = build_wheel(NETCORE_NATIVE="banana")
    assert build.done.returncode != 0
    assert "NETCORE_NATIVE is 'banana': it must be" in build.done.stdout + build.done.stderr
