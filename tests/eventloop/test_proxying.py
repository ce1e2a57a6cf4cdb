"""A PROXY header before a connection opens: whose address it has then, and what becomes of those without."""

from __future__ import annotations

import errno

import pytest

from netcore import Address
from netcore.connection import Limits
from netcore.eventloop import Gate, TakeHeader
from netcore.proxy import ProxyError, ProxyHeader, encode

CLIENT, SERVICE = Address("tcp", "198.51.100.23", 40000), Address("tcp", "203.0.113.5", 443)
LINE = b"PROXY TCP4 198.51.100.23 203.0.113.5 40000 443\r\n"
BLOCK = encode(ProxyHeader(CLIENT, SERVICE, tlvs=((0x02, b"example.org"), (0x03, b""))))
PEER = "192.0.2.7"
"""Where the peers of fake sockets are."""


@pytest.fixture
def proxied(world):
    """Makes a world that wants headers, and lets a peer connect."""

    def make(timeout=5.0, **options):
        w = world(phases=lambda name: (TakeHeader(timeout),), **options)
        w.fd = w.sockets.connect(w.LISTENER)
        w.turns(2)
        return w

    return make


def echo(conn):
    conn.write(conn.read())


@pytest.mark.parametrize("header", [LINE, BLOCK], ids=["text", "binary"])
@pytest.mark.parametrize("pieces", ["at once", "each byte"])
def test_the_client_is_who_the_header_says(proxied, header, pieces):
    w = proxied(on_traffic=echo)
    stream = header + b"first"
    for piece in [stream] if pieces == "at once" else [stream[i : i + 1] for i in range(len(stream))]:
        w.sockets.feed(w.fd, piece)
        w.turns()
    conn = w.only()
    assert w.handler.names()[:2] == ["on_open", "on_traffic"]
    assert w.sent(conn) == b"first"
    assert conn.remote_address == CLIENT == conn.proxy.source
    assert conn.proxy.destination == SERVICE
    assert conn.proxy.version == (1 if header == LINE else 2)
    assert [kind for kind, _ in conn.proxy.tlvs] == ([] if header == LINE else [2, 3])
    assert conn.peer_address.host == PEER
    w.feed(conn, b", second")
    assert w.sent(conn) == b"first, second"
    metrics = w.loop.metrics()
    assert (metrics.accepted, metrics.unopened, metrics.proxy_failures) == (1, 0, 0)
    conn.close()
    w.turns(2)
    assert (conn.closed, conn.remote_address, conn.peer_address.host) == (True, CLIENT, PEER)


@pytest.mark.parametrize(
    "header",
    [
        ProxyHeader(None, None, version=1),
        ProxyHeader(None, None),
        ProxyHeader(None, None, local=True, tlvs=((5, b"check"),)),
    ],
    ids=["UNKNOWN", "UNSPEC", "LOCAL"],
)
def test_a_header_that_names_nobody_leaves_the_peer(proxied, header):
    w = proxied()
    w.sockets.feed(w.fd, encode(header))
    w.turns()
    conn = w.only()
    assert conn.proxy == header
    assert conn.remote_address == conn.peer_address
    assert conn.remote_address.host == PEER


def test_without_a_header_they_are_the_same(world):
    conn = world().connect()
    assert conn.proxy is None
    assert conn.peer_address == conn.remote_address
    assert conn.peer_address.host == PEER


BAD = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "a port": LINE.replace(b"40000", b"040000"),
    "no end": b"PROXY UNKNOWN " + b"x" * 1000,
    "the version": BLOCK[:12] + b"\x31" + BLOCK[13:],
    "the length": BLOCK[:14] + b"\x00\x01" + BLOCK[16:],
    "the checksum": BLOCK[:-1] + bytes([BLOCK[-1] ^ 1]),
    "a TLV": BLOCK[:14] + (len(BLOCK) - 17).to_bytes(2, "big") + BLOCK[16:-1],
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_header_ends_it_without_a_callback(proxied, what, caplog):
    w = proxied(shared={"gate": (gate := Gate(1, refuse=False))})
    w.sockets.feed(w.fd, BAD[what])
    w.turns(3)
    assert not w.handler.events
    assert w.sockets.closed == [w.fd]
    assert w.fd not in w.poller.interests
    assert not w.sockets.sent[w.fd]
    assert w.loop.connection_count == 0
    metrics = w.loop.metrics()
    assert (metrics.accepted, metrics.unopened, metrics.proxy_failures, metrics.closed) == (1, 1, 1, 0)
    assert gate.take(9, int) == 1
    assert caplog.text.count("PROXY header") == 1
    assert PEER in caplog.text


