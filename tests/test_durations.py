"""What a duration may be."""

import decimal
import fractions
import math
import threading

import pytest

from netcore._durations import seconds, waitable


@pytest.mark.parametrize(("value", "result"), [(0, 0.0), (2, 2.0), (0.25, 0.25), (math.inf, math.inf)])
def test_ints_and_floats_are_taken(value: float, result: float) -> None:
    taken = seconds(value, "a timeout")
    assert taken == result
    assert type(taken) is float


@pytest.mark.parametrize("value", [1e308, 10**400, 1e10])
def test_what_is_longer_than_anybody_waits_is_endless(value: float) -> None:
    assert seconds(value, "a timeout") == math.inf


@pytest.mark.parametrize("value", [True, "1", b"1", decimal.Decimal(1), fractions.Fraction(1, 2), None, [1]])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"a timeout is .*: it must be an int or a float"):
        seconds(value, "a timeout")


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, -math.inf])
def test_what_is_no_duration_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"a timeout is .*: it must be seconds, zero or more"):
        seconds(value, "a timeout")


def test_zero_where_it_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="above zero"):
        seconds(0, "a deadline", positive=True)


def test_what_locks_take() -> None:
    assert waitable(None) is None
    assert waitable(math.inf) is None
    assert waitable(1.5) == 1.5
    assert waitable(9e9) == min(9e9, threading.TIMEOUT_MAX)
