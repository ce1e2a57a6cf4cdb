"""CPython's own suite of asyncio, and uvloop's, on netcore's event loop as on the stock one."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

SUITES = Path(__file__).with_name("suites")


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SUITES)


@pytest.mark.once
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("suites")
def test_cpythons_suite_ends_as_on_the_stock_loop() -> None:
    cpython = importlib.import_module("cpython")
    names = cpython.modules()
    if not names:
        pytest.skip("this Python has no suite of asyncio")
    comparison = importlib.import_module("comparing").compare(names, cpython.DIFFERENCES)
    print(comparison)
    assert not comparison.unexplained, str(comparison)
    assert comparison.counts("netcore")["passed"] > 1000


@pytest.mark.once
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("suites")
@pytest.mark.skipif(not os.environ.get("NETCORE_UVLOOP_SUITE"), reason="NETCORE_UVLOOP_SUITE is not set")
def test_uvloops_suite_ends_as_on_uvloop() -> None:
    comparison = importlib.import_module("uvloops").run()
    print(comparison)
    assert not comparison.unexplained, str(comparison)
    assert comparison.counts("netcore")["passed"] > 400
