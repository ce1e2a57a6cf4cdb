"""A line that is cut, and a peer that is gone: an end with a reason, in a time that somebody has set."""

from __future__ import annotations

import errno
import socket
import threading
import time

import pytest

from netcore import Action, CloseReason, Timeout
from netcore.testing import RecordingHandler

CUTS = ["cut", "unplug", "lose_the_way"]
MUCH = bytes(8 << 20)
TCP_REPAIR = 19


def echo(conn):
    conn.write(conn.read())


def pattern(size):
    return bytes(i * 7 % 251 for i in range(size))


@pytest.mark.parametrize("how", CUTS)
def test_a_line_that_is_cut_for_a_while_loses_nothing(near, far, line, receive, how):
    handler = RecordingHandler(on_traffic=echo)
    sock = far(near(handler))
    sock.sendall(b"before")
    assert receive(sock, 6) == b"before"
    conn = handler.wait_for("on_open").conn
    getattr(line, how)()
    data, more = pattern(30_000), b"while it was cut"
    taken = threading.Event()
    conn.async_write(more, lambda conn, error: taken.set())
    assert taken.wait(30)
    sock.sendall(data)
    time.sleep(0.1)  # nothing tells that nothing happens
    line.heal()
    assert receive(sock, len(more) + len(data)) == more + data
    assert "on_close" not in handler.names()


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.READ, Timeout.WRITE])
def test_deadlines_notice_what_tcp_does_not_for_minutes(near, far, line, kind, how):
    def on_open(conn):
        {
            Timeout.IDLE: conn.set_deadline,
            Timeout.READ: conn.set_read_deadline,
            Timeout.WRITE: conn.set_write_deadline,
        }[kind](0.3)

    kinds = []
    handler = RecordingHandler(
        on_open=on_open, on_timeout=lambda conn, timeout: kinds.append(timeout) or Action.CLOSE
    )
    far(near(handler, close_timeout=0.2))
    conn = handler.wait_for("on_open").conn
    getattr(line, how)()
    conn.async_write(MUCH)
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)
    assert kinds == [kind]
    assert conn.close_reason is CloseReason.TIMEOUT


@pytest.mark.parametrize("how", CUTS)
def test_a_close_over_a_cut_line_gives_up_after_close_timeout(near, far, line, how):
    handler = RecordingHandler()
    far(near(handler, close_timeout=0.2))
    conn = handler.wait_for("on_open").conn
    getattr(line, how)()
    conn.async_write(MUCH)
    conn.close()
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)


@pytest.mark.parametrize("how", CUTS)
def test_a_stop_over_a_cut_line_is_bounded_by_shutdown_timeout(near, far, line, how):
    handler = RecordingHandler()
    engine = near(handler, shutdown_timeout=0.2)
    far(engine)
    conn = handler.wait_for("on_open").conn
    getattr(line, how)()
    conn.async_write(MUCH)
    assert engine.stop(30)
    assert handler.names(conn)[-1] == "on_close"


@pytest.mark.parametrize("how", CUTS)
def test_keep_alive_finds_a_peer_that_is_gone(near, far, line, how):
    handler = RecordingHandler()
    far(near(handler, tcp_keep_alive=1, tcp_keep_interval=1, tcp_keep_count=1))
    conn = handler.wait_for("on_open").conn
    getattr(line, how)()
    error = handler.wait_for("on_close").detail
    assert error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)
    assert conn.close_reason is CloseReason.ERROR


def vanish(sock):
    """Forgets the connection without FIN or RST, as a machine does whose power fails (TCP_REPAIR)."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()


def test_a_peer_that_has_started_again_knows_nothing_of_the_connection(near, far):
    handler = RecordingHandler()
    engine = near(handler)
    sock = far(engine)
    conn = handler.wait_for("on_open").conn
    vanish(sock)
    conn.async_write(b"are you there?")
    assert isinstance(handler.wait_for("on_close").detail, ConnectionResetError)
    assert conn.close_reason is CloseReason.ERROR
    assert engine.connection_count == 0


def test_a_peer_that_vanishes_while_it_is_written_to(near, far):
    handler = RecordingHandler()
    sock = far(near(handler))
    conn = handler.wait_for("on_open").conn
    conn.async_write(MUCH)
    sock.recv(1)
    vanish(sock)
    assert isinstance(handler.wait_for("on_close").detail, ConnectionError)
    assert conn.close_reason is CloseReason.ERROR


def test_peers_that_vanish_cost_nothing_but_themselves(near, far, line, receive):
    handler = RecordingHandler(on_traffic=echo)
    engine = near(handler, idle_timeout=0.3, num_event_loops=2)
    gone = [far(engine) for _ in range(10)]
    handler.wait_for("on_open", 10)
    for sock in gone:
        vanish(sock)
    last = far(engine)
    for _ in range(10):
        last.sendall(b"still here")
        assert receive(last, 10) == b"still here"
        time.sleep(0.05)
    handler.wait_for("on_close", 10)
    assert set(handler.details("on_timeout")[:10]) == {Timeout.IDLE}
