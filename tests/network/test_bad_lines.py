"""A line that loses, delays, doubles, changes and overtakes: every byte of a stream comes once, in order."""

from __future__ import annotations

import socket
import threading

import pytest

from netcore import Action, CloseReason, Timeout
from netcore.testing import RecordingHandler

FAULTS = {
    "late": {"delay": 0.01},
    "lossy": {"loss": 0.03},
    "overtaken": {"reorder": 0.2},
    "doubled": {"duplicate": 0.3},
    "garbled": {"corrupt": 0.03},
    "everything": {"delay": 0.002, "loss": 0.01, "reorder": 0.1, "duplicate": 0.1, "corrupt": 0.01},
}


def echo(conn):
    conn.write(conn.read())


def pattern(size):
    return bytes(i * 7 % 251 for i in range(size))


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_every_byte_comes_once_and_in_order(near, far, line, receive, faults):
    line.shape(**faults)
    handler = RecordingHandler(on_traffic=echo)
    sock = far(near(handler))
    data = pattern(60_000)
    sock.sendall(data)
    assert receive(sock, len(data)) == data
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
    assert handler.wait_for("on_close").detail is None


def test_every_byte_comes_though_one_in_thirty_packets_is_dropped_by_the_router(near, far, line, receive):
    line.rules("numgen random mod 30 0 drop")
    sock = far(near(RecordingHandler(on_traffic=echo)))
    data = pattern(60_000)
    sock.sendall(data)
    assert receive(sock, len(data)) == data


def test_several_loops_and_connections_share_a_bad_line(near, far, line, receive):
    line.shape(**FAULTS["everything"])
    engine = near(RecordingHandler(on_traffic=echo), num_event_loops=2)
    clients = [far(engine) for _ in range(6)]
    pieces = [bytes([number]) * 20_000 for number in range(6)]
    for sock, piece in zip(clients, pieces, strict=True):
        sock.sendall(piece)
    for sock, piece in zip(clients, pieces, strict=True):
        assert receive(sock, len(piece)) == piece


def test_a_narrow_line_presses_back_and_loses_nothing(near, far, line, receive):
    """What is above the rate is dropped, as who sells a line does: TCP slows down, and the sender must."""
    line.rules("meta l4proto tcp ip daddr 10.77.2.1 limit rate over 2 mbytes/second burst 64 kbytes drop")
    piece, pieces = pattern(16_384), 60
    left, most = [pieces], [0]

    def fill(conn):
        while left[0] and conn.writable:
            left[0] -= 1
            conn.write(piece)
            most[0] = max(most[0], conn.outbound_buffered)
        if not left[0]:
            conn.shutdown_write()

    handler = RecordingHandler(on_open=fill, on_writable=fill)
    sock = far(near(handler, high_water=65_536, low_water=16_384, socket_send_buffer=32_768))
    assert receive(sock, len(piece) * pieces + 1) == piece * pieces
    assert most[0] <= 65_536 + len(piece)
    assert handler.names().count("on_writable") > 1


@pytest.mark.parametrize("size", [576, 1280])
def test_packets_that_are_too_large_are_made_smaller(near, far, line, receive, size):
    """The router says so (ICMP, fragmentation needed), the kernel follows, nobody else notices."""
    handler = RecordingHandler(on_traffic=echo)
    sock = far(near(handler))
    line.mtu(size)
    data = pattern(200_000)
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    assert receive(sock, len(data)) == data
    sender.join()
    assert "on_close" not in handler.names()


def test_a_router_that_drops_what_is_too_large_without_a_word_is_noticed_by_a_deadline(near, far, line):
    line.rules(answering=False)
    kinds = []
    handler = RecordingHandler(
        on_open=lambda conn: conn.set_write_deadline(0.3),
        on_timeout=lambda conn, kind: kinds.append(kind) or Action.CLOSE,
    )
    engine = near(handler, close_timeout=0.2)
    far(engine)
    conn = handler.wait_for("on_open").conn
    line.mtu(576)
    conn.async_write(bytes(8 << 20))
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)
    assert (kinds, conn.close_reason) == ([Timeout.WRITE], CloseReason.TIMEOUT)


def test_a_link_local_address_keeps_its_scope(near, line, receive):
    handler = RecordingHandler(on_traffic=echo)
    (bound,) = near(handler, "tcp://[fe80::1%veth0]:0").addresses
    assert (bound.host, bound.zone) == ("fe80::1", "veth0")
    with line.router.inside():
        scope = socket.if_nametoindex("veth0")
        sock = socket.socket(socket.AF_INET6)
        sock.settimeout(30)
        sock.connect((bound.host, bound.port, 0, scope))
    with sock:
        sock.sendall(b"x")
        assert receive(sock, 1) == b"x"
        conn = handler.wait_for("on_open").conn
        with line.near.inside():
            assert (conn.remote_address.host, conn.remote_address.zone) == ("fe80::2", "veth0")
            assert (conn.local_address.host, conn.local_address.zone) == ("fe80::1", "veth0")
