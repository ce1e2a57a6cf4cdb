"""Durations that engines and clients are given: one rule, and what it refuses changes nothing."""

from __future__ import annotations

import decimal
import math
import threading

import pytest

from netcore import Client, Engine, EventHandler
from netcore.testing import ManualClock, RecordingHandler

ODD = [math.nan, -1, -math.inf, True, "1", b"1", decimal.Decimal("0.5"), [1], 1j]
ENDLESS = [math.inf, 1e308, 10**400]


def refuses(value):
    return pytest.raises(ValueError if type(value) in (int, float) else TypeError, match="a timeout is")


@pytest.mark.parametrize("value", ODD)
def test_an_engine_refuses_what_is_no_duration(serve, value):
    engine = serve(EventHandler())
    address = engine.addresses[0]
    for call in (
        engine.stop,
        engine.join,
        engine.drain,
        lambda timeout: engine.dial(address, timeout=timeout),
        lambda timeout: engine.loops[0].dial(address, timeout=timeout),
    ):
        with refuses(value):
            call(value)
    assert engine.running
    assert engine.connection_count == 0


@pytest.mark.parametrize("value", ODD)
def test_a_client_refuses_what_is_no_duration(serve, value):
    address = serve(EventHandler()).addresses[0]
    with Client(EventHandler()) as client:
        for call in (client.stop, lambda timeout: client.dial(address, timeout=timeout)):
            with refuses(value):
                call(value)
        client.dial(address).close()


@pytest.mark.parametrize("value", ODD)
def test_an_engine_that_was_never_started_is_not_ended_by_what_is_refused(value):
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0")
    with refuses(value):
        engine.stop(value)
    with engine:
        assert engine.running


@pytest.mark.parametrize("value", ODD)
def test_a_callback_is_refused_it_too(serve, dial, value):
    errors = []

    def on_open(conn):
        for call in (engine.stop, engine.join, engine.drain):
            try:
                call(value)
            except (TypeError, ValueError) as error:
                errors.append(error)

    handler = RecordingHandler(on_open=on_open)
    engine = serve(handler)
    dial(engine)
    handler.wait_for("on_open")
    assert len(errors) == 3
    assert engine.running


@pytest.mark.parametrize("value", ENDLESS)
def test_endless_durations_wait_for_what_comes(serve, dial, value):
    handler = RecordingHandler()
    engine = serve(handler)
    assert engine.drain(value) is True
    conn = engine.dial(engine.addresses[0], timeout=value).result(30)
    joined = threading.Thread(target=engine.join, args=(value,))
    joined.start()
    conn.close()
    assert engine.stop(value) is True
    joined.join(30)
    assert not joined.is_alive()
    assert handler.names().count("on_close") == 2


@pytest.mark.parametrize("name", ["idle_timeout", "close_timeout", "shutdown_timeout"])
@pytest.mark.parametrize("value", ENDLESS)
def test_endless_options(serve, dial, name, value):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, **{name: value})
    sock = dial(engine)
    sock.sendall(b"ping")
    assert sock.recv(10) == b"ping"
    handler.wait_for("on_open").conn.close()
    assert sock.recv(10) == b""
    assert engine.stop(30)


@pytest.mark.parametrize("value", ODD)
def test_a_manual_clock_takes_seconds(value):
    clock = ManualClock(5)
    with pytest.raises(ValueError if type(value) in (int, float) else TypeError, match="a step of the clock"):
        clock.advance(value)
    assert clock() == 5


def test_a_recording_handler_waits_for_seconds():
    handler = RecordingHandler()
    handler.on_boot(None)
    assert handler.wait_for("on_boot", timeout=math.inf).name == "on_boot"
    with pytest.raises(TypeError, match="a timeout is"):
        handler.wait_for("on_boot", timeout="1")
