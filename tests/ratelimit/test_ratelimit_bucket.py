"""Token buckets: what they hold, what they give, and whom they forget."""

from __future__ import annotations

import math
import sys
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.ratelimit import RateLimiter, TokenBucket, TokenBuckets
from netcore.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


def test_a_burst_and_then_the_rate(clock):
    bucket = TokenBucket(10, 5, clock=clock)
    assert [bucket.take() for _ in range(7)] == [True] * 5 + [False] * 2
    for _ in range(100):
        clock.advance(0.1)
        assert bucket.take()
        assert not bucket.take()
    clock.advance(1000)
    assert bucket.tokens == 5
    assert bucket.take(5) and not bucket.take(1)


def test_a_second_is_the_burst_unless_it_is_said(clock):
    assert TokenBucket(10, clock=clock).burst == 10
    assert TokenBucket(0.1, clock=clock).burst == 1


def test_what_is_refused_takes_nothing(clock):
    bucket = TokenBucket(10, 5, clock=clock)
    assert not bucket.take(6)
    assert bucket.tokens == 5
    assert bucket.take(0)


def test_a_charge_says_how_long_to_wait(clock):
    bucket = TokenBucket(10, 5, clock=clock)
    assert [bucket.charge() for _ in range(4)] == [0.0] * 4
    assert bucket.charge() == pytest.approx(0.1), "the burst is used up"
    assert bucket.charge(20) == pytest.approx(2.1)
    assert bucket.tokens == pytest.approx(-20)
    clock.advance(2.1)
    assert bucket.take()


@given(
    rate=st.floats(0.01, 1e9),
    burst=st.floats(1, 1e9),
    asked=st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 100)), max_size=60),
)
def test_never_more_than_a_burst_and_the_rate(rate, burst, asked):
    clock = ManualClock()
    bucket = TokenBucket(rate, burst, clock=clock)
    begin, given_out = clock.now, 0.0
    for n, pause in asked:
        clock.advance(pause)
        given_out += n if bucket.take(n) else 0.0
        limit = burst + rate * (clock.now - begin)
        assert given_out <= limit * (1 + 1e-6) + 0.01


@given(
    rate=st.floats(1, 1e7),
    burst=st.floats(1, 1e6),
    charges=st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
)
def test_who_waits_as_told_exceeds_it_by_the_last_charge_at_most(rate, burst, charges):
    clock = ManualClock()
    bucket = TokenBucket(rate, burst, clock=clock)
    begin, spent = clock.now, 0.0
    for n in charges:
        assert spent <= (burst + rate * (clock.now - begin)) * (1 + 1e-6) + 0.01
        spent += n
        clock.advance(bucket.charge(n))


def test_the_deepest_debts_are_paid_in_the_end(clock):
    bucket = TokenBucket(1e300, clock=clock)
    assert [bucket.charge(sys.float_info.max) for _ in range(3)] == pytest.approx([1.0] * 3)
    clock.advance(2)
    assert bucket.is_full


def test_several_who_wait_by_one_bucket_come_in_order(clock):
    bucket = TokenBucket(100, 1, clock=clock)
    waits = [bucket.charge(50) for _ in range(4)]
    assert waits == pytest.approx([0.5, 1.0, 1.5, 2.0])


def test_a_clock_that_goes_back_takes_nothing_away(clock):
    bucket = TokenBucket(10, 5, clock=clock)
    bucket.take(3)
    clock.now -= 50
    assert bucket.tokens == 2
    clock.now += 50.1
    assert bucket.tokens == pytest.approx(3)


def test_threads_share_what_there_is(clock):
    bucket = TokenBucket(1, 1000, clock=clock)
    taken = []

    def take():
        taken.append(sum(bucket.take() for _ in range(500)))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1000


@pytest.mark.parametrize("make", [TokenBucket, TokenBuckets, RateLimiter])
@pytest.mark.parametrize(
    ("rate", "burst", "kind", "text"),
    [
        (0, None, ValueError, "rate is 0: it must be above zero"),
        (-1, None, ValueError, "rate is -1"),
        (math.nan, None, ValueError, "rate is nan"),
        (math.inf, None, ValueError, "rate is inf"),
        pytest.param(10**400, None, ValueError, "rate is 1000", id="huge rate"),
        pytest.param(-(10**400), None, ValueError, "rate is -1000", id="deep rate"),
        ("10", None, TypeError, "rate is '10'"),
        (True, None, TypeError, "rate is True"),
        (Decimal(1), None, TypeError, "rate is Decimal"),
        (10, 0.5, ValueError, "burst is 0.5: it must be 1 or more"),
        (10, math.inf, ValueError, "burst is inf"),
        pytest.param(10, 10**400, ValueError, "burst is 1000", id="huge burst"),
        (10, b"5", TypeError, "burst is b'5'"),
    ],
)
def test_odd_rates_are_refused(make, rate, burst, kind, text):
    with pytest.raises(kind, match=text):
        make(rate, burst)


@pytest.mark.parametrize("n", [-1, -0.5, math.nan, math.inf, pytest.param(10**400, id="huge")])
def test_odd_counts_are_refused(clock, n):
    bucket = TokenBucket(10, clock=clock)
    with pytest.raises(ValueError, match="cannot be taken"):
        bucket.take(n)
    with pytest.raises(ValueError, match="cannot be taken"):
        bucket.charge(n)
    assert bucket.is_full


def test_each_key_has_its_own(clock):
    hosts = TokenBuckets(1, 2, clock=clock)
    assert [hosts["a"].take() for _ in range(3)] == [True, True, False]
    assert hosts["b"].take()
    clock.advance(1)
    assert hosts["a"].take() and not hosts["a"].take()


def test_who_has_saved_up_is_forgotten(clock):
    hosts = TokenBuckets(1, 2, clock=clock)
    for n in range(100):
        hosts[n].take()
    assert len(hosts) == 100
    clock.advance(2)
    for n in range(100, 200):
        hosts[n].take()
    assert len(hosts) == 100, "two are looked at for each that comes"


def test_there_are_no_more_keys_than_may_be(clock):
    hosts = TokenBuckets(0.001, 1, max_keys=10, clock=clock)
    hosts["early"].take()
    for n in range(8):
        hosts[n].take()
    assert not hosts["early"].take(), "it is the latest again"
    for n in range(8, 13):
        hosts[n].take()
    assert len(hosts) == 10
    assert not hosts["early"].take()
    for n in range(100):
        hosts[n].take()
    assert len(hosts) == 10
    assert hosts["early"].take(), "forgotten"


def test_a_signal_handler_may_ask_in_the_midst():
    """The clock stands for it: it is asked while a full bucket is about to be forgotten."""
    now, busy = [0.0], []

    def clock():
        if busy and not busy.pop():
            hosts["of the handler"].take()
        return now[0]

    hosts = TokenBuckets(1, 1, max_keys=1, clock=clock)
    assert hosts["first"].take()
    now[0] += 10
    busy += [False, True]  # not for the new bucket, but when it looks at the old one
    assert hosts["second"].take()
    assert len(hosts) <= 2


@pytest.mark.parametrize(
    ("most", "kind"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (None, TypeError)]
)
def test_an_odd_number_of_keys_is_refused(most, kind):
    with pytest.raises(kind, match="max_keys"):
        TokenBuckets(1, max_keys=most)
