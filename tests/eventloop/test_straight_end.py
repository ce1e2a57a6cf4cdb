"""The commonest end of a stream, and all that may come in between: by the straight way as by the long one."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable

import pytest

from netcore import Action, Address, CloseReason, ConnectionClosedError, Engine, EventHandler, Timeout
from netcore.connection import Limits
from netcore.eventloop.gate import Gate

EDGES = Limits(edge_chunk=1000)


def closing(conn):
    return Action.CLOSE


@pytest.mark.parametrize("limits", [Limits(), EDGES, Limits(idle_timeout=9)])
def test_callbacks_facts_and_counts(world, limits):
    facts = []

    def on_eof(conn):
        facts.append((conn.closed, conn.close_reason, conn.writable, w.loop.connection_count))
        return Action.CLOSE

    def on_close(conn, error):
        facts.append((conn.closed, conn.close_reason, conn.writable, w.loop.connection_count, error))
        facts.append((conn.fd in w.sockets.closed, w.loop.find(conn.id), w.loop.unfinished))

    w = world(
        limits=limits,
        on_traffic=lambda conn: conn.write(conn.read()) and None,
        on_eof=on_eof,
        on_close=on_close,
    )
    conn = w.connect()
    w.feed(conn, b"hello")
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_eof", "on_close"]
    assert facts == [
        (False, None, True, 1),
        (True, CloseReason.EOF, False, 0, None),
        (True, None, 1),
    ]
    assert w.sent(conn) == b"hello"
    assert not w.hosts(conn.fd) and not w.loop.connections() and not w.loop.unfinished
    metrics = w.loop.metrics()
    assert (metrics.closed_eof, metrics.messages, metrics.bytes_received, metrics.connections) == (1, 1, 5, 0)
    assert (metrics.accepted, metrics.errors) == (1, 0)
    assert conn.fd not in w.poller.interests
    assert conn.local_address.network == "tcp"


def test_what_is_written_at_the_end_leaves_before_the_close(world):
    w = world(on_eof=lambda conn: conn.write(b"good-bye") and Action.CLOSE)
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert w.sent(conn) == b"good-bye"
    assert w.sockets.closed == [conn.fd]
    assert w.handler.names(conn)[-1] == "on_close"


@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_the_last_bytes_and_the_end_in_one_turn(world, limits):
    w = world(limits=limits, on_traffic=lambda conn: conn.write(conn.read()) and None, on_eof=closing)
    conn = w.connect()
    w.sockets.feed(conn.fd, b"the last")
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert w.sent(conn) == b"the last"
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_eof", "on_close"]


def test_bytes_that_nobody_reads(world):
    w = world(on_eof=closing)
    conn = w.connect()
    w.feed(conn, b"unread")
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert (conn.close_reason, conn.inbound_buffered) == (CloseReason.EOF, 0)


def test_a_close_with_a_callback_at_the_end(world):
    order = []
    w = world(
        on_eof=lambda conn: conn.close(lambda conn, error: order.append(("callback", error))),
        on_close=lambda conn, error: order.append("on_close"),
    )
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert order == ["on_close", ("callback", None)]
    assert conn.close_reason is CloseReason.EOF


def test_an_end_that_the_handler_does_not_close_for(world):
    w = world(on_eof=lambda conn: None)
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert not conn.closed and conn.writable
    conn.write(b"still here")
    conn.close()
    w.turns()
    assert w.sent(conn) == b"still here"
    assert w.handler.names(conn) == ["on_open", "on_eof", "on_close"]


@pytest.mark.parametrize("action", [None, Action.NONE, "odd"])
def test_an_exception_at_the_end(world, action):
    w = world(on_eof=lambda conn: 1 / 0, on_error=lambda conn, error: Action.CLOSE)
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert w.handler.names(conn) == ["on_open", "on_eof", "on_error", "on_close"]
    assert conn.close_reason is CloseReason.ERROR
    (error,) = w.handler.details("on_close")
    assert isinstance(error, ZeroDivisionError)


def test_a_shutdown_at_the_end(world):
    asked = []
    w = world(on_eof=lambda conn: Action.SHUTDOWN, shared={"shutdown": lambda: asked.append(1)})
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns()
    assert asked and not conn.closed


def test_what_is_asked_of_it_in_on_close_and_after(world):
    told = []

    def note(conn, error):
        told.append(type(error))

    def on_close(conn, error):
        with pytest.raises(ConnectionClosedError):
            conn.write(b"late")
        conn.async_write(b"later", note)
        conn.close(note)
        conn.abort()
        conn.set_deadline(1)

    w = world(on_eof=closing, on_close=on_close)
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns(3)
    assert told == [ConnectionClosedError, type(None)]
    conn.close(note)
    conn.wake(note)
    conn.pause_reading()
    w.turns(2)
    assert told[2:] == [type(None), ConnectionClosedError]
    assert conn.close_reason is CloseReason.EOF
    assert w.handler.names(conn) == ["on_open", "on_eof", "on_close"]


def test_an_exception_in_on_close(world, caplog):
    caplog.set_level(logging.ERROR)
    w = world(on_eof=closing, on_close=lambda conn, error: 1 / 0)
    conn, other = w.connect(), w.connect()
    w.sockets.feed_eof(conn.fd)
    w.sockets.feed_eof(other.fd)
    w.turns()
    assert w.handler.names(conn) == ["on_open", "on_eof", "on_close", "on_error"]
    assert w.handler.names(other) == ["on_open", "on_eof", "on_close", "on_error"]
    assert w.loop.unfinished == 0


@pytest.mark.parametrize("what", ["abort", "close", "pause_reading"])
def test_what_a_neighbour_does_in_the_same_batch(world, what):
    def on_eof(conn):
        if conn is first:
            getattr(second, what)()
        return Action.CLOSE

    w = world(on_eof=on_eof)
    first, second = w.connect(), w.connect()
    w.sockets.feed_eof(first.fd)
    w.sockets.feed_eof(second.fd)
    w.turns(2)
    assert first.close_reason is CloseReason.EOF
    if what == "pause_reading":
        assert not second.closed
        second.resume_reading()
        w.turns(2)
        assert second.close_reason is CloseReason.EOF
    else:
        assert second.close_reason is CloseReason.LOCAL
        assert w.handler.names(second) == ["on_open", "on_close"]


def test_deadlines_pledges_and_pauses_take_the_long_way(world):
    w = world(on_eof=closing)
    timed, pledged, paused = w.connect(), w.connect(), w.connect()
    timed.set_deadline(5)
    pledged.async_write(b"pledged")
    paused.pause_reading()
    for conn in (timed, pledged, paused):
        w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert timed.close_reason is pledged.close_reason is CloseReason.EOF
    assert w.sent(pledged) == b"pledged"
    assert not paused.closed
    w.clock.advance(10)
    w.turns()
    assert Timeout.IDLE not in w.handler.details("on_timeout")


def test_its_place_is_free_at_once(world):
    gate = Gate(1, refuse=False)
    w = world(on_eof=closing, shared={"gate": gate})
    for _ in range(3):
        conn = w.connect()
        waits = w.sockets.connect(w.LISTENER)
        w.turns(2)
        assert not w.hosts(waits)
        w.sockets.feed_eof(conn.fd)
        w.turns(3)
        assert conn.close_reason is CloseReason.EOF
        last = w.loop._hosted.streams.get(waits)
        assert last is not None
        w.sockets.feed_eof(waits)
        w.turns(3)
    assert gate._free == 1


@pytest.mark.parametrize("limits", [Limits(), Limits(idle_timeout=9)])
def test_a_poller_that_refuses_a_newcomer(world, limits, monkeypatch):
    w = world(limits=limits)
    monkeypatch.setattr(w.poller, "register", lambda fd, interest: 1 / 0)
    fd = w.sockets.connect(w.LISTENER)
    w.turns(2)
    assert w.sockets.resets == [fd]
    assert not w.hosts(fd) and w.loop.connection_count == 0 and not w.loop.connections()
    assert w.loop.metrics().accepted == 0
    assert not any(w.loop._agenda._wheel._slots.values())


@pytest.mark.parametrize("do", ["close", "abort", "raise", "pause", "write"])
def test_what_on_open_does(world, do):
    def on_open(conn):
        if do == "raise":
            raise RuntimeError("not today")
        if do == "write":
            conn.write(b"welcome")
        elif do == "pause":
            conn.pause_reading()
        else:
            getattr(conn, do)()

    w = world(on_open=on_open, on_error=lambda conn, error: Action.CLOSE)
    conn = w.connect()
    w.sockets.feed(conn.fd, b"hello") if do in ("pause", "write") else None
    w.turns(2)
    assert conn.closed is (do in ("close", "abort", "raise"))
    assert w.sent(conn) == (b"welcome" if do == "write" else b"")
    assert ("on_traffic" in w.handler.names(conn)) is (do == "write")


def test_what_a_lookup_of_a_callback_does(world):
    """As a finalizer may that runs meanwhile, or another thread."""
    told = []

    class Proxy:
        def __getattr__(self, name):
            if name == "on_eof" and asked:
                asked.pop().close(lambda conn, error: told.append(error))
            return getattr(handler, name)

    asked = []
    handler = EventHandler()
    w = world(handler=Proxy())
    conn = w.connect()
    asked.append(conn)
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert conn.closed and told == [None]


class Brief(EventHandler):
    def on_eof(self, conn):
        return Action.CLOSE


@pytest.mark.posix
def test_the_peer_sees_the_end_though_a_duplicate_is_open(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket]
) -> None:
    duplicates = []

    class Duplicating(Brief):
        def on_open(self, conn):
            duplicates.append(conn.dup())

    sock = dial(serve(Duplicating()))
    sock.shutdown(socket.SHUT_WR)
    try:
        assert sock.recv(1) == b""
    finally:
        for fd in duplicates:
            socket.close(fd)


def test_the_address_of_this_side_is_known_after_the_end(
    serve: Callable[..., Engine], dial: Callable[..., socket.socket]
) -> None:
    """Bound to any address, a listener does not know it either."""
    seen = []

    class Late(Brief):
        def on_close(self, conn, error):
            seen.append(conn.local_address)

    engine = serve(Late(), "tcp://0.0.0.0:0")
    sock = socket.create_connection(("127.0.0.1", engine.addresses[0].port))
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
    sock.close()
    while engine.connection_count or not seen:
        pass
    assert seen == [Address("tcp", "127.0.0.1", engine.addresses[0].port)]


def test_another_thread_may_ask_for_the_address_of_this_side_at_the_end(
    serve: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor stays open as long as it is asked for, be it that the loop has asked meanwhile."""
    inside = threading.Event()
    told: list[Address] = []
    readers: list[threading.Thread] = []

    class Asked(Brief):
        def on_open(self, conn):
            sockets = type(conn.loop.sockets)
            ask = sockets.local_address

            def asking(self, fd):
                if conn.loop.in_loop():
                    readers.append(threading.Thread(target=lambda: told.append(conn.local_address)))
                    readers[0].start()
                    inside.wait(0.3)
                else:
                    inside.set()
                    time.sleep(0.2)  # for the loop to close it
                return ask(self, fd)

            monkeypatch.setattr(sockets, "local_address", asking)

    engine = serve(Asked(), "tcp://0.0.0.0:0")
    port = engine.addresses[0].port
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(30)
        assert sock.recv(1) == b""
    readers[0].join()
    assert told == [Address("tcp", "127.0.0.1", port)]
