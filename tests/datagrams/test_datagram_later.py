"""The connection of a server's datagram after its callback: later answers, closes, other threads, errors."""

from __future__ import annotations

import errno
import gc
import socket
import threading
import weakref

import pytest

from netcore import (
    Action,
    CloseReason,
    ConnectionClosedError,
    EventHandler,
)
from netcore.testing import RecordingHandler
from netcore.testing.conformance import wires

UDP = "udp://127.0.0.1:0"


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


def settled(conn) -> None:
    """Waits until the loop of a connection has done what it was told."""
    done = threading.Event()
    conn.loop.execute(done.set)
    assert done.wait(30)


def test_answers_later_from_another_thread_and_on_the_loop(serve, peer):
    handler = RecordingHandler()
    client = peer(serve(handler, UDP))
    client.send(b"question")
    conn = handler.wait_for("on_traffic").conn
    told = []
    done = threading.Event()
    for number, data in enumerate((bytearray(b"one"), b"two", b"")):
        conn.async_write(data, lambda c, error, number=number: told.append((number, c, error)))
    conn.async_writev([b"th", bytearray(b"ree")], lambda c, error: done.set())
    assert [client.receive() for _ in range(4)] == [b"one", b"two", b"", b"three"]
    assert done.wait(30)
    assert told == [(number, conn, None) for number in range(3)]
    conn.loop.execute(conn.write, b"from a task")
    assert client.receive() == b"from a task"
    conn.loop.schedule(0.01, conn.write, b"from a timer")
    assert client.receive() == b"from a timer"


def test_wake_runs_on_traffic_and_then_the_callback(serve, peer):
    seen = []
    handler = RecordingHandler(on_traffic=lambda conn: seen.append(conn.read()))
    client = peer(serve(handler, UDP))
    client.send(b"first")
    conn = handler.wait_for("on_traffic").conn
    done = threading.Event()
    conn.wake(lambda c, error: (seen.append((c, error)), done.set()))
    assert done.wait(30)
    assert seen == [b"first", b"", (conn, None)]


@pytest.mark.parametrize("how", ["close", "abort", "action"])
def test_a_closed_datagram_connection_answers_no_more_and_the_server_goes_on(serve, peer, how):
    def on_traffic(conn):
        conn.write(conn.read())
        if how == "action":
            return Action.CLOSE
        getattr(conn, how)()
        with pytest.raises(ConnectionClosedError):
            conn.write(b"more")
        return None

    handler = RecordingHandler(on_traffic=on_traffic)
    client = peer(serve(handler, UDP))
    assert client.ask(b"answered") == b"answered"
    conn = handler.wait_for("on_traffic").conn
    settled(conn)
    assert (conn.closed, conn.close_reason) == (True, CloseReason.LOCAL)
    told = []
    done = threading.Event()
    conn.async_write(b"x", lambda c, error: told.append(error))
    conn.wake(lambda c, error: told.append(error))
    conn.close(lambda c, error: (told.append(error), done.set()))
    assert done.wait(30)
    assert [type(error) for error in told] == [ConnectionClosedError, ConnectionClosedError, type(None)]
    assert client.ask(b"again") == b"again"


def test_callbacks_run_once_after_the_end_of_the_engine(serve, peer):
    handler = RecordingHandler()
    engine = serve(handler, UDP)
    peer(engine).send(b"x")
    conn = handler.wait_for("on_traffic").conn
    engine.stop()
    told = []
    conn.async_write(b"late", lambda c, error: told.append(error))
    conn.close(lambda c, error: told.append(error))
    assert isinstance(told[0], ConnectionClosedError)
    assert told[1:] == [None]
    with pytest.raises(ConnectionClosedError):
        conn.write(b"x")
    with pytest.raises(ConnectionClosedError):
        conn.dup()


def test_an_exception_in_a_callback_reaches_on_error_and_the_server_goes_on(serve, peer):
    def on_traffic(conn):
        data = conn.read()
        if data == b"bad":
            raise RuntimeError("a fault of the application")
        conn.write(data)

    handler = RecordingHandler(
        on_traffic=on_traffic, on_error=lambda conn, error: conn.write(b"sorry") and None
    )
    client = peer(serve(handler, UDP))
    assert client.ask(b"bad") == b"sorry"
    assert isinstance(handler.wait_for("on_error").detail, RuntimeError)
    assert handler.wait_for("on_error").conn.remote_address == client.address
    assert client.ask(b"good") == b"good"


def test_shutdown_from_on_traffic(serve, peer):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"bye") and Action.SHUTDOWN)
    engine = serve(handler, UDP)
    assert peer(engine).ask(b"stop") == b"bye"
    assert engine.join(30)
    assert handler.names()[-1] == "on_shutdown"


