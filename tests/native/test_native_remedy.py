"""What netcore says on how to have its native part, on one machine and another."""

from __future__ import annotations

import platform
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from netcore._native import remedy as module
from netcore._native.remedy import hidden, remedy

pytestmark = pytest.mark.posix

INSTALL = "python -m pip install --force-reinstall --no-deps --no-cache-dir --no-binary netcore-io netcore-io"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """One with compiler and headers, on which netcore is installed and not a checkout."""
    (tmp_path / "site-packages" / "netcore").mkdir(parents=True)
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "Python.h").touch()
    monkeypatch.setattr(module, "_ROOT", tmp_path / "site-packages")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site-packages")])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    monkeypatch.setenv("CC", sys.executable)
    return monkeypatch


def test_where_a_compiler_has_come_since_netcore_is_to_be_installed_again(
    machine: pytest.MonkeyPatch,
) -> None:
    assert remedy() == f"NETCORE_NATIVE=require {INSTALL}"


@pytest.mark.parametrize(
    ("release", "tools"),
    [
        ({"ID": "debian"}, "apt-get install gcc libc6-dev python3-dev"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install gcc libc6-dev python3-dev"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install gcc python3-devel"),
        ({"ID": "alpine"}, "apk add gcc musl-dev python3-dev"),
        ({"ID": "something"}, "install a C compiler and Python's headers"),
    ],
)
@pytest.mark.parametrize("missing", ["compiler", "headers"])
def test_linux_is_told_its_own_packages(
    machine: pytest.MonkeyPatch, tmp_path: Path, release: dict[str, str], tools: str, missing: str
) -> None:
    machine.setattr(platform, "freedesktop_os_release", lambda: release)
    if missing == "compiler":
        machine.setenv("CC", "/nonexistent/cc -m64")
    else:
        (tmp_path / "include" / "Python.h").unlink()
    assert remedy() == f"{tools}, then NETCORE_NATIVE=require {INSTALL}"


def test_a_system_without_a_name_is_told_what_it_takes(machine: pytest.MonkeyPatch) -> None:
    def nameless() -> dict[str, str]:
        raise OSError("no os-release")

    machine.setattr(platform, "freedesktop_os_release", nameless)
    machine.setattr(sys, "platform", "freebsd15")
    assert remedy() == f"NETCORE_NATIVE=require {INSTALL}"
    machine.setenv("CC", "/nonexistent/cc")
    assert remedy().startswith("install a C compiler and Python's headers, then ")


def test_macos_and_windows_are_told_their_tools(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(sys, "platform", "darwin")
    assert remedy() == f"xcode-select --install, then NETCORE_NATIVE=require {INSTALL}"
    machine.setattr(sys, "platform", "win32")
    assert remedy() == f"install the Visual Studio Build Tools with their C++ part, then {INSTALL}"


def test_a_checkout_is_installed_in_its_place(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "check out").mkdir()
    (tmp_path / "check out" / "setup.py").touch()
    machine.setattr(module, "_ROOT", tmp_path / "check out")
    machine.setattr(sys, "path", [str(tmp_path / "check out")])
    command = f"NETCORE_NATIVE=require python -m pip install --editable '{tmp_path}/check out'"
    assert remedy() == command


@pytest.mark.parametrize("native", [True, False])
def test_a_checkout_that_hides_a_native_netcore_says_so(
    machine: pytest.MonkeyPatch, tmp_path: Path, native: bool
) -> None:
    installed = tmp_path / "site-packages" / "netcore"
    (installed / "_native").mkdir()
    (installed / "__init__.py").touch()
    if native:
        (installed / "_native" / f"_netcore{EXTENSION_SUFFIXES[0]}").touch()
    checkout = tmp_path / "checkout"
    (checkout / "netcore").mkdir(parents=True)
    (checkout / "netcore" / "__init__.py").touch()
    (checkout / "setup.py").touch()
    machine.setattr(module, "_ROOT", checkout)
    machine.setattr(sys, "path", ["", str(installed.parent)])
    machine.chdir(checkout)
    assert hidden() == str(installed)
    command = f"NETCORE_NATIVE=require python -m pip install --editable {checkout}"
    hides = f"{checkout} hides the netcore in {installed}, which has it: run from elsewhere, or "
    assert remedy() == (hides if native else "") + command
