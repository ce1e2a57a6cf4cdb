"""Servers of datagrams on real sockets."""

from __future__ import annotations

import io
import os
import socket
import threading

import pytest

from netcore import (
    Action,
    Address,
    CloseReason,
    ConnectionClosedError,
    EventHandler,
    ShortBufferError,
    UnsupportedOperationError,
)
from netcore.testing import RecordingHandler

UDP = "udp://127.0.0.1:0"


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


def settled(conn) -> None:
    """Waits until the loop of a connection has done what it was told."""
    done = threading.Event()
    conn.loop.execute(done.set)
    assert done.wait(30)


@pytest.mark.parametrize("form", [UDP, "udp4://:0", "udp://:0", "udp://localhost:0"])
def test_echo_whole_datagrams_of_every_size(serve, peer, form):
    engine = serve(Echo(), form)
    assert engine.addresses[0].port
    assert engine.addresses[0].network == form.partition(":")[0]
    client = peer(engine)
    for size in (1, 0, 1472, 2112, 2113, 9000, 65507):
        data = os.urandom(size)
        assert client.ask(data) == data


@pytest.mark.parametrize("form", ["udp6://[::1]:0", "udp6://:0", "udp://[::1]:0"])
def test_echo_over_ipv6(serve, peer, ipv6, form):
    client = peer(serve(Echo(), form), host="::1")
    for data in (b"six", b"", os.urandom(60_000)):
        assert client.ask(data) == data


def test_dual_stack_tells_either_family(serve, peer, ipv6):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(str(conn.remote_address).encode()) and None)
    engine = serve(handler, "udp://:0")
    for host in ("127.0.0.1", "::1"):
        client = peer(engine, host=host)
        assert client.ask(b"who am I") == str(client.address).encode()


def test_each_datagram_is_one_on_traffic_and_nothing_else(serve, peer):
    handler = RecordingHandler()
    client = peer(serve(handler, UDP))
    for data in (b"one", b"", b"three"):
        client.send(data)
    handler.wait_for("on_traffic", 3)
    assert handler.details("on_traffic") == [b"one", b"", b"three"]
    assert set(handler.names()) == {"on_boot", "on_traffic"}
    conns = [event.conn for event in handler.events if event.name == "on_traffic"]
    assert len({id(conn) for conn in conns}) == len({conn.id for conn in conns}) == 3


def test_facts_of_a_datagram(serve, peer):
    seen = []

    def on_traffic(conn):
        assert conn.context is None
        conn.context = "mine"
        seen.append((conn.network, conn.closed, conn.close_reason, conn.inbound_buffered, conn.writable))
        conn.write(b"ok")

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, UDP)
    client = peer(engine)
    assert client.ask(b"four") == b"ok"
    conn = handler.wait_for("on_traffic").conn
    assert seen == [("udp", False, None, 4, True)]
    assert conn.context == "mine"
    assert conn.id == conn.id
    assert conn.loop is engine.loops[0]
    assert conn.remote_address == client.address
    assert conn.local_address == Address("udp", "127.0.0.1", engine.addresses[0].port)
    assert (engine.connection_count, engine.get(conn.id)) == (0, None)
    engine.stop()
    assert (conn.closed, conn.close_reason) == (True, CloseReason.SHUTDOWN)
    assert conn.remote_address == client.address, "the address is lost with the socket"


def test_ids_are_unique_beside_those_of_streams(serve, peer, dial):
    handler = RecordingHandler()
    engine = serve(handler, UDP, "tcp://127.0.0.1:0")
    client = peer(engine)
    client.send(b"a")
    first = handler.wait_for("on_traffic").conn.id
    dial(engine, 1)
    stream = handler.wait_for("on_open").conn.id
    client.send(b"b")
    assert len({first, stream, handler.wait_for("on_traffic", 2).conn.id}) == 3


