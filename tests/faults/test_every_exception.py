"""Whatever a callback raises: the loop goes on or the engine stops in order, and each on_close comes once."""

from __future__ import annotations

import logging
import socket

import pytest

from netcore import Action, CloseReason, Engine, EventHandler
from netcore.connection import Limits
from netcore.testing import RecordingHandler

ERRORS = [LookupError, MemoryError, RecursionError, TimeoutError]
EXITS = [KeyboardInterrupt, SystemExit, GeneratorExit]
CALLBACKS = ["on_open", "on_traffic", "on_eof", "on_writable", "on_timeout", "on_close"]
CALLS = ["async_write", "wake", "close", "task", "timer"]


def raising(kind):
    def fail(*args):
        raise kind("on purpose")

    return fail


def drive(w):
    """Brings every callback about for one connection."""
    conn = w.connect()
    if not conn.closed:
        conn.set_read_deadline(1)
        w.sockets.block(conn.fd)
        conn.write(b"x" * 400)
        w.turns(2)
        w.sockets.unblock(conn.fd)
        w.turns(2)
        w.sockets.feed(conn.fd, b"data")
        w.turns(2)
        w.clock.advance(2)
        w.turns(2)
        if not conn.closed:
            w.sockets.feed_eof(conn.fd)
            w.turns(3)
    w.turns(3)
    return conn


def world_with(world, stops, **callbacks):
    keep = {"on_timeout": lambda conn, timeout: Action.NONE, "on_traffic": lambda conn: conn.read() and None}
    return world(
        limits=Limits(high_water=300, low_water=100),
        shared={"shutdown": lambda: stops.append(1)},
        **{**keep, **callbacks},
    )


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_in_a_callback_goes_to_on_error(world, name, kind):
    stops = []
    w = world_with(world, stops, **{name: raising(kind)})
    conn = drive(w)
    assert [type(error) for error in w.handler.details("on_error")] == [kind]
    assert w.handler.names(conn).count("on_close") == 1
    if name != "on_close":
        assert w.handler.details("on_close") == w.handler.details("on_error")
        assert conn.close_reason is CloseReason.ERROR
    assert not stops
    neighbour = w.connect()
    assert w.handler.names(neighbour)[0] == "on_open", "the loop goes on"


@pytest.mark.parametrize("name", [*CALLBACKS, "on_error"])
@pytest.mark.parametrize("kind", EXITS)
def test_an_exit_in_a_callback_stops_the_engine_in_order(world, caplog, name, kind):
    stops = []
    callbacks = {name: raising(kind)}
    if name == "on_error":
        callbacks["on_traffic"] = raising(LookupError)
    w = world_with(world, stops, **callbacks)
    neighbour = w.connect() if name != "on_open" else None
    conn = drive(w)
    assert stops
    assert w.handler.names(conn).count("on_close") == 1
    assert "ends the engine" in caplog.text
    w.loop.stop_now()
    w.turns(2)
    if neighbour is not None:
        assert w.handler.names(neighbour).count("on_close") == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [*ERRORS, *EXITS])
def test_what_an_asynchronous_callback_raises(world, caplog, call, kind):
    stops = []
    w = world_with(world, stops)
    conn = w.connect()
    fail = raising(kind)
    if call == "task":
        w.loop.execute(fail)
    elif call == "timer":
        w.loop.schedule(0, fail)
    elif call == "async_write":
        conn.async_write(b"x", fail)
    else:
        getattr(conn, call)(fail)
    w.turns(4)
    assert bool(stops) == (kind in EXITS)
    if call in ("task", "timer"):
        assert "on purpose" in caplog.text
        assert not conn.closed
    else:
        assert conn.closed
        assert w.handler.names(conn).count("on_close") == 1
        if call != "close" and kind in ERRORS:
            assert conn.close_reason is CloseReason.ERROR
            assert [type(error) for error in w.handler.details("on_close")] == [kind]
    w.handler.events.clear()
    assert w.connect() is not conn


