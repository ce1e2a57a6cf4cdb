"""What the tables of the reference rest on, without building the site."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

import netcore
from netcore.cli.settings import run_settings
from netcore.connection.core import debug
from netcore.kcp import KcpOptions

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("options", "file"), [(netcore.Options, "option-costs.txt"), (KcpOptions, "kcp-option-costs.txt")]
)
def test_every_option_has_a_meaning_and_a_cost(options: type, file: str) -> None:
    lines = (ROOT / "docs" / "reference" / file).read_text().splitlines()
    costs = [line.partition(":")[0] for line in lines]
    meanings = re.findall(r"^ {4}(\w+): ", inspect.cleandoc(options.__doc__ or ""), re.MULTILINE)
    names = [field.name for field in dataclasses.fields(options)]
    assert sorted(costs) == sorted(names)
    assert sorted(meanings) == sorted(names)


def test_every_folder_of_tests_says_what_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    table = importlib.import_module("test_table")
    assert table.folders().keys() - {""} == table.ABOUT.keys()
    assert {"``docs``", "``select``"} <= set(re.findall("``[a-z]+``", table.environments()))


def test_every_flag_has_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    written = importlib.import_module("command_line").describe()
    for setting in run_settings():
        assert f"``{setting.flag}" in written
        assert f"(``{setting.variable}``)" in written
    assert "SUPPRESS" not in written


def test_what_debug_mode_checks_is_not_for_any_thread() -> None:
    for name in (*debug.LOOP_ONLY, *debug.LOOP_ONLY_PROPERTIES):
        assert "any thread" not in (inspect.getdoc(getattr(netcore.Conn, name)) or "").lower(), name
