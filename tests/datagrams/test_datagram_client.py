"""Datagram connections with a life of their own: dialled and enrolled."""

from __future__ import annotations

import errno
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
    Timeout,
    UnsupportedOperationError,
)
from netcore.testing import RecordingHandler
from netcore.worker import WorkerPool

UDP = "udp://127.0.0.1:0"


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


@pytest.mark.parametrize("how", ["client", "engine", "loop"])
def test_a_dialled_connection_opens_talks_and_closes_once(serve, client, how):
    server = serve(Echo(), UDP)
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"from on_open") and None)
    address = server.addresses[0]
    if how == "client":
        conn = client(handler).dial(address, context="mine", timeout=30)
    else:
        engine = serve(handler)
        where = engine if how == "engine" else engine.loops[0]
        conn = where.dial(address, "mine").result(30)
    handler.wait_for("on_traffic")
    conn.async_writev([b"two ", bytearray(b"pieces")])
    handler.wait_for("on_traffic", 2)
    assert handler.details("on_traffic") == [b"from on_open", b"two pieces"]
    assert (conn.context, conn.network, conn.remote_address) == (
        "mine",
        "udp",
        Address("udp", "127.0.0.1", address.port),
    )
    assert conn.local_address.network == "udp"
    assert conn.local_address.port
    engine = handler.wait_for("on_open").conn.loop
    assert engine.connection_count == 1
    told = []
    done = threading.Event()
    conn.close(lambda c, error: (told.append(error), done.set()))
    assert done.wait(30)
    assert handler.names(conn) == ["on_open", "on_traffic", "on_traffic", "on_close"]
    assert handler.details("on_close") == [None]
    assert told == [None]
    assert (conn.closed, conn.close_reason, engine.connection_count) == (True, CloseReason.LOCAL, 0)
    assert conn.remote_address.port == address.port
    with pytest.raises(ConnectionClosedError):
        conn.write(b"x")


def test_get_finds_a_dialled_connection(serve, silent):
    engine = serve(RecordingHandler(), UDP)
    conn = engine.dial(silent[1]).result(30)
    assert engine.get(conn.id) is conn
    assert engine.connection_count == 1


def test_dialling_over_ipv6_and_by_name(serve, client, ipv6):
    handler = RecordingHandler()
    made = client(handler)
    six = serve(Echo(), "udp6://[::1]:0").addresses[0]
    named = serve(Echo(), UDP).addresses[0]
    for i, address in enumerate((six, f"udp4://localhost:{named.port}")):
        made.dial(address).async_write(b"hello")
        handler.wait_for("on_traffic", i + 1)
    assert handler.received() == b"hellohello"


def test_zero_length_and_whole_datagrams(serve, client, longest):
    handler = RecordingHandler()
    conn = client(handler).dial(serve(Echo(), UDP).addresses[0])
    datagrams = [b"", os.urandom(longest), b"a", b""]
    for i, data in enumerate(datagrams):
        conn.async_write(data)
        handler.wait_for("on_traffic", i + 1)
    assert handler.details("on_traffic") == datagrams
    assert handler.names().count("on_close") == 0


def test_send_to_another_address(client, silent):
    sock, address = silent
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(30)
        target = Address("udp", *other.getsockname())
        refused = []
        handler = RecordingHandler(on_error=lambda conn, error: refused.append(error) and Action.NONE)
        conn = client(handler).dial(address)
        conn.loop.execute(conn.send_to, b"elsewhere", target)
        conn.async_write(b"to the peer")
        assert sock.recv(100) == b"to the peer"
        if refused:
            assert refused[0].errno == errno.EISCONN  # BSD and macOS
        else:
            assert other.recv(100) == b"elsewhere"


def test_deadlines(client, silent):
    _, address = silent
    handler = RecordingHandler(on_open=lambda conn: conn.set_read_deadline(0.05))
    conn = client(handler).dial(address)
    assert handler.wait_for("on_timeout").detail is Timeout.READ
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)
    assert conn.close_reason is CloseReason.TIMEOUT


def test_the_idle_timeout_applies(client, silent):
    handler = RecordingHandler()
    client(handler, idle_timeout=0.05).dial(silent[1])
    assert handler.wait_for("on_timeout").detail is Timeout.IDLE
    handler.wait_for("on_close")


