"""Callbacks that return something else than an Action."""

from __future__ import annotations

import pytest

from netcore import Action
from netcore.connection import Limits

CALLBACKS = ["on_open", "on_traffic", "on_eof", "on_writable", "on_timeout", "on_error", "on_close"]


def fail(conn):
    raise LookupError("on purpose")


def live(w):
    """Brings every callback about, once or more."""
    conn = w.connect()
    conn.set_read_deadline(1)
    w.sockets.block(conn.fd)
    conn.write(b"x" * 400)
    w.turns(2)
    w.sockets.unblock(conn.fd)
    w.turns(2)
    w.feed(conn, b"one")
    w.feed(conn, b"two")
    w.clock.advance(2)
    w.turns(2)
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    conn.close()
    w.turns(2)


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("result", [True, 1, 2, "CLOSE", {1}, [], 0, b""], ids=repr)
def test_each_callback_is_named_once(world, caplog, name, result):
    callbacks = {"on_timeout": lambda *_: None, "on_eof": lambda *_: None, name: lambda *_: result}
    if name == "on_error":
        callbacks["on_traffic"] = fail
    w = world(limits=Limits(high_water=300, low_water=100), **callbacks)
    live(w)
    live(w)
    assert w.handler.names().count("on_close") == 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{name} of connection ")
    assert f"returned {result!r}, which is no Action" in line


def test_another_kind_of_result_and_another_callback_are_said_too(world, caplog):
    results = iter([True, False, 3, True, None, Action.NONE, 4])
    w = world(on_traffic=lambda conn: next(results), on_open=lambda conn: True)
    conn = w.connect()
    for _ in range(7):
        w.feed(conn, b"x")
    lines = [record.getMessage().partition(" of connection")[0] for record in caplog.records]
    assert lines == ["on_open", "on_traffic", "on_traffic"]


def test_a_result_that_cannot_be_shown_harms_nobody(world, capsys):
    class Shy:
        def __repr__(self):
            raise LookupError("on purpose")

        __eq__ = __bool__ = __repr__

    w = world(on_traffic=lambda conn: Shy())
    conn = w.connect()
    w.feed(conn, b"x")
    w.feed(conn, b"x")
    assert not conn.closed
    capsys.readouterr()
