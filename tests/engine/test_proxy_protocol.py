"""An engine behind a proxy: real sockets, each way of listening, and peers that send none, or nonsense."""

from __future__ import annotations

import os
import random
import socket
import threading

import pytest

from netcore import Address, Client, GivenListener, UnsupportedOperationError
from netcore.lb import RoundRobin
from netcore.proxy import ProxyError, ProxyHeader, encode
from netcore.testing import RecordingHandler

CLIENT, SERVICE = Address("tcp", "198.51.100.23", 40000), Address("tcp", "203.0.113.5", 443)
LINE = b"PROXY TCP4 198.51.100.23 203.0.113.5 40000 443\r\n"
SAID = b"tcp://198.51.100.23:40000 via "


def tell(conn):
    """Answers with who has said it, through whom, and what it was."""
    via = conn.peer_address.host or conn.peer_address.network
    conn.write(f"{conn.remote_address} via {via} with {conn.proxy is not None}: ".encode() + conn.read())


class Telling(RecordingHandler):
    def __init__(self):
        super().__init__(on_traffic=tell)


@pytest.fixture
def ask(dial, receive):
    """Sends something to an engine on a connection of its own, ends it, and returns all of the answer."""

    def ask(engine, data, index=0):
        sock = dial(engine, index)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = receive(sock, 1 << 20)
        sock.close()
        return answer

    return ask


WAYS = [
    {},
    {"edge_triggered": True},
    {"debug": True},
    {"num_event_loops": 2},
    {"num_event_loops": 2, "load_balancer": "source-address-hash"},
    {"num_event_loops": 2, "reuse_port": True},
    {"max_connections": 3},
    {"max_connections": 3, "max_connections_policy": "refuse", "num_event_loops": 2},
]


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_each_way_of_listening(serve, ask, options):
    engine = serve(Telling(), proxy_protocol=True, **options)
    for header in (LINE, encode(ProxyHeader(CLIENT, SERVICE))) * 3:
        assert ask(engine, header + b"hello") == SAID + b"127.0.0.1 with True: hello"
    assert engine.drain(30)
    metrics = engine.metrics()
    assert (metrics.accepted, metrics.closed, metrics.unopened, metrics.proxy_failures) == (6, 6, 0, 0)


@pytest.mark.unix_sockets
def test_unix_peers_are_trusted(serve, ask, tmp_path):
    engine = serve(
        Telling(), f"unix://{tmp_path}/s", proxy_protocol=True, proxy_protocol_from=("192.0.2.0/24",)
    )
    assert ask(engine, LINE + b"hello") == SAID + b"unix with True: hello"
    assert ask(engine, b"hello") == b""
    assert engine.metrics().proxy_failures == 1


@pytest.mark.parametrize(
    ("networks", "trusted"),
    [
        (("127.0.0.0/8",), True),
        (("127.0.0.1",), True),
        (("::ffff:127.0.0.0/104",), True),
        (["192.0.2.0/24", "127.0.0.1/32"], True),
        (("0.0.0.0/0",), True),
        (("192.0.2.0/24",), False),
        (("::/0",), False),
        (("2001:db8::/32", "127.0.0.2"), False),
    ],
)
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp://:0"], ids=["IPv4", "dual-stack"])
def test_who_sends_one(serve, ask, networks, trusted, address):
    """On a dual-stack socket the peer is ``::ffff:127.0.0.1``."""
    engine = serve(Telling(), address, proxy_protocol=True, proxy_protocol_from=networks)
    answer = ask(engine, LINE)
    if trusted:
        assert answer == b""
        assert ask(engine, LINE + b"hello") == SAID + b"127.0.0.1 with True: hello"
        assert ask(engine, b"hello") == b""
        assert engine.metrics().proxy_failures == 1
    else:  # what it says of itself is no header, but what it says
        assert answer.endswith(b" via 127.0.0.1 with False: " + LINE)
        assert answer.startswith(b"tcp://127.0.0.1:")
        assert engine.metrics().proxy_failures == 0


def test_a_given_listener(serve, ask):
    listener = socket.create_server(("127.0.0.1", 0))
    engine = serve(Telling(), GivenListener(listener.detach()), proxy_protocol=True)
    assert ask(engine, LINE + b"hello") == SAID + b"127.0.0.1 with True: hello"


