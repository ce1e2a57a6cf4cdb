"""Each test that takes a ``kind`` runs with each half that there is here."""

from __future__ import annotations

import pytest
from kcp_net import Kind

from netcore.kcp.session import Kcp

KINDS: dict[str, Kind] = {"python": Kcp}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS.values(), ids=KINDS)
