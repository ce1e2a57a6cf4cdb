"""A server on every interface: where a datagram came to, and that its answers come from there."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from netcore import Address, Engine, GivenListener
from netcore._platform import FACTS, HERE
from netcore.sockets import (
    NativeSockets,
    PureSockets,
    destination_of,
    pack_name,
    unpack_name,
    with_destination,
    with_destination_of,
)
from netcore.sockets.destinations import from_ancillary, to_ancillary
from netcore.testing import RecordingHandler
from netcore.testing.conformance.wires import has_ipv6

linux = pytest.mark.skipif(HERE.name != "Linux", reason="only Linux has all of 127/8")
ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
HOSTS = ["127.0.0.1", "127.0.0.2", "127.1.2.3", pytest.param("::1", marks=ipv6)]


@pytest.fixture
def ask():
    """Asks a server at one of its addresses; only answers from there are seen."""
    made = []

    def make(engine, host, data=b"hi"):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        made.append(sock)
        sock.settimeout(30)
        sock.connect((host, engine.addresses[0].port))
        sock.send(data)
        return sock

    yield make
    for sock in made:
        sock.close()


def answers(sock, count=1):
    return [sock.recv(100) for _ in range(count)]


@linux
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("loops", [1, 2])
@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_the_answer_comes_from_there(serve, ask, host, loops, edge):
    seen = []

    def on_traffic(conn):
        seen.append(conn.local_address)
        conn.write(conn.read())

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, "udp://:0", num_event_loops=loops, reuse_port=loops > 1, edge_triggered=edge)
    for _ in range(4):
        assert answers(ask(engine, host)) == [b"hi"]
    assert set(seen) == {Address("udp", host, engine.addresses[0].port)}


@linux
@pytest.mark.parametrize("source", ["udp4://:0", "udp://0.0.0.0:0", "given"])
def test_servers_of_ipv4_and_given_ones(ask, source):
    if source == "given":
        bound = socket.socket(type=socket.SOCK_DGRAM)
        bound.bind(("", 0))
        source = GivenListener(bound.detach())
    with Engine(RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None), source) as engine:
        assert answers(ask(engine, "127.0.0.2")) == [b"hi"]
        assert answers(ask(engine, "127.0.0.1")) == [b"hi"]


@linux
@pytest.mark.parametrize("how", ["write", "writev", "send_to", "async_write", "later", "wake", "many"])
def test_every_way_of_answering(serve, ask, how):
    def answer(conn):
        data = conn.read()
        if how == "writev":
            conn.writev([data[:1], data[1:]])
        elif how == "send_to":
            conn.send_to(data, conn.remote_address)
        elif how == "async_write":
            conn.async_write(data)
        elif how == "later":
            conn.loop.schedule(0.01, conn.write, data)
        elif how == "wake" and data:
            conn.wake()
        elif how == "many":
            for _ in range(100):
                conn.write(data)
        else:
            conn.write(data or b"hi")

    engine = serve(RecordingHandler(on_traffic=answer), "udp://:0")
    socks = [ask(engine, host) for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3")]
    for sock in socks:
        assert answers(sock, 100 if how == "many" else 1) == [b"hi"] * (100 if how == "many" else 1)


@linux
def test_what_goes_to_somebody_else_comes_from_there_too(serve, ask):
    peers = []

    def on_traffic(conn):
        peers.append(conn.remote_address)
        if conn.read() == b"all":
            for peer in peers:
                conn.send_to(b"news", peer)

    engine = serve(RecordingHandler(on_traffic=on_traffic), "udp://:0")
    first = ask(engine, "127.0.0.2")
    second = ask(engine, "127.0.0.2", b"all")
    assert answers(second) == [b"news"]
    assert answers(first) == [b"news"]


@linux
def test_where_there_is_no_way_from_the_address_another_is_taken(serve, ask):
    """From a loopback address nothing can be sent to other networks; the system's choice can."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no route out of this machine")

    def on_traffic(conn):
        conn.send_to(b"x", "udp://192.0.2.1:9")
        conn.write(b"sent")

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, "udp4://:0")
    assert answers(ask(engine, "127.0.0.2")) == [b"sent"]
    assert "on_error" not in handler.names()