def test_one_line_of_log_for_many(proxied, caplog):
    w = proxied()
    for _ in range(40):
        w.sockets.feed(w.sockets.connect(w.LISTENER), b"?")
        w.turns(2)
    assert w.loop.metrics().proxy_failures == 40
    assert caplog.text.count("could not be opened") == 1


@pytest.mark.parametrize("begun", [b"", b"PROXY TC", BLOCK[:-1]], ids=["nothing", "a line", "a block"])
def test_a_late_header(proxied, begun):
    w = proxied(timeout=4.0)
    if begun:
        w.sockets.feed(w.fd, begun)
    w.turns()
    start = w.clock.now
    while w.loop.connection_count:
        w.loop.turn()
    assert w.clock.now - start == 4
    assert (w.handler.events, w.sockets.closed) == ([], [w.fd])
    assert w.loop.metrics().proxy_failures == 1


def test_slow_bytes_do_not_buy_time(proxied):
    w = proxied(timeout=4.0)
    for i in range(len(LINE)):
        w.sockets.feed(w.fd, LINE[i : i + 1])
        w.turns()
        w.clock.advance(0.5)
        w.turns()
        if w.fd in w.sockets.closed:
            break
    assert i < 10
    assert w.loop.metrics().proxy_failures == 1


@pytest.mark.parametrize("end", ["eof", "reset"])
@pytest.mark.parametrize("begun", [b"", LINE[:-1]])
def test_a_peer_that_leaves_without_one(proxied, begun, end):
    w = proxied()
    if begun:
        w.sockets.feed(w.fd, begun)
    if end == "eof":
        w.sockets.feed_eof(w.fd)
    else:
        w.sockets.feed_error(w.fd, errno.ECONNRESET)
    w.turns(3)
    assert (w.handler.events, w.loop.connection_count, w.sockets.closed) == ([], 0, [w.fd])
    assert w.loop.metrics().proxy_failures == 1


def test_what_is_not_the_peers_fault_is_no_failure_of_its(proxied, monkeypatch):
    w = proxied()
    register = w.poller.register

    def refuse(fd, interest):
        if fd == second:
            raise OSError(errno.ENOSPC, "no room")
        register(fd, interest)

    monkeypatch.setattr(w.poller, "register", refuse)
    second = w.sockets.connect(w.LISTENER)
    w.turns(3)
    w.loop.stop(10)
    w.turns()
    assert w.loop.finished
    assert w.sockets.closed == [second, w.LISTENER, w.fd]
    metrics = w.loop.metrics()
    assert (metrics.unopened, metrics.proxy_failures) == (2, 0)
    assert not w.handler.events


def test_edge_triggered(proxied):
    w = proxied(limits=Limits(edge_chunk=1000))
    w.sockets.feed(w.fd, LINE + b"first")
    w.turns()
    w.feed(w.only(), b", second")
    assert w.handler.received() == b"first, second"


def test_a_header_of_the_greatest_length(proxied):
    tlv = (0xE0, bytes(65535 - 12 - 3))
    raw = encode(ProxyHeader(CLIENT, SERVICE, tlvs=(tlv,)))
    w = proxied()
    for at in range(0, len(raw), 10000):
        assert not w.handler.events
        w.sockets.feed(w.fd, raw[at : at + 10000])
        w.turns()
    assert w.only().proxy.tlvs == (tlv,)


