"""The network's own faults: delay, loss, and a line that is cut."""

from __future__ import annotations

import errno
import socket
import time

import pytest

from netcore import Action, Client, CloseReason, Timeout
from netcore.testing import RecordingHandler

ADDRESS = "tcp://10.77.0.1:0"


@pytest.fixture
def far(serve, line):
    """Serves at the near end, and connects from the far one."""
    sockets = []

    def start(handler, address=ADDRESS, **options):
        with line.inside(line.near):
            engine = serve(handler, address, **options)
        bound = engine.addresses[0]

        def connect():
            with line.inside(line.far):
                sockets.append(socket.create_connection((bound.host, bound.port), timeout=30))
            return sockets[-1]

        return engine, connect

    yield start
    for sock in sockets:
        sock.close()


def echo(conn):
    conn.write(conn.read())


def pattern(size):
    return bytes(i * 7 % 251 for i in range(size))


def test_every_byte_arrives_late_but_in_order(far, line, receive):
    line.shape(delay=0.01, loss=0.03)
    _, connect = far(RecordingHandler(on_traffic=echo))
    sock = connect()
    data = pattern(60_000)
    sock.sendall(data)
    assert receive(sock, len(data)) == data


def test_a_line_that_is_cut_for_a_while_loses_nothing(far, line, receive):
    handler = RecordingHandler(on_traffic=echo)
    _, connect = far(handler)
    sock = connect()
    sock.sendall(b"before")
    assert receive(sock, 6) == b"before"
    line.cut()
    data = pattern(30_000)
    sock.sendall(data)
    time.sleep(0.1)
    line.heal()
    assert receive(sock, len(data)) == data
    assert "on_close" not in handler.names()


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.READ, Timeout.WRITE])
def test_deadlines_notice_what_tcp_does_not_for_minutes(far, line, kind):
    def on_open(conn):
        {
            Timeout.IDLE: conn.set_deadline,
            Timeout.READ: conn.set_read_deadline,
            Timeout.WRITE: conn.set_write_deadline,
        }[kind](0.2)

    kinds = []
    handler = RecordingHandler(
        on_open=on_open, on_timeout=lambda conn, timeout: kinds.append(timeout) or Action.CLOSE
    )
    _, connect = far(handler, close_timeout=0.2)
    connect()
    conn = handler.wait_for("on_open").conn
    line.cut()
    conn.async_write(bytes(8 << 20))
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)
    assert kinds == [kind]
    assert conn.close_reason is CloseReason.TIMEOUT


def test_a_close_over_a_cut_line_gives_up_after_close_timeout(far, line):
    handler = RecordingHandler()
    _, connect = far(handler, close_timeout=0.2)
    connect()
    conn = handler.wait_for("on_open").conn
    line.cut()
    conn.async_write(bytes(8 << 20))
    conn.close()
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)


def test_a_stop_over_a_cut_line_is_bounded_by_shutdown_timeout(far, line):
    handler = RecordingHandler()
    engine, connect = far(handler, shutdown_timeout=0.2)
    connect()
    conn = handler.wait_for("on_open").conn
    line.cut()
    conn.async_write(bytes(8 << 20))
    assert engine.stop(30)
    assert handler.names(conn)[-1] == "on_close"


def test_a_dial_over_a_cut_line_times_out(line):
    with line.inside(line.near), Client(RecordingHandler()) as client:
        line.cut()
        with pytest.raises(TimeoutError):
            client.dial("tcp://10.77.0.2:9", timeout=0.2)


def test_keep_alive_finds_a_peer_that_is_gone(far, line):
    handler = RecordingHandler()
    _, connect = far(handler, tcp_keep_alive=1, tcp_keep_interval=1, tcp_keep_count=1)
    connect()
    handler.wait_for("on_open")
    line.cut()
    error = handler.wait_for("on_close").detail
    assert error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH)


def test_a_link_local_address_keeps_its_scope(far, line, receive):
    handler = RecordingHandler(on_traffic=echo)
    address = f"tcp://[fe80::1%{line.device}]:0"
    engine, _ = far(handler, address)
    (bound,) = engine.addresses
    assert (bound.host, bound.zone) == ("fe80::1", line.device)
    with line.inside(line.far):
        scope = socket.if_nametoindex(line.device)
        sock = socket.socket(socket.AF_INET6)
        sock.settimeout(30)
        sock.connect((bound.host, bound.port, 0, scope))
    with sock:
        sock.sendall(b"x")
        assert receive(sock, 1) == b"x"
        conn = handler.wait_for("on_open").conn
        with line.inside(line.near):
            assert (conn.remote_address.host, conn.remote_address.zone) == ("fe80::2", line.device)
            assert (conn.local_address.host, conn.local_address.zone) == ("fe80::1", line.device)