@pytest.mark.skipif(os.name == "nt", reason="Python sends no control messages on Windows")
@pytest.mark.parametrize("sockets", [PureSockets, pytest.param(NativeSockets, marks=pytest.mark.native)])
@pytest.mark.parametrize(
    ("host", "nobody"), [("127.0.0.1", "203.0.113.9"), pytest.param("::1", "2001:db8::9", marks=ipv6)]
)
def test_where_the_address_is_nobody_s_any_more_another_is_taken(sockets, host, nobody):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer, socket.socket(family, socket.SOCK_DGRAM) as server:
        peer.bind((host, 0))
        peer.settimeout(30)
        made = sockets()
        fd = server.detach()
        made.attach(fd)
        name = with_destination(pack_name(family, peer.getsockname()), socket.inet_pton(family, nobody))
        try:
            assert not list(made.send_datagrams(fd, [b"1", b"2"], [name, name]))
            assert answers(peer, 2) == [b"1", b"2"]
        finally:
            made.close([fd])


def test_a_fixed_address_is_not_asked(serve, ask):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, "udp://127.0.0.1:0")
    assert answers(ask(engine, "127.0.0.1")) == [b"hi"]
    conn = next(event.conn for event in handler.events if event.name == "on_traffic")
    assert conn.local_address == Address("udp", "127.0.0.1", engine.addresses[0].port)
    assert len(conn._name) == 7


IPV4 = pack_name(socket.AF_INET, ("192.0.2.7", 4000))
IPV6 = pack_name(socket.AF_INET6, ("2001:db8::7", 4000, 0, 0))
MAPPED = bytes(10) + b"\xff\xff"


def raw6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def info6(text, index):
    return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, raw6(text) + struct.pack("I", index))]


def info4(spec, destination):
    packed = struct.pack("I", 3) + socket.inet_aton(spec) + socket.inet_aton(destination)
    return [(socket.IPPROTO_IP, 8, packed)]


@linux
@pytest.mark.parametrize(
    ("name", "told", "address", "scope"),
    [
        (IPV4, info4("192.0.2.1", "192.0.2.1"), "udp://192.0.2.1:9", 0),
        (IPV4, info4("192.0.2.1", "192.0.2.255"), "udp://192.0.2.1:9", 0),  # a broadcast
        (IPV4, info4("192.0.2.1", "239.1.2.3"), "udp://192.0.2.1:9", 0),  # a group's
        (IPV4, info4("0.0.0.0", "255.255.255.255"), None, 0),
        (IPV6, info6("2001:db8::1", 7), "udp://[2001:db8::1]:9", 0),
        (IPV6, info6("ff02::1", 7), None, 7),  # by that interface, from the system's choice
        (IPV6, info6("::ffff:192.0.2.1", 7), "udp://192.0.2.1:9", 0),
        (IPV6, info6("::ffff:239.1.2.3", 7), None, 0),
        (IPV6, info6("::ffff:192.0.2.255", 7) + info4("192.0.2.1", "192.0.2.255"), "udp://192.0.2.1:9", 0),
    ],
)
def test_what_the_system_tells_and_is_told(name, told, address, scope):
    known = from_ancillary(name, told, FACTS)
    destination = destination_of(known, 9)
    assert destination == (None if address is None else Address.parse(address))
    assert unpack_name(known, "udp") == unpack_name(name, "udp")
    back = to_ancillary(known, FACTS)
    if address is None and not scope:
        assert back == []
    elif name == IPV4:
        packed = struct.pack("I", 0) + socket.inet_aton("192.0.2.1") + bytes(4)
        assert back == [(socket.IPPROTO_IP, 8, packed)]
    else:
        ((_, kind, data),) = back
        assert kind == socket.IPV6_PKTINFO
        assert struct.unpack("I", data[16:])[0] == scope


def test_a_link_local_address_keeps_its_interface():
    known = with_destination(IPV6, raw6("fe80::1"), 3)
    destination = destination_of(known, 9)
    assert (destination.host, destination.port, bool(destination.zone)) == ("fe80::1", 9, True)


def test_names_without_and_of_another_family():
    assert destination_of(IPV4, 9) is None
    assert destination_of(b"\0", 9) is None
    assert from_ancillary(b"\0", [], FACTS) == b"\0"
    assert to_ancillary(IPV4, FACTS) == to_ancillary(b"\0", FACTS) == []
    known = with_destination(IPV4, b"\x7f\0\0\2")
    assert with_destination_of(IPV4, known) == known
    assert with_destination_of(IPV6, known) == IPV6
    assert with_destination_of(IPV4, IPV4) == IPV4
    assert from_ancillary(IPV4, [(socket.SOL_SOCKET, 1, b"x")], FACTS) == IPV4
