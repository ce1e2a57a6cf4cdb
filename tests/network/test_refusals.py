"""Routers that answer instead of passing on: resets and ICMP errors, for dials and in midst of streams."""

from __future__ import annotations

import errno
import socket
import threading
import time

import pytest

from netcore import Action, Client, CloseReason
from netcore.testing import RecordingHandler

NOWHERE = "tcp://10.77.2.1:9"
TO_FAR = "ip daddr 10.77.2.1"
SOFT = ["net-unreachable", "host-unreachable", "host-prohibited", "admin-prohibited", "port-unreachable"]


@pytest.fixture
def client(line, backend):
    """Makes clients at the near end."""
    clients = []

    def make(handler, **options):
        with line.near.inside():
            clients.append(Client(handler, **{**backend, **options}))
            clients[-1].start()
        return clients[-1]

    yield make
    for client in clients:
        assert client.stop(30)


def test_a_dial_into_a_black_hole_ends_with_its_time(client, line):
    handler = RecordingHandler()
    line.cut()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        client(handler).dial(NOWHERE, timeout=0.3)
    assert time.monotonic() - begun >= 0.3
    assert "on_open" not in handler.names()


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ("reject with tcp reset", {errno.ECONNREFUSED}),
        ("reject with icmp port-unreachable", {errno.ECONNREFUSED}),
        ("reject with icmp host-unreachable", {errno.EHOSTUNREACH}),
        ("reject with icmp net-unreachable", {errno.ENETUNREACH}),
        ("reject with icmp admin-prohibited", {errno.EHOSTUNREACH}),
    ],
)
def test_a_dial_that_is_refused_says_why_at_once(client, line, rule, numbers):
    line.rules(f"meta l4proto tcp {TO_FAR} {rule}")
    handler = RecordingHandler()
    with pytest.raises(OSError) as raised:
        client(handler).dial(NOWHERE, timeout=30)
    assert raised.value.errno in numbers
    assert "on_open" not in handler.names()


def test_a_dial_without_any_network(client, line):
    made = client(RecordingHandler())
    line.unplug()
    with pytest.raises(OSError) as raised:
        made.dial(NOWHERE, timeout=30)
    assert raised.value.errno == errno.ENETUNREACH


def test_a_dial_that_loses_its_first_packets_arrives(client, line, far, receive):
    listener = far()
    line.cut()
    made = client(RecordingHandler())
    healer = threading.Timer(0.2, line.heal)
    healer.start()
    conn = made.dial(f"tcp://10.77.2.1:{listener.getsockname()[1]}", timeout=30)
    healer.join()
    peer, _ = listener.accept()
    with peer:
        conn.async_write(b"late, but here")
        assert receive(peer, 14) == b"late, but here"


def test_a_reset_in_the_midst_ends_the_connection_with_it(near, far, line):
    handler = RecordingHandler()
    far(near(handler))
    conn = handler.wait_for("on_open").conn
    line.rules(f"meta l4proto tcp {TO_FAR} reject with tcp reset")
    conn.async_write(b"hello")
    assert isinstance(handler.wait_for("on_close").detail, ConnectionResetError)
    assert conn.close_reason is CloseReason.ERROR


@pytest.mark.parametrize("error", SOFT)
def test_an_icmp_error_in_the_midst_of_a_stream_is_survived(near, far, line, receive, error):
    """To an established TCP connection no ICMP error is the end (RFC 1122, 4.2.3.9; RFC 5461)."""
    handler = RecordingHandler()
    sock = far(near(handler))
    conn = handler.wait_for("on_open").conn
    line.rules(f"meta l4proto tcp {TO_FAR} reject with icmp {error}")
    conn.async_write(b"over and over")
    time.sleep(0.1)  # nothing tells that nothing happens
    assert handler.names(conn) == ["on_open"]
    line.heal()
    assert receive(sock, 13) == b"over and over"


def test_refused_connections_are_no_matter_for_their_neighbours(near, far, line, receive):
    """Those of one port are reset by the router while they are served; another's go on."""
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = near(handler, num_event_loops=2)
    doomed, other = [far(engine) for _ in range(5)], far(engine)
    ports = ", ".join(str(sock.getsockname()[1]) for sock in doomed)
    line.rules(f"tcp dport {{ {ports} }} reject with tcp reset")
    for sock in doomed:
        sock.sendall(b"x" * 1000)
    other.sendall(b"y" * 100_000)
    assert receive(other, 100_000) == b"y" * 100_000
    handler.wait_for("on_close", 5)
    assert {type(error) for error in handler.details("on_close")} <= {ConnectionResetError, BrokenPipeError}


def test_dialled_datagrams_are_told_of_refusals_and_go_on(client, far, line):
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    peer = far(kind=socket.SOCK_DGRAM)
    conn = client(handler).dial(f"udp://10.77.2.1:{peer.getsockname()[1]}")
    wanted = [("port-unreachable", errno.ECONNREFUSED), ("admin-prohibited", errno.EHOSTUNREACH)]
    for count, (error, number) in enumerate(wanted, 1):
        line.rules(f"meta l4proto udp {TO_FAR} reject with icmp {error}")
        conn.async_write(b"anybody?")
        assert handler.wait_for("on_error", count).detail.errno == number
    line.heal()
    conn.async_write(b"and now?")
    data, sender = peer.recvfrom(100)
    assert data == b"and now?"
    peer.sendto(b"yes", sender)
    handler.wait_for("on_traffic")
    assert handler.received() == b"yes"