def test_many_long_headers_leave_room_for_others_in_each_turn(proxied):
    """Their checksums take long: what a turn takes of phases is bounded, and the rest comes in the next."""
    raw = encode(ProxyHeader(CLIENT, SERVICE, tlvs=((0x03, b""), (0xE0, bytes(60000)))))
    w = proxied(on_traffic=echo)
    w.sockets.feed(w.fd, LINE)
    w.turns()
    neighbour = w.only()
    fds = [w.sockets.connect(w.LISTENER) for _ in range(20)]
    w.turns(2)
    for fd in fds:
        w.sockets.feed(fd, raw)
    opened = []
    for turn in range(20):
        before = w.loop.metrics().bytes_received
        w.feed(neighbour, b"ping")
        assert w.sent(neighbour) == b"ping" * (turn + 1)
        assert w.loop.metrics().bytes_received - before < 200_000
        opened.append(len(w.loop.connections()) - 1)
    assert opened[0] < 5
    assert opened[-1] == len(fds)


def test_many_whose_time_is_over_leave_room_for_others_in_each_turn(proxied):
    """What the kernel holds of them counts, however late; but not all of it in one turn."""
    raw = encode(ProxyHeader(CLIENT, SERVICE, tlvs=((0xE0, bytes(60000)),)))
    w = proxied(on_traffic=echo)
    w.sockets.feed(w.fd, LINE)
    w.turns()
    neighbour = w.only()
    fds = [w.sockets.connect(w.LISTENER) for _ in range(20)]
    idle = [w.sockets.connect(w.LISTENER) for _ in range(20)]
    w.turns(2)
    for fd in fds:
        w.sockets.feed(fd, raw)
    w.clock.advance(6)
    opened = []
    for turn in range(20):
        before = w.loop.metrics().bytes_received
        w.feed(neighbour, b"ping")
        assert w.sent(neighbour) == b"ping" * (turn + 1)
        assert w.loop.metrics().bytes_received - before < 400_000
        opened.append(len(w.loop.connections()) - 1)
    assert 0 < opened[0] < 10
    assert opened[-1] == len(fds)
    assert w.loop.metrics().unopened == len(idle)


# This side as the proxy.

TARGET = Address("tcp", "192.0.2.9", 7)


@pytest.mark.parametrize("version", [1, 2])
def test_a_dial_says_it_first(world, version):
    w = world(on_open=lambda conn: conn.write(b"hello") and None)
    header = ProxyHeader(CLIENT, SERVICE, version=version)
    future = w.loop.dial(TARGET, "mine", proxy=header)
    w.turns()
    fd = w.sockets.dials[0].fd
    w.sockets.finish_connect(fd)
    w.turns(2)
    conn = future.result(0)
    assert w.sockets.sent[fd] == encode(header) + b"hello"
    assert (conn.proxy, conn.remote_address, conn.peer_address, conn.context) == (
        None,
        TARGET,
        TARGET,
        "mine",
    )
    w.feed(conn, b"welcome")
    assert w.handler.received() == b"welcome"


def test_a_kernel_that_takes_only_some_of_it(world):
    w = world(on_open=lambda conn: conn.write(b"hello") and None)
    future = w.loop.dial(TARGET, proxy=ProxyHeader(CLIENT, SERVICE))
    w.turns()
    fd = w.sockets.dials[0].fd
    w.sockets.block(fd, after=5)
    w.sockets.finish_connect(fd)
    w.turns(2)
    assert future.result(0).outbound_buffered
    w.sockets.unblock(fd)
    w.turns(3)
    assert w.sockets.sent[fd] == encode(ProxyHeader(CLIENT, SERVICE)) + b"hello"


def test_what_cannot_be_said_is_not_dialled(world):
    w = world()
    with pytest.raises(ProxyError):
        w.loop.dial(TARGET, proxy=ProxyHeader(CLIENT, None))
    with pytest.raises(TypeError):
        w.loop.dial(TARGET, proxy=LINE)
    w.turns()
    assert not w.sockets.dials
    assert not w.loop.unfinished
