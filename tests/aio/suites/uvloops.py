"""uvloop's own suite on netcore's event loop, as on uvloop and on the stock loop.

    python tests/aio/suites/uvloops.py [--python PYTHON] [MODULE...]

downloads the source distribution of the uvloop that is installed, which brings the suite, and runs the suite
from there: what it runs on uvloop and what it runs on asyncio's loop, both once more with netcore's in their
place. The Python has netcore, uvloop, and what the suite needs: aiohttp, psutil and pyOpenSSL. It prints what
differs, and exits with 1 if something differs that is not explained below.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from comparing import Comparison, compare

__all__ = ["DIFFERENCES", "run"]

_OWN = ("test_cython", "test_fs_event", "test_libuv_api", "test_sourcecode", "test_testbase")
"""Modules about what only uvloop has: libuv's handles, its C, the style of its source."""

EVERYWHERE = Path(__file__).with_name("everywhere")

DIFFERENCES = {
    "tests.test_base.*.test_calls_debug_reporting": (
        "it takes call_soon from the loop before debug mode is on, and calls it afterwards: the function "
        "that it has notes no traceback; one that is taken from the loop anew does"
    ),
    "tests.test_tcp.*.test_shutdown_timeout_handler_not_set": (
        "uvloop's TLS tells of the end while reading is paused, and asyncio's does not: "
        "the suite skips it on asyncio"
    ),
}
"""Tests that end otherwise than on uvloop or the stock loop, and why that is no fault.

Besides, what asyncio's own loop does not pass in uvloop's place either is about uvloop: contexts of
callbacks, names of threads, what it shows of itself, and faults of asyncio's TLS that uvloop has mended.
"""


def run(python: str = sys.executable, modules: list[str] | None = None) -> Comparison:
    """Downloads the suite, and compares.

    Raises:
        subprocess.CalledProcessError: The Python has no uvloop, or the package index cannot be reached.
    """
    version = subprocess.run(
        [python, "-c", "import uvloop; print(uvloop.__version__)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        download = f"-m pip download -q --no-deps --no-binary uvloop uvloop=={version} -d".split()
        subprocess.run([python, *download, folder], check=True, capture_output=True)
        (archive,) = Path(folder).glob("uvloop-*.tar.gz")
        with tarfile.open(archive) as packed:
            tests = [member for member in packed.getmembers() if "/tests" in member.name]
            packed.extractall(folder, members=tests, filter="data")
        (suite,) = Path(folder).glob("uvloop-*/tests")
        names = modules or sorted(path.stem for path in suite.glob("test_*.py") if path.stem not in _OWN)
        return compare(
            [f"tests.{name}" for name in names],
            DIFFERENCES,
            python=python,
            path=[str(EVERYWHERE), str(suite.parent)],
            cwd=str(suite.parent),
            also="asyncio",
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs uvloop's suite on netcore's event loop.")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    given = parser.parse_args()
    comparison = run(given.python, given.modules)
    print(comparison)
    return bool(comparison.unexplained) or not comparison.netcore


if __name__ == "__main__":
    sys.exit(main())