def test_the_socket_of_a_server(serve, peer):
    handler = RecordingHandler()
    engine = serve(handler, UDP, socket_recv_buffer=150_000, socket_send_buffer=120_000)
    client = peer(engine)
    client.send(b"x")
    conn = handler.wait_for("on_traffic").conn
    with socket.socket(fileno=conn.dup()) as same:
        assert same.getsockname()[1] == engine.addresses[0].port
        assert same.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 150_000
        assert same.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 120_000
        conn.set_read_buffer(50_000)
        assert 50_000 <= same.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 150_000
    conn.set_write_buffer(50_000)
    conn.set_linger(-1)


def test_debug_checks_the_thread(serve, peer):
    from netcore import WrongThreadError

    handler = RecordingHandler()
    client = peer(serve(handler, UDP, debug=True))
    client.send(b"x")
    conn = handler.wait_for("on_traffic").conn
    for call in (lambda: conn.write(b"x"), conn.read, lambda: conn.writable, conn.flush):
        with pytest.raises(WrongThreadError, match="belongs to loop 0"):
            call()
    conn.async_write(b"allowed")
    assert client.receive() == b"allowed"


def test_every_thread_safe_method_under_load(serve, peer):
    """Threads use connections that were kept, while the loop is busy with others."""
    kept = []

    def on_traffic(conn):
        data = conn.read()
        if data == b"keep":
            kept.append(conn)
        if data:  # else it was woken up
            conn.write(data)

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, UDP)
    owner, busy = peer(engine), peer(engine)
    wires.set_buffers(owner.sock, 1 << 20, socket.SO_RCVBUF)
    for _ in range(4):
        assert owner.ask(b"keep") == b"keep"
    told, ids, failures = [], set(), []
    over = threading.Event()

    def load():
        while not over.is_set():
            busy.ask(b"busy")

    def use(conn):
        try:
            for _ in range(20):
                conn.async_write(b"1", lambda c, error: told.append(error))
                conn.async_writev([b"2", b"3"], lambda c, error: told.append(error))
                conn.wake(lambda c, error: told.append(error))
                socket.close(conn.dup())
                conn.set_read_buffer(1 << 16)
                ids.add((conn.id, conn.fd, conn.closed, conn.local_address, conn.remote_address))
            conn.close(lambda c, error: told.append(error))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load), *(threading.Thread(target=use, args=(conn,)) for conn in kept)]
    for thread in threads:
        thread.start()
    try:
        answers = [owner.receive() for _ in range(4 * 40)]
        for thread in threads[1:]:
            thread.join()
    finally:
        over.set()
        threads[0].join()
    settled(kept[0])
    assert (failures, told) == ([], [None] * 4 * 61)
    assert sorted(answers) == [b"1"] * 80 + [b"23"] * 80
    assert len(ids) == 4
    assert all(conn.closed for conn in kept)


def test_what_is_too_long_either_way_reaches_on_error_and_the_server_goes_on(serve, peer):
    def on_traffic(conn):
        data = conn.read()
        conn.write(b"x" * 65508 if data == b"too much" else data)

    handler = RecordingHandler(
        on_traffic=on_traffic, on_error=lambda conn, error: conn.write(b"sorry") and None
    )
    client = peer(serve(handler, UDP, read_buffer_cap=1024))
    assert client.ask(b"y" * 1024) == b"y" * 1024
    assert client.ask(b"y" * 1025) == b"sorry"
    assert client.ask(b"too much") == b"sorry"
    assert client.ask(b"fine") == b"fine"
    assert [error.errno for error in handler.details("on_error")] == [errno.EMSGSIZE] * 2
    conns = [event.conn for event in handler.events if event.name == "on_error"]
    assert {conn.remote_address for conn in conns} == {client.address}


def test_writable_is_false_after_the_end(world):
    kept = []
    w = world(on_traffic=kept.append)
    w.feed(b"x", b"y")
    assert [conn.writable for conn in kept] == [True, True]
    kept[0].close()
    assert [conn.writable for conn in kept] == [False, True]
    w.listener.close()
    assert [conn.writable for conn in kept] == [False, False]
    dialled = w.dial()
    assert dialled.writable
    dialled.close()
    assert not dialled.writable


def test_a_close_comes_after_a_wake_that_was_asked_for_before(world):
    kept, told = [], []
    w = world(on_traffic=kept.append)
    w.feed(b"x")
    (conn,) = kept
    conn.wake(lambda conn, error: told.append(error))
    conn.close(lambda conn, error: told.append("closed"))
    assert not conn.closed
    w.turns(3)
    assert told == [None, "closed"]
    assert conn.closed


def test_a_weak_reference_to_a_datagram(world):
    kept = []
    w = world(on_traffic=lambda conn: kept.append(weakref.ref(conn)))
    w.feed(b"x")
    w.handler.events.clear()
    gc.collect()
    assert kept[0]() is None
