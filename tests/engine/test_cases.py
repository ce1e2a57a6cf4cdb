"""Single cases of serving that programs run into, over the kernel."""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from netcore import (
    Action,
    CloseReason,
    ConnectionClosedError,
    Engine,
    EventHandler,
    UnsupportedOperationError,
)
from netcore._machine import REAL
from netcore._platform import FACTS
from netcore.testing import RecordingHandler


def echo(conn):
    conn.write(conn.read())


# Waking.


def test_wakes_from_another_thread_each_run_on_traffic(serve, dial, receive):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"tick") and None)
    sock = dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    called = []
    for i in range(100):
        conn.wake(lambda c, error, i=i: called.append((i, c, error)))
    assert receive(sock, 400) == b"tick" * 100
    conn.close()
    handler.wait_for("on_close")
    assert called == [(i, conn, None) for i in range(100)]


def test_a_wake_that_closes_ends_those_behind_it(serve, dial):
    handler = RecordingHandler(on_traffic=lambda conn: Action.CLOSE)
    dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    errors, done = [], threading.Event()

    def wake_thrice():
        for _ in range(3):
            conn.wake(lambda c, error: errors.append(type(error)))
        conn.loop.execute(done.set)

    conn.loop.execute(wake_thrice)
    assert done.wait(30)
    assert errors == [type(None), ConnectionClosedError, ConnectionClosedError]
    handler.wait_for("on_close")
    assert handler.names(conn) == ["on_open", "on_traffic", "on_close"]


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
@pytest.mark.parametrize("where", ["loop", "elsewhere"])
def test_asynchronous_calls_of_one_thread_keep_their_order_up_to_the_close(serve, dial, where, scheme):
    calls, done = [], threading.Event()

    def ask(conn):
        conn.async_write(b"one ", lambda c, error: calls.append(("one", error)))
        conn.wake(lambda c, error: calls.append(("wake", error)))
        conn.async_writev([b"t", b"wo"], lambda c, error: calls.append(("two", error)))
        conn.close(lambda c, error: (calls.append(("close", error)), done.set()))

    handler = RecordingHandler(on_traffic=lambda conn: conns.append((conn, conn.read())))
    conns = []
    engine = serve(handler, f"{scheme}://127.0.0.1:0")
    address = (engine.addresses[0].host, engine.addresses[0].port)
    kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(30)
        sock.connect(address)
        sock.send(b"x")
        handler.wait_for("on_traffic")
        while not conns:
            pass
        conn = conns[0][0]
        conn.loop.execute(ask, conn) if where == "loop" else ask(conn)
        assert done.wait(30)
        assert calls == [("one", None), ("wake", None), ("two", None), ("close", None)]
        assert conn.closed
        received = b""
        while len(received) < 7:
            received += sock.recv(100)
        assert received == b"one two"


def test_a_wake_after_the_peer_has_gone(serve, dial):
    handler = RecordingHandler()
    sock = dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    sock.close()
    handler.wait_for("on_close")
    errors, done = [], threading.Event()
    conn.wake(lambda c, error: (errors.append(error), done.set()))
    assert done.wait(30)
    assert isinstance(errors[0], ConnectionClosedError)
    assert handler.names().count("on_traffic") == 0


# Ends.


@pytest.mark.parametrize(
    "how",
    [
        "action",
        "method",
        pytest.param("abort", marks=pytest.mark.wine("a reset lets through what was sent before it")),
        "exception",
    ],
)
def test_close_on_open(serve, dial, receive, how):
    def on_open(conn):
        conn.write(b"bye")
        if how == "action":
            return Action.CLOSE
        if how == "exception":
            raise LookupError("on purpose")
        conn.close() if how == "method" else conn.abort()
        return None

    handler = RecordingHandler(on_open=on_open)
    engine = serve(handler)
    try:
        sock = dial(engine)
        assert receive(sock, 10) == (b"" if how == "abort" else b"bye")
    except ConnectionResetError:
        assert how == "abort"
    event = handler.wait_for("on_close")
    failed = how == "exception"
    assert event.conn.close_reason is (CloseReason.ERROR if failed else CloseReason.LOCAL)
    assert isinstance(event.detail, LookupError if failed else type(None))
    assert "on_traffic" not in handler.names()


def test_data_and_the_end_in_one_segment(serve, dial, receive):
    """Nothing is lost when bytes and FIN are here together, nor when the handler reads only at the end."""

    def on_eof(conn):
        conn.write(conn.read())
        return Action.CLOSE

    for options_ in ({}, {"edge_triggered": True}, {"edge_triggered_chunk": 1}):
        handler = RecordingHandler(on_traffic=lambda conn: None, on_eof=on_eof)
        sock = dial(serve(handler, **options_))
        data = os.urandom(200_000)
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))  # noqa: B023
        sender.start()
        assert receive(sock, 300_000) == data
        sender.join()


