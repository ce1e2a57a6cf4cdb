"""How a connection ends: every way, once."""

from __future__ import annotations

import errno

import pytest

from netcore import Action, CloseReason, ConnectionClosedError
from netcore.connection import TRANSITIONS, Event, Limits, State


def fail(*args):
    raise LookupError("on purpose")


def test_the_table_names_every_state_and_only_closed_is_final():
    assert set(TRANSITIONS) == set(State)
    for state, events in TRANSITIONS.items():
        reachable, frontier = {state}, [state]
        while frontier:
            for following in TRANSITIONS[frontier.pop()].values():
                if following not in reachable:
                    reachable.add(following)
                    frontier.append(following)
        assert State.CLOSED in reachable
        assert Event.CLOSE in events
        assert Event.ABORT in events
    assert set(TRANSITIONS[State.CLOSED].values()) == {State.CLOSED}


def test_eof_closes_after_everything_was_delivered_and_sent(world):
    w = world(on_traffic=lambda conn: conn.write(conn.read()))
    conn = w.connect()
    w.sockets.feed(conn.fd, b"last words")
    w.sockets.feed_eof(conn.fd)
    w.turns(3)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_eof", "on_close"]
    assert w.handler.details("on_close") == [None]
    assert conn.close_reason is CloseReason.EOF
    assert w.sent(conn) == b"last words"
    assert w.sockets.closed == [conn.fd]
    assert w.loop.connection_count == 0


def test_half_close_lets_this_side_go_on(world):
    w = world(on_eof=lambda conn: Action.NONE)
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns(5)
    assert w.handler.names(conn) == ["on_open", "on_eof"]
    assert w.poller.interests[conn.fd] == 0, "past the end it is not polled for reading"
    conn.write(b"still here")
    w.turns()
    assert w.sent(conn) == b"still here"
    conn.close()
    w.turns()
    assert conn.close_reason is CloseReason.EOF
    assert w.sockets.closed == [conn.fd]


def test_shutdown_write_sends_fin_after_the_buffer_and_goes_on_reading(world):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"goodbye")
    conn.shutdown_write()
    conn.shutdown_write()
    w.turns(2)
    assert w.sockets.shut == []
    with pytest.raises(ConnectionClosedError):
        conn.write(b"more")
    w.sockets.unblock(conn.fd)
    w.turns(2)
    assert w.sockets.shut == [conn.fd]
    w.feed(conn, b"answer")
    assert w.handler.received() == b"answer"
    assert not conn.closed
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_eof", "on_close"]
    assert w.sockets.closed == [conn.fd]


def test_close_sends_what_is_buffered_first(world):
    calls = []
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd, after=3)
    conn.write(b"farewell")
    conn.close(lambda c, error: calls.append((c, error)))
    w.turns(2)
    assert (conn.closed, w.sockets.closed, calls) == (True, [], [])
    assert "on_close" not in w.handler.names()
    w.sockets.unblock(conn.fd)
    w.turns(2)
    assert w.sent(conn) == b"farewell"
    assert w.sockets.closed == [conn.fd]
    assert calls == [(conn, None)]
    assert conn.close_reason is CloseReason.LOCAL


def test_nothing_is_delivered_after_close(world):
    w = world(on_traffic=lambda conn: conn.read() and Action.CLOSE)
    conn, other = w.connect(), w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"x")
    conn.close()
    w.turns()
    w.sockets.feed(conn.fd, b"too late")
    w.feed(other, b"in time")
    w.turns()
    assert w.handler.names(conn) == ["on_open"]
    assert w.handler.names(other) == ["on_open", "on_traffic", "on_close"]


def test_close_gives_up_after_close_timeout(world):
    w = world(limits=Limits(close_timeout=5))
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"never taken")
    conn.close()
    w.turns(2)
    w.clock.advance(4.9)
    w.turns()
    assert "on_close" not in w.handler.names()
    w.clock.advance(0.2)
    w.turns()
    (error,) = w.handler.details("on_close")
    assert isinstance(error, TimeoutError)
    assert w.sockets.resets == [conn.fd]
    assert conn.close_reason is CloseReason.LOCAL


def test_abort_resets_and_drops_the_backlog(world):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"unsent")
    conn.abort()
    conn.abort()
    conn.close()
    w.turns(2)
    assert w.sockets.resets == [conn.fd]
    assert w.handler.names(conn) == ["on_open", "on_close"]
    assert w.handler.details("on_close") == [None]


@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_an_error_in_receiving_ends_the_connection(world, code):
    w = world()
    conn = w.connect()
    w.sockets.feed(conn.fd, b"before")
    w.sockets.feed_error(conn.fd, code)
    w.turns(3)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_close"]
    (error,) = w.handler.details("on_close")
    assert isinstance(error, OSError)
    assert error.errno == code
    assert conn.close_reason is CloseReason.ERROR


@pytest.mark.parametrize("end", ["eof", "reset", "nothing"])
def test_what_came_before_a_failed_write_is_delivered(world, end):
    w = world(on_traffic=lambda conn: conn.write(conn.read()) and None)
    conn = w.connect()
    w.sockets.script_sends(conn.fd, -errno.EPIPE)
    w.sockets.feed(conn.fd, b"a" * 65536)
    w.sockets.feed(conn.fd, b"b" * 65536)
    w.sockets.feed(conn.fd, b"c")
    if end == "eof":
        w.sockets.feed_eof(conn.fd)
    elif end == "reset":
        w.sockets.feed_error(conn.fd, errno.ECONNRESET)
    w.turns(8)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_traffic", "on_traffic", "on_close"]
    (error,) = w.handler.details("on_close")
    assert isinstance(error, BrokenPipeError)
    assert conn.close_reason is CloseReason.ERROR
    assert w.loop.connection_count == 0