@pytest.mark.unix_sockets
def test_a_given_listener_in_which_a_header_waits(serve, receive, tmp_path):
    """What came before is received aside, since descriptors may have come with it; see ``take_passed``."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp_path}/s")
    listener.listen()
    with socket.socket(socket.AF_UNIX) as good, socket.socket(socket.AF_UNIX) as bad:
        for sock, data in ((good, LINE + b"hello"), (bad, b"GET / HTTP/1.1\r\n")):
            sock.settimeout(30)
            sock.connect(f"{tmp_path}/s")
            sock.sendall(data)
        engine = serve(Telling(), GivenListener(listener.detach()), proxy_protocol=True)
        wanted = SAID + b"unix with True: hello"
        assert receive(good, len(wanted)) == wanted
        assert bad.recv(1) == b""
        assert engine.metrics().proxy_failures == 1


def test_the_balancer_sees_the_proxy(serve, ask):
    seen = []

    class Balancer(RoundRobin):
        def pick(self, loops, remote):
            seen.append(remote)
            return super().pick(loops, remote)

    engine = serve(Telling(), proxy_protocol=True, num_event_loops=2, load_balancer=Balancer())
    ask(engine, LINE)
    assert [address.host for address in seen] == ["127.0.0.1"]


def test_datagrams_have_none(serve):
    engine = serve(Telling(), "udp://127.0.0.1:0", proxy_protocol=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.connect(("127.0.0.1", engine.addresses[0].port))
        sock.send(b"hello")
        assert sock.recv(100).endswith(b"via 127.0.0.1 with False: hello")


def nonsense(count: int) -> list[bytes]:
    """What strangers send to a port: headers that were spoilt, other protocols, and noise."""
    rng = random.Random(7)
    block = encode(ProxyHeader(CLIENT, SERVICE, tlvs=((1, b"h2"), (3, b""))))
    found = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"",
        b"\0" * 70000,
        b"PROXY UNKNOWN" + b" " * 500,
    ]
    while len(found) < count:
        raw = bytearray(rng.choice((LINE[:40] + b"\n", block)))
        at = rng.randrange(len(raw))
        raw[at] ^= 1 << rng.randrange(8)
        found.append(bytes(raw[: rng.randrange(1, len(raw) + 1)]))
    return found


def test_nonsense_costs_the_others_nothing(serve, ask, dial, open_descriptors):
    engine = serve(Telling(), proxy_protocol=True, proxy_protocol_timeout=60, max_connections=400)
    before = open_descriptors(engine)
    stalled = [dial(engine) for _ in range(100)]
    for i, sock in enumerate(stalled):
        sock.sendall(LINE[: i % len(LINE)])

    def disturb():
        for data in nonsense(150):
            with socket.create_connection(("127.0.0.1", engine.addresses[0].port)) as sock:
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(100):
                        pass
                except OSError:
                    pass  # it is reset

    disturber = threading.Thread(target=disturb)
    disturber.start()
    for i in range(50):
        assert ask(engine, LINE + b"%d" % i) == SAID + b"127.0.0.1 with True: %d" % i
    disturber.join()
    assert engine.connection_count == 100
    for sock in stalled:
        sock.close()
    assert engine.drain(30)
    metrics = engine.metrics()
    assert metrics.accepted == 300 == metrics.closed + metrics.unopened
    assert metrics.proxy_failures == metrics.unopened
    opened = sum(event.name == "on_open" for event in engine._handler.events)
    assert opened == metrics.closed
    assert open_descriptors() <= before


def test_a_late_header_gives_its_place_to_the_next(serve, ask, dial):
    engine = serve(Telling(), proxy_protocol=True, proxy_protocol_timeout=0.2, max_connections=1)
    late = dial(engine)
    assert ask(engine, LINE + b"hello") == SAID + b"127.0.0.1 with True: hello"
    assert late.recv(1) == b""
    assert engine.metrics().proxy_failures == 1


def test_a_stop_does_not_wait_for_headers(serve, dial):
    handler = Telling()
    engine = serve(handler, proxy_protocol=True, proxy_protocol_timeout=600, num_event_loops=2)
    waiting = [dial(engine) for _ in range(10)]
    while engine.connection_count < len(waiting):
        pass
    assert engine.stop(20)
    assert not any(event.name == "on_open" for event in handler.events)
    assert engine.metrics().proxy_failures == 0


def test_pipelined_requests_behind_the_header(serve, ask):
    payload = os.urandom(300_000)
    engine = serve(
        RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None), proxy_protocol=True
    )
    assert ask(engine, LINE + payload) == payload


# This side as the proxy.


@pytest.mark.parametrize("version", [1, 2])
def test_engines_clients_and_loops_dial_with_one(serve, version):
    header = ProxyHeader(CLIENT, SERVICE, version=version)
    server = serve(Telling(), proxy_protocol=True)
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"hello") and None)
    with Client(handler) as client:
        conns = [
            client.dial(server.addresses[0], "mine", 30, proxy=header),
            client.engine.dial(server.addresses[0], proxy=header).result(30),
            client.engine.loops[0].dial(server.addresses[0], proxy=header).result(30),
        ]
        wanted = SAID + b"127.0.0.1 with True: hello"
        for conn in conns:
            assert conn.proxy is None
            assert conn.peer_address == conn.remote_address == server.addresses[0]
        handler.wait_for("on_traffic", 3)
        assert handler.received() == 3 * wanted


@pytest.mark.unix_sockets
def test_a_unix_socket_is_dialled_with_one(serve, tmp_path):
    header = ProxyHeader(Address("unix", path="@client"), Address("unix", path="/run/service"))
    server = serve(Telling(), f"unix://{tmp_path}/s", proxy_protocol=True)
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"hello") and None)
    with Client(handler) as client:
        client.dial(server.addresses[0], proxy=header)
        handler.wait_for("on_traffic")
    assert handler.received() == b"unix://@client via unix with True: hello"


@pytest.mark.parametrize("scheme", ["udp", "udp4"])
def test_datagrams_cannot_be_dialled_with_one(scheme):
    with Client(RecordingHandler()) as client:
        for dialler in (client, client.engine, client.engine.loops[0]):
            with pytest.raises(UnsupportedOperationError, match=f"{scheme}://127.0.0.1:9.*datagrams"):
                dialler.dial(f"{scheme}://127.0.0.1:9", proxy=ProxyHeader(CLIENT, SERVICE))


def test_what_cannot_be_said_is_told_at_once():
    with Client(RecordingHandler()) as client:
        for dialler in (client, client.engine, client.engine.loops[0]):
            with pytest.raises(ProxyError):
                dialler.dial("tcp://127.0.0.1:9", proxy=ProxyHeader(CLIENT, None))