def test_ways_of_reading(serve, peer):
    seen = []

    def on_traffic(conn):
        room = bytearray(2)
        with pytest.raises(ShortBufferError):
            conn.peek(11)
        seen.append(bytes(conn.peek(3)))
        seen.append(conn.read(1))
        seen.append((conn.read_into(room), bytes(room)))
        seen.append(bytes(conn.next(2)))
        seen.append((conn.discard(1), conn.inbound_buffered))
        file = io.BytesIO()
        seen.append((conn.write_to(file), file.getvalue()))
        seen.append((conn.read(), bytes(conn.peek()), conn.discard(5)))
        conn.write(b"done")

    client = peer(serve(RecordingHandler(on_traffic=on_traffic), UDP))
    assert client.ask(b"0123456789") == b"done"
    assert seen == [b"012", b"0", (2, b"12"), b"34", (1, 4), (4, b"6789"), (b"", b"", 0)]


def test_views_and_unread_bytes_are_gone_after_the_callback(serve, peer):
    views = []

    def on_traffic(conn):
        views.append(conn.peek())
        views.append(conn.next(2))
        conn.write(views[0])

    handler = RecordingHandler(on_traffic=on_traffic)
    client = peer(serve(handler, UDP))
    assert client.ask(b"left unread") == b"left unread"
    conn = handler.wait_for("on_traffic").conn
    settled(conn)
    assert (conn.inbound_buffered, conn.read()) == (0, b"")
    for view in views:
        with pytest.raises(ValueError, match="released"):
            view[0]


def test_ways_of_writing(serve, peer, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(b"from a file")

    def on_traffic(conn):
        mutable = bytearray(b"mutable")
        assert conn.write(mutable) == 7
        mutable[:] = b"changed"
        assert conn.writev([b"gath", b"", bytearray(b"ered")]) == 8
        assert conn.writev([b""]) == conn.writev([]) == 0
        with path.open("rb") as file:
            assert conn.read_from(file) == 11
        assert conn.outbound_buffered == 7 + 8 + 11
        conn.flush()
        assert conn.outbound_buffered == 0
        conn.write(memoryview(b"last").cast("H"))

    client = peer(serve(RecordingHandler(on_traffic=on_traffic), UDP))
    client.send(b"go")
    assert [client.receive() for _ in range(5)] == [b"mutable", b"gathered", b"", b"from a file", b"last"]


@pytest.mark.parametrize("form", [UDP, "udp://:0"])
def test_send_to_others(serve, peer, form):
    def on_traffic(conn):
        assert conn.send_to(b"for " + conn.peek(), Address.parse(str(conn.read(), "ascii"))) > 4

    engine = serve(RecordingHandler(on_traffic=on_traffic), form)
    one, other = peer(engine), peer(engine)
    text = str(other.address).encode()
    one.send(text)
    assert other.receive() == b"for " + text


def test_send_to_needs_an_address_that_can_be_reached(serve, peer):
    def on_traffic(conn):
        for bad, expected in (
            ("udp://localhost:1", ValueError),
            ("tcp://127.0.0.1:1", ValueError),
            ("udp://[::1]:1", UnsupportedOperationError),
        ):
            with pytest.raises(expected):
                conn.send_to(b"x", Address.parse(bad))
        conn.write(b"refused")

    assert peer(serve(RecordingHandler(on_traffic=on_traffic), UDP)).ask(b"") == b"refused"


def test_what_takes_more_than_a_datagram_says_so(serve, peer):
    calls = {
        "shutdown_write": (),
        "sendfile": (io.BytesIO(b"x"),),
        "pause_reading": (),
        "resume_reading": (),
        "set_deadline": (1,),
        "set_read_deadline": (1,),
        "set_write_deadline": (1,),
        "set_no_delay": (True,),
        "set_keep_alive": (False,),
    }

    def on_traffic(conn):
        for name, arguments in calls.items():
            with pytest.raises(UnsupportedOperationError, match=f"{name} needs a .*and this"):
                getattr(conn, name)(*arguments)
        conn.write(b"all refused")

    assert peer(serve(RecordingHandler(on_traffic=on_traffic), UDP)).ask(b"") == b"all refused"


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
    owner.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
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
                os.close(conn.dup())
                conn.set_read_buffer(1 << 18)
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
