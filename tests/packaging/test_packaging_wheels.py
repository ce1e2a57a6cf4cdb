"""The wheels for users: which are built, what they may link with, and that they are what tox tests."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import netcore
from netcore._native import native

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.packaging


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


@needs("cibuildwheel")
@pytest.mark.parametrize(
    ("platform", "architecture", "expected"),
    [
        ("linux", "x86_64", {"cp310-manylinux_x86_64", "cp310-musllinux_x86_64"}),
        ("linux", "aarch64", {"cp310-manylinux_aarch64", "cp310-musllinux_aarch64"}),
        ("macos", "x86_64", {"cp310-macosx_x86_64"}),
        ("macos", "arm64", {"cp310-macosx_arm64"}),
        ("windows", "AMD64", {"cp310-win_amd64"}),
    ],
)
def test_one_wheel_for_the_stable_abi_of_each_platform(
    platform: str, architecture: str, expected: set[str]
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"),
            *("--platform", platform, "--archs", architecture, REPOSITORY),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == expected


@pytest.mark.skipif(os.environ.get("NETCORE_TESTED") != "wheel", reason="tox tests installed wheels")
def test_what_is_tested_is_the_wheel_for_every_cpython() -> None:
    # Where it is imported from: a build has left metadata in the source tree too.
    home = str(Path(netcore.__file__).parents[1])
    (distribution,) = importlib.metadata.distributions(name="netcore-io", path=[home])
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [line.partition(": ")[2] for line in lines if line.startswith("Tag: ")]
    assert tags
    assert all(tag.startswith("cp310-abi3-") for tag in tags)
    assert Path(sys.prefix) in Path(netcore.__file__).parents
    assert REPOSITORY / "netcore" not in Path(netcore.__file__).parents
    done = subprocess.run(
        [sys.executable, "-m", "netcore", "doctor"],
        cwd=sys.prefix,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def without_liburing(build_wheel: Callable[..., Any]) -> Path:
    file: Path = build_wheel(NETCORE_NATIVE="require", NETCORE_LIBURING="0").file
    return file


@needs("auditwheel")
@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel looks into wheels for Linux")
def test_without_liburing_the_wheel_needs_the_c_library_alone(without_liburing: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", without_liburing],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert 'is consistent with the following platform tag: "manylinux' in text
    assert "liburing" not in text


def test_a_build_without_liburing_works_and_says_so(
    without_liburing: Path, install: Callable[[Path], Any]
) -> None:
    installed = install(without_liburing)
    done = installed.netcore("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.split()[1:3] == ["poller", "io_uring"])
    assert line.startswith("--")
    assert "without liburing" in line


@pytest.mark.native
def test_a_liburing_that_has_come_since_is_taken_up(
    source: Callable[[], Path], build_wheel: Callable[..., Any], install: Callable[[Path], Any]
) -> None:
    if not native()[1].nc_io_uring_built() and os.environ.get("NETCORE_LIBURING") != "require":
        pytest.skip("this netcore was built without liburing, and there may be none here")
    tree = source()
    without = build_wheel(tree, NETCORE_NATIVE="require", NETCORE_LIBURING="0").file
    since = build_wheel(tree, NETCORE_NATIVE="require", NETCORE_LIBURING="require").file
    told = [install(wheel).netcore("doctor").stdout.count("without liburing") for wheel in (without, since)]
    assert told[0] > told[1] == 0


@pytest.mark.parametrize(
    ("wish", "reason"), [("maybe", "must be 'require', '0', or unset"), ("require", "no liburing 2.3")]
)
def test_a_wish_that_cannot_be_met_ends_the_build(
    build_wheel: Callable[..., Any], tmp_path: Path, wish: str, reason: str
) -> None:
    # A compiler that can compile nothing finds no liburing.
    done = build_wheel(NETCORE_NATIVE="require", NETCORE_LIBURING=wish, CC="false").done
    assert done.returncode != 0
    assert reason in done.stdout + done.stderr