def test_on_close_hears_of_nothing_that_on_error_has_let_pass(world):
    w = world(on_traffic=raising(LookupError), on_error=lambda conn, error: None)
    conn = w.connect()
    w.feed(conn, b"x")
    assert not conn.closed
    conn.close()
    w.turns(2)
    assert (w.handler.details("on_close"), conn.close_reason) == ([None], CloseReason.LOCAL)


def test_on_close_hears_of_the_first_exception_if_on_error_raises_another(world, caplog):
    w = world(on_traffic=raising(LookupError), on_error=raising(ArithmeticError))
    conn = w.connect()
    w.feed(conn, b"x")
    w.turns(2)
    assert [type(error) for error in w.handler.details("on_close")] == [LookupError]
    assert conn.close_reason is CloseReason.ERROR
    assert "ArithmeticError" in caplog.text


def test_an_exception_after_the_close_is_not_what_closed(world):
    def on_traffic(conn):
        conn.close()
        raise LookupError("on purpose")

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"x")
    w.turns(2)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_error", "on_close"]
    assert (w.handler.details("on_close"), conn.close_reason) == ([None], CloseReason.LOCAL)


def test_what_was_written_before_the_exception_leaves_and_nothing_is_reset(world):
    """The peer is sending still, as a broken one would not be: its input must not turn the end into RST."""

    def on_traffic(conn):
        conn.write(b"sorry")
        conn.async_write(b", really")
        raise LookupError("on purpose")

    w = world(limits=Limits(linger=1), on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"a request that is longer than ")
    w.turns(2)
    assert w.sent(conn) == b"sorry, really"
    assert w.handler.names(conn)[-1] == "on_close"
    assert w.sockets.shut == [conn.fd]
    assert w.sockets.closed == w.sockets.resets == []


def engine_with(**callbacks):
    handler = RecordingHandler(**callbacks)
    return handler, Engine(handler, "tcp://127.0.0.1:0", ticker=True)


@pytest.mark.parametrize("kind", [LookupError, MemoryError])
def test_an_error_in_on_tick_is_logged_and_ends_nothing(caplog, kind):
    handler, engine = engine_with(on_tick=raising(kind))
    with engine:
        handler.wait_for("on_tick", 2)
        with socket.create_connection(("127.0.0.1", engine.addresses[0].port)) as sock:
            sock.sendall(b"x")
            handler.wait_for("on_traffic")
        handler.wait_for("on_close")
    assert "on_tick failed; it is called again in 1 s" in caplog.text
    assert "on purpose" in caplog.text


@pytest.mark.parametrize("kind", EXITS)
def test_an_exit_in_on_tick_stops_the_engine(caplog, kind):
    handler, engine = engine_with(on_tick=raising(kind))
    engine.start()
    assert engine.join(30)
    assert handler.names()[-1] == "on_shutdown"
    assert "on purpose" in caplog.text


@pytest.mark.parametrize("kind", [*ERRORS, *EXITS])
def test_on_boot_raises_in_start_and_leaves_nothing(kind):
    handler, engine = engine_with(on_boot=raising(kind))
    with pytest.raises(kind):
        engine.start()
    assert not engine.running
    assert engine.join(30)
    assert handler.names()[-1] == "on_shutdown"


@pytest.mark.parametrize("kind", [*ERRORS, *EXITS])
def test_what_on_shutdown_raises_is_logged(caplog, kind):
    _, engine = engine_with(on_shutdown=raising(kind))
    engine.start()
    assert engine.stop(30)
    assert "on purpose" in caplog.text


def test_an_error_in_the_application_costs_only_its_connection(serve, dial, receive, caplog):
    class Half(EventHandler):
        def on_traffic(self, conn):
            if conn.read() == b"bad":
                raise MemoryError("no room")
            conn.write(b"good")

    with caplog.at_level(logging.ERROR):
        engine = serve(Half())
        good, bad = dial(engine), dial(engine)
        bad.sendall(b"bad")
        assert bad.recv(1) == b""
        good.sendall(b"ask")
        assert receive(good, 4) == b"good"
    assert "no room" in caplog.text
