"""The data structures under the commands."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("hiredis")

from examples.redis_server.errors import CommandError
from examples.redis_server.glob import compile_glob
from examples.redis_server.longdouble import add, format_long_double, parse_long_double
from examples.redis_server.numeric import parse_float, parse_integer, parse_score
from examples.redis_server.scandict import ScanDict
from examples.redis_server.sortedset import LexBound, ScoreBound, SortedSet

names = st.binary(max_size=2)


def filled(count: int) -> ScanDict[int]:
    collection: ScanDict[int] = ScanDict()
    for number in range(count):
        collection.insert(b"%d" % number, number)
    return collection


@given(st.integers(0, 300), st.integers(1, 50), st.randoms())
def test_a_scan_returns_all_that_stays(size: int, count: int, chance: random.Random) -> None:
    """Whatever is inserted and removed between the steps."""
    collection = filled(size)
    staying = {key for key in collection if chance.random() < 0.5}
    seen: set[bytes] = set()
    cursor, keys = collection.scan(0, count)
    seen.update(keys)
    while cursor:
        for _ in range(chance.randint(0, 20)):
            if chance.random() < 0.6 and collection:
                key = chance.choice(list(collection))
                if key not in staying:
                    collection.remove(key)
            else:
                collection.insert(b"new %d" % chance.randint(0, 1000), 0)
        cursor, keys = collection.scan(cursor, count)
        seen.update(keys)
    assert staying <= seen


@given(st.lists(st.tuples(st.booleans(), names)), st.integers(0, 5))
def test_scan_dict_stays_a_dict(changes: list[tuple[bool, bytes]], order_after: int) -> None:
    collection: ScanDict[int] = ScanDict()
    model: dict[bytes, int] = {}
    for number, (insert, key) in enumerate(changes):
        if insert:
            assert collection.insert(key, number) == (key not in model)
            model[key] = number
        else:
            assert collection.remove(key) == model.pop(key, None)
        if number == order_after:
            collection.scan(1, 1)
    assert collection == model
    assert sorted(collection.scan(0, 1000)[1]) == sorted(model)
    assert sorted(collection.scan(len(model) + 5, 1000)[1]) == sorted(model)


def test_random_picks_are_even() -> None:
    collection = filled(10)
    counts = Counter(collection.random_key() for _ in range(10_000))
    assert len(counts) == 10
    assert min(counts.values()) > 700
    assert len(collection.pick(-30)) == 30
    assert len(set(collection.pick(5))) == 5
    assert sorted(collection.pick(50)) == sorted(collection)


scores = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, float("inf"), float("-inf")])


@given(st.lists(st.tuples(names, st.none() | scores)), scores, scores, st.booleans(), st.booleans())
def test_sorted_set_beside_a_simple_one(
    changes: list[tuple[bytes, float | None]], low: float, high: float, from_above: bool, to_below: bool
) -> None:
    members = SortedSet()
    model: dict[bytes, float] = {}
    for name, score in changes:
        if score is None:
            assert members.remove(name) == (model.pop(name, None) is not None)
        else:
            assert members.add(name, score) == (name not in model)
            model[name] = score
    ordered = sorted((score, name) for name, score in model.items())
    assert members.ranked == ordered
    assert [members.rank(name) for _, name in ordered] == list(range(len(ordered)))
    start, stop = members.score_range(ScoreBound(low, from_above), ScoreBound(high, to_below))
    assert members.ranked[start:stop] == [
        (score, name)
        for score, name in ordered
        if (score > low if from_above else score >= low) and (score < high if to_below else score <= high)
    ]


@given(st.sets(names), names, names)
def test_lexical_ranges(present: set[bytes], low: bytes, high: bytes) -> None:
    members = SortedSet()
    for name in present:
        members.add(name, 1.0)
    ordered = sorted(present)

    def found(first: LexBound, last: LexBound) -> list[bytes]:
        start, stop = members.lex_range(first, last)
        return [name for _, name in members.ranked[start:stop]]

    everything, nothing = LexBound(None), LexBound(None, last=True)
    assert found(everything, nothing) == ordered
    assert found(nothing, everything) == []
    assert found(LexBound(low), LexBound(high)) == [name for name in ordered if low <= name <= high]
    assert found(LexBound(low, True), LexBound(high, True)) == [name for name in ordered if low < name < high]


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (b"*", [b"", b"abc", b"a\nb"], []),
        (b"a*c", [b"ac", b"abbc", b"acc"], [b"ab", b"xac", b"acx"]),
        (b"a*b*c", [b"abc", b"axbxbxc"], [b"acb"]),
        (b"**a**", [b"a", b"bab"], [b"b", b""]),
        (b"a?c", [b"abc", b"a\nc", b"a\xffc"], [b"ac", b"abbc"]),
        (b"[a-c]x", [b"ax", b"cx"], [b"dx", b"x"]),
        (b"[c-a]x", [b"bx"], [b"dx"]),
        (b"[^a-c]x", [b"dx"], [b"ax"]),
        (b"[a\\]]", [b"a", b"]"], [b"\\"]),
        (b"[\\-a]", [b"-", b"a"], [b"b"]),
        (b"\\*", [b"*"], [b"a", b"\\*"]),
        (b"a.c", [b"a.c"], [b"abc"]),
        (b"", [b""], [b"a"]),
    ],
)
def test_globs(pattern: bytes, matching: list[bytes], other: list[bytes]) -> None:
    match = compile_glob(pattern).match
    assert all(map(match, matching))
    assert not any(map(match, other))
    assert compile_glob(pattern.upper(), ignore_case=True).match(matching[0].lower())


def test_a_hostile_pattern_takes_no_longer() -> None:
    before = time.process_time()
    assert compile_glob(b"*a" * 30 + b"*b").match(b"a" * 2000) is None
    assert time.process_time() - before < 1


@pytest.mark.parametrize("text", [b"0", b"-1", b"9223372036854775807", b"-9223372036854775808"])
def test_integers(text: bytes) -> None:
    assert parse_integer(text) == int(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b"+1",
        b" 1",
        b"1 ",
        b"01",
        b"-0",
        b"1_0",
        b"1.0",
        b"9223372036854775808",
        b"9" * 10_000,
        b"\xb2",
    ],
)
def test_what_is_no_integer(text: bytes) -> None:
    with pytest.raises(CommandError):
        parse_integer(text)


def test_floats() -> None:
    assert parse_float(b"1e400") == float("inf")
    assert parse_score(b"-.5e1") == -5
    assert parse_score(b"0x1p4") == 16
    assert parse_score(b"-Infinity") == float("-inf")
    assert str(parse_score(b"-0")) == "0.0"
    for text in (b"", b"nan", b" 1", b"1_0", b"1e", b"0x", b"--1", b"infinit", b"1e400", b"1e-400"):
        with pytest.raises(CommandError):
            parse_score(text)


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [
        (b"0.1", b"0.2", b"0.3"),
        (b"3.0e3", b"200", b"3200"),
        (b"1000.1", b"0", b"1000.09999999999999998"),
        (b"1e20", b"1", b"100000000000000000000"),
        (b"5", b"-5", b"0"),
        (b"-0.1", b"0.05", b"-0.05"),
        (b"1e-18", b"-2e-18", b"0"),
    ],
)
def test_long_doubles(left: bytes, right: bytes, total: bytes) -> None:
    numbers = [parse_long_double(text, b"no", b"inf") for text in (left, right)]
    assert format_long_double(add(*numbers, b"inf")) == total


@pytest.mark.parametrize("text", [b"", b"abc", b"nan", b"1e9999", b"1e999999999", b"1e-9999", b"1/3", b"1_0"])
def test_what_is_no_long_double(text: bytes) -> None:
    with pytest.raises(CommandError) as caught:
        parse_long_double(text, b"no", b"inf")
    assert caught.value.message == b"no"


def test_the_largest_long_doubles() -> None:
    largest = parse_long_double(b"1e4932", b"no", b"inf")
    assert len(format_long_double(largest)) == 4933
    with pytest.raises(CommandError) as caught:
        add(largest, largest, b"inf")
    assert caught.value.message == b"inf"
