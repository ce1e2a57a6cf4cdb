"""The layers are what the design says, and the checker would notice if they were not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

pytestmark = pytest.mark.once

REPOSITORY = Path(__file__).resolve().parents[1]


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on the netcore package in a directory, with the contract beside it."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and its contract, to be spoilt."""
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")
    shutil.copytree(REPOSITORY / "netcore", tmp_path / "netcore", ignore=ignored)
    return tmp_path


def test_imports_go_downward_only() -> None:
    done = lint(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b4 kept, 0 broken", done.stdout), done.stdout


def test_the_unspoilt_copy_passes(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr


UPWARD_OR_SIDEWAYS = [
    ("netcore/poll/injected.py", "netcore.eventloop"),
    ("netcore/poll/injected.py", "netcore.sockets"),
    ("netcore/buffer/injected.py", "netcore.lb"),
    ("netcore/handler/injected.py", "netcore.connection"),
    ("netcore/engine/injected.py", "netcore.testing"),
    ("netcore/cli/injected.py", "netcore.testing"),
    ("netcore/eventloop/injected.py", "netcore.engine"),
    ("netcore/connection/core/injected.py", "netcore.connection.stream"),
    ("netcore/connection/stream/injected.py", "netcore.connection.datagram"),
    ("netcore/eventloop/site.py", "netcore.eventloop.connections"),
]


@pytest.mark.parametrize("of_types", [False, True], ids=["at run time", "for type checkers"])
def test_each_import_upward_or_sideways_is_caught(tree: Path, of_types: bool) -> None:
    for module, imported in UPWARD_OR_SIDEWAYS:
        statement = f"import {imported}\n"
        if of_types:
            statement = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {statement}"
        with (tree / module).open("a") as file:
            file.write(statement)
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    for module, imported in UPWARD_OR_SIDEWAYS:
        assert f"{module.removesuffix('.py').replace('/', '.')} -> {imported}" in done.stdout


def test_a_circle_of_types_is_caught(tree: Path) -> None:
    with (tree / "netcore" / "poll" / "protocol.py").open("a") as file:
        file.write("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import netcore.poll.columns\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "No cycles are allowed in netcore.poll." in done.stdout


def test_a_package_that_has_no_place_is_caught(tree: Path) -> None:
    (tree / "netcore" / "unplaced").mkdir()
    (tree / "netcore" / "unplaced" / "__init__.py").touch()
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "netcore.unplaced" in done.stdout