@pytest.mark.parametrize("method", ["async_write", "async_writev"])
def test_asynchronous_writes_to_a_peer_that_has_gone(serve, dial, method):
    handler = RecordingHandler()
    engine = serve(handler)
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    sock.close()
    handler.wait_for("on_close")
    errors, done = [], threading.Event()
    for _ in range(10):
        data = b"late" if method == "async_write" else [b"la", b"te"]
        getattr(conn, method)(data, lambda c, error: errors.append((c, type(error), c.loop.in_loop())))
    conn.loop.execute(done.set)
    assert done.wait(30)
    assert errors == [(conn, ConnectionClosedError, True)] * 10
    assert engine.connection_count == 0


def test_asynchronous_writes_while_the_peer_goes(serve, dial):
    """Each is called back once, with None or an error, whenever the reset is noticed."""
    handler = RecordingHandler()
    engine = serve(handler)
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    called = []
    for i in range(2000):
        conn.async_write(b"x" * 1000, lambda c, error, i=i: called.append((i, error)))
        if i == 500:
            sock.close()
    handler.wait_for("on_close")
    engine.stop()
    assert [i for i, _ in called] == list(range(2000))
    first_error = next((i for i, (_, error) in enumerate(called) if error), 2000)
    assert all(error is None for _, error in called[:first_error])
    assert all(isinstance(error, ConnectionClosedError) for _, error in called[first_error:])


@pytest.mark.parametrize("name", ["on_writable", "on_timeout", "on_error"])
def test_shutdown_from_the_rarer_callbacks(serve, dial, receive, name):
    def on_traffic(conn):
        conn.read()
        if name == "on_writable":
            conn.write(bytes(32 << 20))  # more than the kernel's buffers of both ends take
        elif name == "on_timeout":
            conn.set_deadline(0.001)
        else:
            raise LookupError("on purpose")

    handler = RecordingHandler(on_traffic=on_traffic, **{name: lambda *args: Action.SHUTDOWN})
    engine = serve(handler)
    sock = dial(engine)
    sock.sendall(b"go")
    receive(sock, 32 << 20)
    assert engine.join(30)
    assert handler.names()[-1] == "on_shutdown"
    assert handler.names().count("on_close") == 1


def test_stop_from_many_threads_at_once(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2)
    for _ in range(4):
        dial(engine)
    handler.wait_for("on_open", 4)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(engine.stop(30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
    assert handler.names().count("on_shutdown") == 1
    assert handler.names().count("on_close") == 4


# Bytes in number.


@pytest.mark.parametrize("mode", [{}, {"edge_triggered_chunk": 65536}], ids=["level", "edge"])
def test_a_huge_message_both_ways(serve, dial, receive, mode):
    data = os.urandom(4 << 20)
    handler = RecordingHandler(on_traffic=echo)
    sock = dial(serve(handler, **mode))
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    assert receive(sock, len(data)) == data
    sender.join()


def test_the_buffers_of_a_connection(serve, dial, receive):
    """next, peek, discard and inbound_buffered over several arrivals, some of it left unread."""
    states = []

    def on_traffic(conn):
        here = conn.inbound_buffered
        assert conn.peek() == conn.peek(here)
        assert len(conn.peek(0)) == 0
        states.append(here)
        if here < 10:
            return
        head = bytes(conn.next(2))
        assert conn.discard(3) == 3
        assert conn.inbound_buffered == here - 5
        target = bytearray(2)
        assert conn.read_into(target) == 2
        conn.writev([head, target, conn.read(100)])
        assert conn.inbound_buffered == conn.discard() == 0

    handler = RecordingHandler(on_traffic=on_traffic)
    sock = dial(serve(handler))
    for i, part in enumerate((b"012", b"34567", b"89ab")):
        sock.sendall(part)
        handler.wait_for("on_traffic", i + 1)
    assert receive(sock, 9) == b"01" + b"56" + b"789ab"
    assert states[-1] == 12


# The socket.


def test_bind_to_device(dial, serve, receive):
    if FACTS.bind_to_device is None:
        with pytest.raises(UnsupportedOperationError, match="only Linux"):
            Engine(EventHandler(), "tcp://127.0.0.1:0", bind_to_device="lo").start()
        return
    handler = RecordingHandler(on_traffic=echo)
    try:
        engine = serve(handler, bind_to_device="lo")
    except PermissionError as error:
        pytest.skip(f"the system refuses SO_BINDTODEVICE: {error}")
    sock = dial(engine)
    sock.sendall(b"over lo")
    assert receive(sock, 7) == b"over lo"
    with socket.socket(fileno=handler.wait_for("on_open").conn.dup()) as accepted:
        name = accepted.getsockopt(socket.SOL_SOCKET, FACTS.bind_to_device, 16)
    assert name.rstrip(b"\0") == b"lo"


def test_a_device_that_is_none():
    if FACTS.bind_to_device is None:
        pytest.skip("this platform binds to no device at all")
    with pytest.raises(OSError) as caught:
        Engine(EventHandler(), "tcp://127.0.0.1:0", bind_to_device="nowhere0").start()
    assert caught.value.errno in (errno.ENODEV, errno.EPERM)
    assert "tcp://127.0.0.1:0" in str(caught.value)


def test_a_platform_without_devices_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(REAL, "facts", replace(FACTS, bind_to_device=None))
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0", bind_to_device="lo")
    with pytest.raises(UnsupportedOperationError, match="SO_BINDTODEVICE, which only Linux has"):
        engine.start()
    assert engine.stop()


def link_local():
    """A link-local address of this machine and its interface, or None; see /proc/net/if_inet6 in proc(5)."""
    with suppress(OSError), open("/proc/net/if_inet6") as table:
        for line in table:
            raw, _, _, scope, _, name = line.split()
            if scope == "20":
                return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(raw)), name
    return None


@pytest.mark.posix  # elsewhere names of interfaces are not what a zone is
def test_a_zone_in_an_ipv6_address(serve, receive):
    found = link_local()
    if found is None:
        pytest.skip("this machine has no link-local address")
    host, zone = found
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, f"tcp://[{host}%{zone}]:0")
    (address,) = engine.addresses
    assert str(address) == f"tcp://[{host}%{zone}]:{address.port}"
    with socket.create_connection((f"{host}%{zone}", address.port), timeout=30) as sock:
        sock.sendall(b"x")
        assert receive(sock, 1) == b"x"
        conn = handler.wait_for("on_open").conn
        assert (conn.remote_address.host, conn.remote_address.zone) == (host, zone)
        assert conn.local_address == address
        assert engine.dial(address).result(30).remote_address == address


