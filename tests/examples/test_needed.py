"""Without the packages that an example needs a sentence says how to get them, and there is no traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# PyPy's standard library has parts whose names it does not tell: they would be refused with all others.
pytestmark = pytest.mark.skipif(
    sys.implementation.name == "pypy", reason="sys.stdlib_module_names is not whole"
)

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if "argparse" in path.read_text())
NEEDED = {
    "asgi": ("uvicorn", "uvicorn>=0.36"),
    "http_server": ("httptools", "netcore-io[http]"),
    "redis": ("hiredis", "netcore-io[redis]"),
    "simulated_lease": ("redis", "redis[hiredis]>=5"),
    "websocket_chat": ("h11", "netcore-io[websocket]"),
}
BARE = """
import importlib.abc, runpy, sys

class Bare(importlib.abc.MetaPathFinder):
    known = {"netcore", "examples", "cffi", "_cffi_backend", *sys.stdlib_module_names}

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in self.known:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Bare())
"""


def run_bare(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python where nothing but itself, netcore and the examples can be imported."""
    command = [sys.executable, "-c", BARE + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_or_says_what_it_needs(name: str) -> None:
    done = run_bare(f"runpy.run_path('examples/{name}.py', run_name='__main__')", "--help")
    if name in NEEDED:
        package, requirement = NEEDED[name]
        wanted = f"this example needs the package {package}: pip install '{requirement}'\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", wanted)
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert "usage" in done.stdout


@pytest.mark.parametrize(
    "reference", ["redis:Redis", "http_server:HttpServer", "websocket_chat:WebSocketChat"]
)
def test_the_command_line_says_it_too(reference: str) -> None:
    package, requirement = NEEDED[reference.partition(":")[0]]
    serve = "import netcore.cli; sys.exit(netcore.cli.main(sys.argv[1:]))"
    done = run_bare(serve, "run", f"examples.{reference}", "tcp://127.0.0.1:0")
    assert done.returncode == 2
    assert re.fullmatch(
        rf"netcore: importing \S+ failed: this example needs the package {package}: "
        rf"pip install '{re.escape(requirement)}'\n",
        done.stderr,
    )


def test_what_fails_in_another_way_is_raised() -> None:
    code = "from examples.needed import needed\nwith needed('a'): import examples.nowhere"
    assert "ModuleNotFoundError: No module named 'examples.nowhere'" in run_bare(code).stderr
