"""What strangers can make a handler's callbacks complain of is told once per interval and place."""

from __future__ import annotations

import logging

import pytest

from netcore import EventHandler


class Failing(EventHandler):
    """Fails in one place or the other, as its peers like."""

    def on_traffic(self, conn):
        if conn.read() == b"a":
            raise ValueError("a")
        raise ValueError("b")


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.ERROR, "netcore")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_thousand_failures_in_one_place_are_one_line_with_a_traceback(world, lines, caplog):
    made = world(Failing())
    for _ in range(1000):
        made.feed(made.connect(), b"a")
    assert len(lines()) == 1
    assert lines()[0].startswith("a callback of connection ")
    assert "ValueError: a" in caplog.text


def test_another_place_has_a_line_of_its_own(world, lines):
    made = world(Failing())
    for data in (b"a", b"b", b"a", b"b"):
        made.feed(made.connect(), data)
    assert len(lines()) == 2
