"""What goes wrong with a dialled datagram connection, and that it goes on."""

from __future__ import annotations

import errno
import socket

import pytest

from netcore import (
    Action,
    CloseReason,
    EventHandler,
)
from netcore.testing import RecordingHandler

UDP = "udp://127.0.0.1:0"
NO_ICMP = pytest.mark.wine("a datagram socket is not told of ICMP errors", run=False)


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


@NO_ICMP
def test_a_refusal_reaches_on_error_and_the_connection_goes_on(client, nobody):
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    port, address = nobody
    conn = client(handler).dial(address)
    conn.async_write(b"anybody?")
    assert isinstance(handler.wait_for("on_error").detail, ConnectionRefusedError)
    assert not conn.closed
    port.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(("127.0.0.1", conn.remote_address.port))
        late.settimeout(30)
        conn.async_write(b"and now?")
        data, sender = late.recvfrom(100)
        assert data == b"and now?"
        late.sendto(b"yes", sender)
        handler.wait_for("on_traffic")
    assert handler.received() == b"yes"


@NO_ICMP
def test_a_refusal_ends_the_connection_unless_the_handler_says_otherwise(client, nobody):
    handler = RecordingHandler()
    conn = client(handler).dial(nobody[1])
    conn.async_write(b"anybody?")
    handler.wait_for("on_close")
    assert handler.names(conn) == ["on_open", "on_error", "on_close"]
    assert conn.close_reason is CloseReason.LOCAL


@pytest.mark.unasked
def test_a_refusal_in_a_pause_does_not_spin_the_loop(client, nobody):
    handler = RecordingHandler(
        on_error=lambda conn, error: Action.NONE, on_open=lambda conn: conn.pause_reading()
    )
    made = client(handler)
    conn = made.dial(nobody[1])
    conn.async_write(b"anybody?")
    assert isinstance(handler.wait_for("on_error").detail, ConnectionRefusedError)
    assert handler.names().count("on_error") == 1


def test_a_datagram_that_is_too_long_to_send(serve, client):
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    conn = client(handler).dial(serve(Echo(), UDP).addresses[0])
    told = []
    conn.async_write(b"x" * 65508, lambda c, error: told.append(error))
    conn.async_write(b"short")
    error = handler.wait_for("on_error").detail
    assert isinstance(error, OSError)
    assert error.errno == errno.EMSGSIZE
    handler.wait_for("on_traffic")
    assert (handler.received(), told) == (b"short", [None])


def test_a_datagram_that_is_too_long_to_receive(client, silent):
    sock, address = silent
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    conn = client(handler, read_buffer_cap=1024).dial(address)
    local = ("127.0.0.1", conn.local_address.port)
    for size in (1024, 1025, 3):
        sock.sendto(b"x" * size, local)
    handler.wait_for("on_traffic", 2)
    assert [len(data) for data in handler.details("on_traffic")] == [1024, 3]
    (error,) = handler.details("on_error")
    assert error.errno == errno.EMSGSIZE
