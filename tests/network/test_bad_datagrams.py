"""Datagrams over a bad line: what comes is whole, what does not come is nobody's end."""

from __future__ import annotations

import errno
import socket
import time

import pytest

from netcore import Action, Client, Timeout
from netcore.testing import RecordingHandler

FAULTS = {
    "lossy": {"loss": 0.1},
    "overtaken": {"reorder": 0.3},
    "doubled": {"duplicate": 0.3},
    "garbled": {"corrupt": 0.2},
    "everything": {"delay": 0.002, "loss": 0.05, "reorder": 0.1, "duplicate": 0.1, "corrupt": 0.05},
}
UDP = "udp://10.77.1.1:0"
COUNT = 100


def echo(conn):
    conn.write(conn.read())


def questions():
    return [f"{number} ".encode() * 20 for number in range(COUNT)]


@pytest.fixture
def dialled(line, backend, far):
    """Dials from the near end a socket at the far one; returns both and the connection."""
    clients = []

    def make(handler, **options):
        peer = far(kind=socket.SOCK_DGRAM)
        with line.near.inside():
            clients.append(Client(handler, **{**backend, **options}))
            clients[-1].start()
        return peer, clients[-1].dial(f"udp://10.77.2.1:{peer.getsockname()[1]}")

    yield make
    for client in clients:
        assert client.stop(30)


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_a_server_answers_what_arrives_and_nothing_else(near, far, line, faults):
    handler = RecordingHandler(on_traffic=echo)
    sock = far(near(handler, UDP), socket.SOCK_DGRAM)
    line.shape(**faults)
    asked = questions()
    for data in asked:
        sock.send(data)
    line.heal()
    sock.send(b"the last one")
    came = []
    while not came or came[-1] != b"the last one":
        came.append(sock.recv(2000))
    assert set(came[:-1]) <= set(asked)
    if not faults.get("duplicate"):
        assert len(set(came)) == len(came)
    if not faults.keys() & {"loss", "corrupt"}:
        assert set(came[:-1]) == set(asked)
    assert not {"on_error", "on_close"} & set(handler.names())


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_a_dialled_connection_takes_what_arrives_and_nothing_else(dialled, line, faults):
    handler = RecordingHandler()
    peer, conn = dialled(handler)
    conn.async_write(b"hello")
    _, sender = peer.recvfrom(100)
    line.shape(**faults)
    asked = questions()
    for data in asked:
        peer.sendto(data, sender)
    line.heal()
    end = time.monotonic() + 30
    while b"the last one" not in handler.details("on_traffic"):
        assert time.monotonic() < end
        peer.sendto(b"the last one", sender)
        time.sleep(0.01)
    came = [data for data in handler.details("on_traffic") if data != b"the last one"]
    assert set(came) <= set(asked)
    if not faults.keys() & {"loss", "corrupt"}:
        assert set(came) == set(asked)
    assert handler.names()[-1] != "on_close"


def test_datagrams_that_are_too_large_for_the_way_arrive_in_parts(dialled, line):
    """The first are lost, as the router says (ICMP, fragmentation needed); then the kernel divides them."""
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    peer, conn = dialled(handler)
    line.mtu(576)
    peer.settimeout(0.05)
    large = bytes(range(256)) * 5
    for _ in range(100):
        conn.async_write(large)
        try:
            data = peer.recv(2000)
        except TimeoutError:
            continue
        assert data == large
        break
    else:
        pytest.fail("none has come")
    assert not conn.closed


@pytest.mark.parametrize("how", ["cut", "lose_the_way", "unplug"])
def test_a_dialled_connection_survives_a_line_that_is_cut(dialled, line, how):
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    peer, conn = dialled(handler)
    getattr(line, how)()
    for _ in range(3):
        conn.async_write(b"into nothing")
    if how == "unplug":
        assert handler.wait_for("on_error").detail.errno == errno.ENETUNREACH
    line.heal()
    end = time.monotonic() + 30
    peer.settimeout(0.05)
    data = b""
    while data != b"and back":
        assert time.monotonic() < end
        conn.async_write(b"and back")
        try:
            data = peer.recv(100)
        except TimeoutError:
            continue
    assert "on_close" not in handler.names(conn)


def test_an_idle_deadline_ends_a_dialled_connection_over_a_cut_line(dialled, line):
    handler = RecordingHandler(on_open=lambda conn: conn.set_read_deadline(0.2))
    _, conn = dialled(handler)
    line.cut()
    conn.async_write(b"anybody?")
    handler.wait_for("on_close")
    assert handler.details("on_timeout") == [Timeout.READ]


def test_a_server_goes_on_answering_others_while_the_router_refuses_its_answers(near, far, line):
    handler = RecordingHandler(on_traffic=echo)
    engine = near(handler, UDP)
    refused, other = far(engine, socket.SOCK_DGRAM), far(engine, socket.SOCK_DGRAM)
    line.rules(f"udp dport {refused.getsockname()[1]} reject with icmp port-unreachable")
    for number in range(20):
        refused.send(b"for nothing")
        other.send(b"%d" % number)
        assert other.recv(100) == b"%d" % number
    assert not {"on_error", "on_close"} & set(handler.names())


@pytest.mark.parametrize("how", ["unplug", "lose_the_way"])
def test_a_server_that_has_no_network_for_a_while_answers_again(near, far, line, how):
    answered = []

    def answer(conn):
        answered.append(conn.read())
        if answered[-1] == b"before":
            getattr(line, how)()
        conn.write(answered[-1])

    handler = RecordingHandler(on_traffic=answer, on_error=lambda conn, error: Action.NONE)
    sock = far(near(handler, UDP), socket.SOCK_DGRAM)
    sock.send(b"before")
    handler.wait_for("on_traffic")
    line.heal()
    sock.settimeout(0.1)
    end = time.monotonic() + 30
    data = b""
    while data != b"after":
        assert time.monotonic() < end
        sock.send(b"after")
        try:
            data = sock.recv(100)
        except TimeoutError:
            continue
