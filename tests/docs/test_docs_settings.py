"""The tables for who comes from uvicorn or gunicorn: each name in them is one of the program's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from needed import library

from netcore.cli.settings import run_settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "from-uvicorn.md").read_text()


def uvicorns() -> set[str]:
    main = library("uvicorn.main").main
    return {flag for option in main.params for flag in (*option.opts, *option.secondary_opts)}


def gunicorns() -> set[str]:
    known = pytest.importorskip("gunicorn.config").KNOWN_SETTINGS  # of the extra docs
    return {flag for setting in known for flag in setting.cli or ()}


def netcores() -> set[str]:
    return {flag.partition(" ")[0].replace("[no-]", "") for flag in (s.flag for s in run_settings())}


@pytest.mark.parametrize(("program", "known"), [("uvicorn", uvicorns), ("gunicorn", gunicorns)])
def test_a_flag_of_another_program_is_one_of_its_own(program, known):
    named = flags(program)
    assert len(named) > 20
    assert named <= known()


def test_a_flag_of_netcore_is_one_of_its_own():
    named = flags("netcore")
    assert len(named) > 20
    assert named <= netcores() | {"--config"}


def flags(program: str) -> set[str]:
    """Finds the flags in the program's column of all tables that have one."""
    found = set()
    column = None
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if program in cells:
            column = cells.index(program)
        elif not cells:
            column = None
        elif column is not None:
            found |= set(re.findall(r"`(--[\w-]+)", cells[column]))
    return found
