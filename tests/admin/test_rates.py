"""What has happened between two looks, and how it is sorted and written."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rich", reason="rich is not installed")

from rich.console import Console

from netcore.admin.columns import COLUMNS, Order, lines_of, ordered
from netcore.admin.figures import count, duration, share, size
from netcore.admin.rates import quantile, rows
from netcore.admin.table import screen_of
from netcore.cli.top import SORTS

BY_NAME = {column.name: column for column in COLUMNS}


def stats(time, *processes):
    return {"time": time, "state": "ready", "processes": list(processes), "facts": []}


def test_at_the_first_look_there_are_levels_only(make_report):
    (row,) = rows(stats(5.0, make_report("0", connections=3, messages=8, errors=2)), None)
    assert (row.process, row.loop, row.connections, row.errors, row.age) == ("0", 0, 3, 2, 12.5)
    assert row.messages is row.received is row.turn is row.busy is None


def test_rates_are_per_second(make_report):
    before = stats(5.0, make_report("0", messages=8, datagrams_received=2, bytes_sent=100))
    after = make_report("0", messages=18, datagrams_received=6, bytes_sent=100)
    after["loops"][0]["turn"] = {"bounds": (0.001, 0.1), "counts": (3, 8, 1), "sum": 1.5}
    (row,) = rows(stats(7.0, after), before)
    assert (row.messages, row.sent, row.received) == (7.0, 0.0, 0.0)
    assert row.busy == 0.5
    assert row.turn == pytest.approx(0.001 + 0.099 * 0.5)


def test_a_process_that_was_replaced_has_none_yet(make_report):
    before = stats(5.0, make_report("0", pid=1, messages=1000), make_report("1", pid=2))
    first, second = rows(stats(6.0, make_report("0", pid=9), make_report("1", pid=2)), before)
    assert first.messages is None
    assert second.messages == 0.0


def test_two_looks_at_one_time_make_none(make_report):
    look = stats(5.0, make_report("0"))
    assert rows(look, look)[0].messages is None


@pytest.mark.parametrize(
    ("counts", "q", "wanted"),
    [
        ((0, 0, 0), 0.5, None),
        ((4, 0, 0), 0.5, 0.5),
        ((4, 0, 0), 1.0, 1.0),
        ((2, 2, 0), 0.75, 2.0),
        ((0, 0, 5), 0.5, 3.0),
        ((0, 1, 0), 0.01, 1.02),
    ],
)
def test_quantiles_are_linear_within_a_bucket(counts, q, wanted):
    found = quantile({"bounds": (1.0, 3.0), "counts": counts, "sum": 0.0}, q)
    assert found == (None if wanted is None else pytest.approx(wanted))
    assert quantile(None, q) is None


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (count, None, "-"),
        (count, 0, "0"),
        (count, 9999.4, "9999"),
        (count, 12_345, "12.3 k"),
        (count, 999_999, "1.00 M"),
        (count, 5e12, "5000 G"),
        (size, 0, "0 B"),
        (size, 1023, "1023 B"),
        (size, 1536, "1.50 KiB"),
        (size, 1 << 45, "32 TiB"),
        (share, None, "-"),
        (share, 0.256, "26%"),
        (duration, None, "-"),
        (duration, 0, "0"),
        (duration, 0.0000123, "12.3 us"),
        (duration, 0.25, "250 ms"),
        (duration, 0.9999, "1000 ms"),
        (duration, 5, "5 s"),
        (duration, 600, "10 min"),
        (duration, 36_000, "10 h"),
        (duration, 864_000, "10 d"),
    ],
)
def test_figures_are_short(write, value, text):
    assert write(value) == text


def numbered(make_report):
    reports = [make_report(name, connections=n) for name, n in (("10", 5), ("2", 7), ("b", 7), ("a", 0))]
    return rows(stats(1.0, *reports), None)


@pytest.mark.parametrize(
    ("name", "reverse", "wanted"),
    [
        ("process", False, ["2", "10", "a", "b"]),
        ("process", True, ["b", "a", "10", "2"]),
        ("connections", False, ["2", "b", "10", "a"]),
        ("connections", True, ["a", "10", "2", "b"]),
        ("messages", False, ["2", "10", "a", "b"]),
    ],
)
def test_rows_are_sorted_by_what_is_of_interest_first(make_report, name, reverse, wanted):
    found = ordered(numbered(make_report), Order(BY_NAME[name], reverse))
    assert [row.process for row in found] == wanted


def test_a_key_sorts_by_a_column_and_again_the_other_way_round():
    order = Order()
    assert order.after("x") is order
    assert order.after("c") == Order(BY_NAME["connections"])
    assert order.after("c").after("c") == Order(BY_NAME["connections"], True)
    assert order.after("r") == Order(reverse=True)
    assert len({column.key for column in COLUMNS} | {"r", "q"}) == len(COLUMNS) + 2


def test_each_column_can_be_sorted_by_from_the_command_line():
    assert [name.replace("-", "_") for name in SORTS] == [column.name for column in COLUMNS]


def test_lines_have_columns(make_report):
    head, *lines = lines_of(numbered(make_report))
    assert head.split()[:4] == ["PROCESS", "LOOP", "STATE", "CONNS"]
    assert len(lines) == 4
    assert all(len(line) == len(head) for line in lines)


def test_nothing_of_a_server_is_told_to_the_terminal(make_report):
    (row,) = rows(stats(1.0, make_report("\x1b]0;taken\x07[bold]x\n")), None)
    (line,) = lines_of([row])[1:]
    assert "\x1b" not in line and "\n" not in line
    console = Console(width=200, height=50, force_terminal=True, no_color=True)
    with console.capture() as capture:
        console.print(screen_of([row], Order(), "[bold]title", 200, 50))
    assert "\x1b]0" not in capture.get()
    assert "[bold]x" in capture.get()


def drawn(found, order, width, height):
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(screen_of(found, order, "a title " * 20, width, height))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [20, 60, 80, 150])
@pytest.mark.parametrize("height", [4, 5, 10, 40])
def test_a_table_has_the_terminals_size(make_report, width, height):
    lines = drawn(rows(stats(1.0, make_report("0", loops=20)), None), Order(), width, height)
    assert len(lines) == min(height, 23)
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith(f"{23 - height} more; " if height < 23 else "a column")
    heads = lines[1].split()
    assert heads[:2] == ["PROCESS", "LOOP"]
    assert ("AGE" in heads) is (width == 150)
    assert "\u2026" not in "".join(lines[1:-1])


def test_what_is_sorted_by_is_shown_in_any_case(make_report):
    found = rows(stats(1.0, make_report("0")), None)
    assert "ERRORS" in drawn(found, Order(BY_NAME["errors"]), 24, 10)[1]
    assert drawn([], Order(), 80, 10)[1].split()[0] == "PROCESS"


def test_no_row_is_too_odd(make_report):
    report = make_report("0")
    report["age"] = math.inf
    assert "inf" in lines_of(rows(stats(1.0, report), None))[1]
