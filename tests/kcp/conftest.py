"""Each test that takes a ``kind`` runs with each half that there is here."""

from __future__ import annotations

import pytest
from kcp_net import Kind

from netcore import kcp
from netcore.kcp import session

KINDS: dict[str, Kind] = {"python": session.Kcp}
if kcp.Kcp is not session.Kcp:
    KINDS["c"] = kcp.Kcp


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS.values(), ids=KINDS)
