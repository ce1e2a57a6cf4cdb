"""The pages on simulated worlds show what their code prints: with every Python, and on every platform."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from page_blocks import ROOT, Block, blocks

TUTORIAL = ROOT / "docs" / "tutorial" / "6-a-simulated-world.md"


def lines(text: str) -> list[str]:
    """Splits a text, without what a page does not show."""
    return [line.rstrip() for line in textwrap.dedent(text).splitlines()]


def printed(code: list[Block], page: Path) -> list[list[str]]:
    """Runs the code of a page, and returns what each block prints that prints something."""
    namespace: dict[str, object] = {"__name__": "page"}
    found = []
    for block in code:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
        if said.getvalue():
            found.append(lines(said.getvalue()))
    return found


@pytest.mark.parametrize("page", [TUTORIAL, ROOT / "docs" / "how-to" / "simulation.md"], ids=lambda p: p.stem)
def test_what_is_shown_is_what_is_printed(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code = [block for block in blocks(page) if block.language == "python"]
    shown = [lines(block.text) for block in blocks(page) if block.language == "text"]
    assert printed(code, page) == shown


@pytest.mark.once
def test_the_test_of_the_tutorial_passes_under_many_seeds(tmp_path: Path) -> None:
    code = "\n".join(block.text for block in blocks(TUTORIAL) if block.language == "python")
    (tmp_path / "test_bank.py").write_text(code)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "test_bank.py",
            "--netcore-seeds",
            "20",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 passed" in done.stdout