@pytest.mark.posix  # Windows does not tell
def test_what_is_duplicated_stays_non_blocking(serve, dial, receive, monkeypatch, tmp_path):
    """O_NONBLOCK belongs to the socket, not to the descriptor: losing it would hold the loop in accept(2)."""
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, "tcp://127.0.0.1:0", f"unix://{tmp_path}/x.sock", "udp://127.0.0.1:0")
    for address in engine.addresses:
        copy = engine.dup_listener(address)
        assert not os.get_blocking(copy) and not os.get_inheritable(copy)
        os.close(copy)
    for i in range(2):
        for _ in range(2):  # the second accept(2) of the first turn finds nothing
            sock = dial(engine, i)
            sock.sendall(b"served")
            assert receive(sock, 6) == b"served"
    for event in list(handler.events):
        if event.name == "on_open":
            copy = event.conn.dup()
            assert not os.get_blocking(copy) and not os.get_inheritable(copy)
            os.close(copy)


def test_a_duplicated_descriptor_outlives_the_connection(serve, dial, receive):
    handler = RecordingHandler()
    sock = dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    with socket.socket(fileno=conn.dup()) as copy:
        sock.sendall(b"for the loop")
        handler.wait_for("on_traffic")
        copy.sendall(b"beside the loop")
        assert receive(sock, 15) == b"beside the loop"
    conn.close()
    handler.wait_for("on_close")
    with pytest.raises(ConnectionClosedError):
        conn.dup()


@pytest.mark.unix_sockets
def test_what_each_kind_of_connection_cannot_do_says_which_kind_can(serve, dial, tmp_path):
    seen = []

    def on_traffic(conn):
        with open(__file__, "rb") as file:
            for call in (
                lambda: conn.send_to(b"x", "udp://127.0.0.1:1"),
                lambda: conn.sendfile(file),
                conn.shutdown_write,
                lambda: conn.set_no_delay(True),
                lambda: conn.set_keep_alive(True, 1, 1, 1),
                conn.pause_reading,
                lambda: conn.set_deadline(1),
            ):
                try:
                    call()
                    seen.append("")
                except UnsupportedOperationError as error:
                    seen.append(str(error))

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, "tcp://127.0.0.1:0", f"unix://{tmp_path}/x", "udp://127.0.0.1:0")
    for i in range(3):
        if i < 2:
            dial(engine, i).sendall(b"x")
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", ("127.0.0.1", engine.addresses[2].port))
                handler.wait_for("on_traffic", 3)
        handler.wait_for("on_traffic", i + 1)
    engine.stop()
    tcp, unix, udp = seen[:7], seen[7:14], seen[14:]
    assert "datagram" in tcp[0] and tcp[1:] == [""] * 6
    assert "datagram" in unix[0] and "TCP" in unix[3] and "TCP" in unix[4]
    assert [bool(text) for text in unix] == [True, False, False, True, True, False, False]
    assert [bool(text) for text in udp] == [False, True, True, True, True, True, True]
    assert all("stream" in text for text in (udp[1], udp[2], udp[5], udp[6]))
    assert "TCP" in udp[3] and "TCP" in udp[4]