@pytest.mark.parametrize("edge", [False, True])
def test_pause_and_resume(client, silent, request, edge):
    if edge:
        request.getfixturevalue("edges")
    sock, address = silent
    handler = RecordingHandler(on_open=lambda conn: conn.pause_reading())
    conn = client(handler, edge_triggered=edge).dial(address)
    local = ("127.0.0.1", conn.local_address.port)
    for number in range(5):
        sock.sendto(b"%d" % number, local)
    done = threading.Event()
    conn.loop.execute(conn.loop.schedule, 0.01, done.set)
    assert done.wait(30)
    assert handler.received() == b""
    conn.resume_reading()
    handler.wait_for("on_traffic", 5)
    assert handler.details("on_traffic") == [b"%d" % number for number in range(5)]


def test_what_only_streams_do(client, silent):
    conn = client(RecordingHandler()).dial(silent[1])
    for name, arguments in (("shutdown_write", ()), ("sendfile", (None,)), ("set_no_delay", (True,))):
        with pytest.raises(UnsupportedOperationError, match=f"{name} needs a"):
            getattr(conn, name)(*arguments)


def test_abort_and_shutdown(client, silent):
    handler = RecordingHandler()
    made = client(handler)
    first, second = made.dial(silent[1]), made.dial(silent[1])
    first.abort()
    handler.wait_for("on_close")
    assert first.close_reason is CloseReason.LOCAL
    assert made.stop(30)
    assert second.close_reason is CloseReason.SHUTDOWN
    assert handler.names().count("on_close") == 2


def test_what_is_written_before_the_close_is_sent(client, silent):
    sock, address = silent

    def on_open(conn):
        for number in range(10):
            conn.write(b"%d" % number)
        return Action.CLOSE

    client(RecordingHandler(on_open=on_open)).dial(address)
    assert [sock.recv(10) for _ in range(10)] == [b"%d" % number for number in range(10)]


def test_enrolling_a_connected_socket(client, silent):
    sock, _ = silent
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.connect(sock.getsockname())
    local = ours.getsockname()
    handler = RecordingHandler()
    conn = client(handler).enroll(ours, context=5)
    assert ours.fileno() == -1
    assert (conn.network, conn.context) == ("udp", 5)
    assert conn.local_address == Address("udp", *local)
    assert conn.remote_address == Address("udp", *sock.getsockname())
    sock.sendto(b"hello", local)
    handler.wait_for("on_traffic")
    conn.async_write(b"world")
    assert sock.recv(10) == b"world"


def test_jobs_of_a_worker_pool_in_order(serve, client, peer):
    pool = WorkerPool(max_workers=2)
    order = []

    def on_traffic(conn):
        data = conn.read()
        pool.run_for(
            conn, bytes.upper, data, then=lambda c, result, error: (order.append(result), c.write(result))
        )

    handler = RecordingHandler(on_traffic=on_traffic)
    server = serve(handler, UDP)
    one = peer(server)
    assert one.ask(b"served by a worker") == b"SERVED BY A WORKER"
    answers = RecordingHandler()
    conn = client(answers).dial(server.addresses[0])
    for number in range(20):
        conn.async_write(b"j%d" % number)
        answers.wait_for("on_traffic", number + 1)
    assert answers.details("on_traffic") == [b"J%d" % number for number in range(20)]
    pool.shutdown()


def test_a_proxy(serve, peer):
    """Datagrams go through an engine that is server and client at once, and come back to their senders."""
    server = serve(Echo(), UDP).addresses[0]
    upstream = {}

    def on_traffic(conn):
        if conn.context is not None:  # from the server: back to whose connection it is
            conn.context.write(conn.read())
            return
        sender = conn.remote_address
        if sender in upstream:
            upstream[sender].write(conn.read())
            return
        data = conn.read()
        dialled = conn.loop.dial(server, context=conn)
        dialled.add_done_callback(lambda future: future.result().async_write(data))
        upstream[sender] = _Later(dialled)

    proxy = serve(RecordingHandler(on_traffic=on_traffic), UDP)
    peers = [peer(proxy) for _ in range(3)]
    for turn in range(3):
        for number, one in enumerate(peers):
            data = b"%d of %d" % (turn, number)
            assert one.ask(data) == data


class _Later:
    """Writes to a connection that is being dialled."""

    def __init__(self, future) -> None:
        self._future = future

    def write(self, data: bytes) -> None:
        self._future.result(0).async_write(data)
