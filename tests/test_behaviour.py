"""The promises of the documentation are proved by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "design" / "behaviour.md"
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_there_are_twenty_five_promises() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 26))


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_each_is_proved_by_tests_that_exist(number: str, row: str) -> None:
    named = NAMED.findall(row)
    assert named, f"nothing proves promise {number}"
    for path, name in named:
        tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{path} has no {name}"


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_the_kernel_has_its_say_in_each(number: str, row: str) -> None:
    assert NAMED.search(row.split("|")[2]), f"promise {number} is proved on fakes alone"
