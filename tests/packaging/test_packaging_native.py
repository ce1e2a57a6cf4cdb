"""With a compiler there is one wheel for every CPython from 3.10 on, native part included."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no C compiler: {COMPILER} is not on PATH"),
]


HOT = pytest.mark.skipif(
    platform.python_implementation() != "CPython"
    or bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    or sys.platform == "win32",
    reason="there is no hot half here, or not for the stable ABI",
)

ECHO = """
import socket, netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        kinds.append(type(conn).__name__)
        conn.write(conn.read())

kinds = []
with netcore.Engine(Echo(), "tcp://127.0.0.1:0") as engine:
    with socket.create_connection(("127.0.0.1", engine.addresses[0].port)) as sock:
        sock.sendall(b"hello")
        print(sock.makefile("rb").read(5).decode(), *kinds)
"""


@pytest.fixture(scope="module")
def wheel(build_wheel: Callable[..., Any]) -> Path:
    """A wheel built with the native part required."""
    file: Path = build_wheel(NETCORE_NATIVE="require", CFLAGS=os.environ.get("CFLAGS", "")).file
    return file


@pytest.mark.skipif(
    platform.python_implementation() != "CPython" or bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="there is no stable ABI here",
)
def test_the_wheel_is_for_every_cpython(wheel: Path) -> None:
    assert "-cp310-abi3-" in wheel.name


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "netcore",
        "netcore_io",
        "pytest_netcore.py",
    }
    assert {
        "netcore/py.typed",
        "netcore/admin/page.html",
        "netcore/cli/probes/__init__.py",
        "netcore/testing/simulation/assets/page.html",
        "netcore/testing/simulation/assets/model.js",
        "netcore/_native/_netcore.pyi",
    } <= set(names)
    assert any(
        name.startswith("netcore/_native/_netcore.") and name.endswith((".so", ".pyd")) for name in names
    )


@HOT
def test_the_wheel_has_the_hot_half_for_every_cpython(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"netcore/_native/_hot.abi3.so", "netcore/_native/_hot.pyi"} <= set(names)
    assert not [name for name in names if name.startswith("netcore/_native/hot/") and name.endswith(".o")]


@HOT
def test_the_wheel_asks_for_nothing_newer_than_its_tag(wheel: Path) -> None:
    # The headers of a newer CPython declare more than the oldest one has, and call some macros functions.
    done = subprocess.run(
        [sys.executable, "-m", "abi3audit", "--strict", "--report", wheel],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = json.loads(done.stdout)["specs"].values()
    audited = {each["name"]: each["result"] for each in report["wheel"]}
    assert {name.partition(".")[0] for name in audited} == {"_netcore", "_hot"}
    for result in audited.values():
        assert result["is_abi3"]
        assert result["is_abi3_baseline_compatible"]


@HOT
def test_the_hot_half_works_once_installed(wheel: Path, install: Callable[[Path], Any]) -> None:
    installed = install(wheel)
    done = installed.python("-c", ECHO)
    assert (done.stdout, done.stderr) == ("hello HotStreamConnection\n", "")
    done = installed.netcore("doctor")
    assert "in C, with native pollers and sockets" in done.stdout


def test_the_native_part_works_once_installed(wheel: Path, install: Callable[[Path], Any]) -> None:
    installed = install(wheel)
    done = installed.python("-c", "from netcore import sockets; print(sockets.open_sockets(4096).name)")
    assert (done.stdout, done.stderr) == ("native\n", "")
    done = installed.netcore("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(line.split() == ["ok", "native", "part", "compiled"] for line in done.stdout.splitlines())


def test_the_source_distribution_builds_with_the_native_part(
    build_sdist: Callable[[], Any], build_wheel: Callable[..., Any], tmp_path: Path
) -> None:
    with tarfile.open(build_sdist().file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    assert {"LICENSE", "README.md", "tox.ini", "setup.py", "tests/test_layers.py"} <= names
    assert {"netcore/_native/src/netcore.h", "netcore/_native/src/platform.c"} <= names
    assert {"netcore/_native/hot/hot.h", "netcore/_native/hot/module.c", "netcore/_native/_hot.pyi"} <= names
    (tree,) = tmp_path.iterdir()
    assert build_wheel(tree, NETCORE_NATIVE="require").file.suffix == ".whl"