@pytest.mark.parametrize("settled", [True, False], ids=["in-the-kernel", "already-received"])
def test_a_failed_write_is_noticed_while_reading_is_paused(world, settled):
    w = world()
    conn = w.connect()
    conn.pause_reading()
    if settled:
        w.turns()
    w.sockets.feed(conn.fd, b"unread")
    w.sockets.script_sends(conn.fd, -errno.ECONNRESET)
    conn.write(b"x")
    w.turns(4)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_close"]
    assert w.handler.received() == b"unread"


def test_an_error_while_closing_still_ends_once(world):
    w = world()
    conn = w.connect()
    w.sockets.block(conn.fd)
    conn.write(b"x" * 100)
    conn.close()
    w.turns()
    w.sockets.script_sends(conn.fd, -errno.ECONNRESET)
    w.sockets.unblock(conn.fd)
    w.turns(3)
    assert w.handler.names(conn) == ["on_open", "on_close"]
    assert isinstance(w.handler.details("on_close")[0], ConnectionResetError)
    assert conn.close_reason is CloseReason.LOCAL


@pytest.mark.parametrize("name", ["on_open", "on_traffic", "on_eof", "on_writable", "on_close"])
def test_an_exception_in_a_callback_costs_only_its_connection(world, name):
    w = world(limits=Limits(high_water=10, low_water=0), **{name: fail})
    conn, other = w.connect(), w.connect()
    if not conn.closed:
        w.sockets.block(conn.fd)
        conn.write(b"x" * 20)
        w.turns()
        w.sockets.unblock(conn.fd)
        w.turns(2)
    w.sockets.feed(conn.fd, b"data")
    w.sockets.feed_eof(conn.fd)
    w.turns(4)
    (error, *_) = w.handler.details("on_error")
    assert isinstance(error, LookupError)
    assert w.handler.names(conn).count("on_close") == 1
    assert conn.closed
    assert other.closed == (name == "on_open")


def test_on_error_may_keep_the_connection(world):
    w = world(
        on_traffic=lambda conn: conn.read() == b"bad" and fail(), on_error=lambda conn, error: Action.NONE
    )
    conn = w.connect()
    for data in (b"bad", b"good"):
        w.feed(conn, data)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_error", "on_traffic"]


def test_on_error_itself_may_fail(world, caplog):
    w = world(on_traffic=fail, on_error=fail)
    conn = w.connect()
    w.feed(conn, b"x")
    assert conn.closed
    assert "on_error of connection" in caplog.text


def test_the_base_handler_logs_the_traceback_and_closes(world, caplog):
    from netcore import EventHandler

    class Bad(EventHandler):
        def on_traffic(self, conn):
            fail()

    w = world(Bad())
    conn = w.connect()
    w.feed(conn, b"x")
    assert conn.closed
    assert "LookupError: on purpose" in caplog.text


def test_a_result_that_is_no_action_is_reported(world, caplog):
    w = world(on_traffic=lambda conn: int(Action.CLOSE))
    conn = w.connect()
    w.feed(conn, b"x")
    assert not conn.closed
    assert "returned 1, which is no Action" in caplog.text


def test_close_in_on_open(world):
    w = world(on_open=lambda conn: conn.write(b"full up") and Action.CLOSE)
    fd = w.sockets.connect(w.LISTENER)
    w.turns(2)
    assert w.sockets.sent[fd] == b"full up"
    assert w.handler.names() == ["on_open", "on_close"]


def test_what_is_known_after_the_close(world):
    left = []
    w = world(on_traffic=lambda conn: None, on_close=lambda conn, error: left.append(conn.read()))
    conn = w.connect()
    fd, number = conn.fd, conn.id
    w.feed(conn, b"unread")
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert left == [b"unread"]
    assert (conn.id, conn.fd) == (number, fd)
    assert str(conn.remote_address) == "tcp://192.0.2.7:40000"
    assert str(conn.local_address) == "tcp://192.0.2.1:9000"
    assert conn.read() == b""
    assert conn.inbound_buffered == conn.outbound_buffered == 0
    for call in (lambda: conn.write(b"x"), conn.shutdown_write, conn.dup, lambda: conn.set_read_buffer(1)):
        with pytest.raises(ConnectionClosedError):
            call()


def test_ids_are_never_reused_though_descriptors_are(world):
    w = world()
    seen = set()
    for _ in range(50):
        conn = w.connect()
        seen.add(conn.id)
        conn.close()
        w.turns()
    assert len(seen) == 50


def test_a_stale_event_does_not_touch_the_successor(world):
    w = world()
    old = w.connect()
    old.close()
    w.turns()
    w.sockets._next_fd = iter([old.fd])
    new = w.connect()
    assert new.fd == old.fd
    assert new is not old
    old.close()
    old.abort()
    old.async_write(b"stale")
    old.wake()
    old.pause_reading()
    old.resume_reading()
    w.turns(3)
    assert not new.closed
    assert w.sent(new) == b""
    assert w.handler.names(new) == ["on_open"]
    w.feed(new, b"hello")
    assert w.handler.received() == b"hello"
