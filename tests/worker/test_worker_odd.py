"""Odd arguments of a worker pool."""

from __future__ import annotations

import decimal
import math
from typing import Any

import pytest

from netcore.worker import WorkerPool


@pytest.mark.parametrize("odd", [2.0, math.nan, decimal.Decimal(2), "2", [], object()])
@pytest.mark.parametrize("name", ["max_workers", "max_pending", "max_pending_per_connection"])
def test_numbers_are_whole(name: str, odd: Any) -> None:
    with pytest.raises(TypeError):
        WorkerPool(**{name: odd})


@pytest.mark.parametrize("odd", [None, 3, "print", [], object()])
def test_what_cannot_be_called_is_refused_and_takes_no_place(world: Any, odd: Any) -> None:
    conn = world().connect()
    with WorkerPool() as pool:
        for call in (
            lambda: pool.submit(odd),
            lambda: pool.run_for(conn, odd),
            lambda: pool.run_for(odd, print),
        ):
            with pytest.raises(TypeError):
                call()
        if odd is not None:
            with pytest.raises(TypeError):
                pool.run_for(conn, print, then=odd)
        assert pool.unfinished == 0
        assert pool.submit(len, "four").result(30) == 4
