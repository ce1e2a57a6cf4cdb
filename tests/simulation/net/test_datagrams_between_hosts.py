"""Datagrams between simulated hosts: latency, faults, and what the trace says of it."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any

import pytest
from simulated_udp import SimulatedNet

from netcore.poll import Readiness
from netcore.testing.simulation.net.links import LATENCY
from netcore.testing.simulation.net.linux import option_called

_IP_PKTINFO = option_called("IP_PKTINFO")
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)


class Pair:
    """A server, and a client on another host that is connected to it."""

    def __init__(self, seed: int = 1) -> None:
        self.net = SimulatedNet(seed)
        self.net.boot("server")
        self.server = self.net.open(host="server")
        self.server.bind(("", 7000))
        self.server_name = self.net.network.addresses("server")[0], 7000
        self.client = self.net.open()
        self.client.connect(self.server_name)

    def received(self, endpoint: Any = None) -> list[bytes]:
        found: list[bytes] = []
        with suppress(BlockingIOError):
            while True:
                found.append((endpoint or self.server).receive(100).data)
        return found


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_datagram_takes_the_latency_of_the_link(pair: Pair) -> None:
    assert pair.client.getsockname() == ("10.0.0.1", 49152)
    assert pair.server_name == ("10.0.0.2", 7000)
    pair.client.send(b"hello")
    assert pair.received() == []
    pair.net.settle()
    assert pair.net.scheduler.now == LATENCY
    received = pair.server.receive(100)
    assert (received.data, received.name) == (b"hello", ("10.0.0.1", 49152))
    sent, arrived = pair.net.trace
    assert (sent.kind, sent.time, sent.host, sent.peer) == ("datagram", 0.0, "client", "server")
    assert (arrived.kind, arrived.time, arrived.host) == ("arrive", LATENCY, "server")
    assert (sent.flow, sent.size) == ("client:49152 > server:7000", 5)
    assert (arrived.flow, arrived.size, arrived.cause) == (sent.flow, 5, sent.number)


def test_ipv6_between_hosts(pair: Pair) -> None:
    server, client = pair.net.open(socket.AF_INET6, "server"), pair.net.open(socket.AF_INET6)
    server.bind(("::", 7001))
    client.send(b"six", 0, ("fd00::2", 7001))
    pair.net.settle()
    received = server.receive(100)
    assert (received.data, received.name) == (b"six", ("fd00::1", client.getsockname()[1], 0, 0))


def test_loss_is_noted_where_it_happens(pair: Pair) -> None:
    pair.net.links.link("client", "server", loss=1)
    pair.client.send(b"hello")
    pair.net.settle()
    assert pair.received() == []
    assert pair.net.told("drop") == [("drop", "client", "server", "lost")]


def test_a_partition_keeps_what_is_sent_and_what_is_under_way(pair: Pair) -> None:
    pair.client.send(b"under way")
    pair.net.links.partition("client", "server")
    pair.client.send(b"too late")
    pair.net.settle()
    assert pair.received() == []
    assert sorted(pair.net.told("drop")) == [
        ("drop", "client", "server", "partitioned"),
        ("drop", "server", "client", "partitioned"),
    ]
    pair.net.links.heal("client", "server")
    pair.client.send(b"at last")
    pair.net.settle()
    assert pair.received() == [b"at last"]


def test_a_one_way_partition_lets_answers_through(pair: Pair) -> None:
    pair.net.links.partition("client", "server", one_way=True)
    pair.client.send(b"lost")
    pair.server.send(b"not lost", 0, pair.client.getsockname())
    pair.net.settle()
    assert pair.received() == []
    assert pair.received(pair.client) == [b"not lost"]


def test_duplicates_arrive_twice_of_one_sending(pair: Pair) -> None:
    pair.net.links.link("client", "server", duplicate=1)
    pair.client.send(b"twice")
    pair.net.settle()
    assert pair.received() == [b"twice", b"twice"]
    assert [event.cause for event in pair.net.trace if event.kind == "arrive"] == [1, 1]


def test_reordering_keeps_all_and_changes_their_order(pair: Pair) -> None:
    pair.net.links.link("client", "server", reorder=0.5)
    sent = [b"%d" % number for number in range(50)]
    for data in sent:
        pair.client.send(data)
    pair.net.settle()
    received = pair.received()
    assert received != sent
    assert sorted(received) == sorted(sent)


def test_a_slow_line_fills_the_send_buffer(pair: Pair) -> None:
    pair.net.links.link("client", "server", bandwidth=1_000_000)
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
    told: list[int] = []
    pair.client.watch(7, told.append)
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += pair.client.send(bytes(1000))
    assert 10_000 <= sent <= 20_000
    assert not pair.client.readiness() & _WRITABLE
    assert told == []
    while not pair.client.readiness() & _WRITABLE:
        assert pair.net.scheduler.step()
    assert told[-1] == 7
    pair.client.send(b"more")
    pair.net.settle()
    assert len(pair.received()) == sent // 1000 + 1


def test_watchers_are_told_of_what_arrives(pair: Pair) -> None:
    told: list[int] = []
    pair.server.watch(3, told.append)
    pair.server.watch(4, told.append)
    pair.client.send(b"1")
    pair.net.settle()
    assert told == [3, 4]
    pair.server.unwatch(3, told.append)
    pair.server.unwatch(3, told.append)
    pair.client.send(b"2")
    pair.net.settle()
    assert told == [3, 4, 4]


def test_the_news_that_nobody_is_there_take_a_round_trip(pair: Pair) -> None:
    pair.server.close()
    pair.client.send(b"anybody?")
    pair.net.settle()
    with pytest.raises(ConnectionRefusedError):
        pair.client.receive(10)
    assert pair.net.scheduler.now == 2 * LATENCY
    assert pair.net.told("refused") == [
        ("refused", "server", "client", "nobody has port 7000"),
        ("refused", "client", "server", ""),
    ]
    assert [event.cause for event in pair.net.trace] == [-1, 0, 1]


def test_the_news_are_lost_in_a_partition(pair: Pair) -> None:
    pair.server.close()
    pair.net.links.partition("server", "client", one_way=True)
    pair.client.send(b"anybody?")
    pair.net.settle()
    assert pair.client.readiness() == _WRITABLE
    assert pair.net.told("drop") == [("drop", "client", "server", "ICMP: partitioned")]


@pytest.mark.parametrize("ip", ["192.0.2.1", "fd00::99", "10.0.7.7"])
def test_an_address_of_nobody_is_silent(pair: Pair, ip: str) -> None:
    client = pair.net.open(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    client.connect((ip, 9))
    client.send(b"anybody?")
    pair.net.settle()
    assert client.readiness() == _WRITABLE
    assert pair.net.told() == [
        ("datagram", "client", "", ""),
        ("drop", "client", "", f"nobody has {ip}"),
    ]


def test_a_host_that_has_crashed_is_silent_until_it_is_back(pair: Pair) -> None:
    pair.client.send(b"under way")
    pair.net.crash("server")
    assert pair.net.network.down("10.0.0.2")
    pair.client.send(b"too late")
    pair.net.settle()
    assert pair.net.told("drop") == [("drop", "server", "client", "the host is down")] * 2
    assert pair.client.readiness() == _WRITABLE
    pair.net.boot("server")
    pair.client.send(b"back?")
    pair.net.settle()
    with pytest.raises(ConnectionRefusedError):
        pair.client.receive(10)


def test_a_host_keeps_its_address_and_goes_on_with_its_ports(pair: Pair) -> None:
    pair.net.crash("client")
    pair.net.boot("client")
    again = pair.net.open()
    again.connect(pair.server_name)
    assert again.getsockname() == ("10.0.0.1", 49153)


def test_a_full_receive_buffer_is_noted(pair: Pair) -> None:
    pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(9):
        pair.client.send(bytes(500))
    pair.net.settle()
    kept = len(pair.received())
    assert 1 <= kept < 9
    assert pair.net.told("drop") == [("drop", "server", "client", "the receive buffer is full")] * (9 - kept)


# To everybody, and to groups.


def test_a_broadcast_comes_to_all_hosts(pair: Pair) -> None:
    pair.net.boot("third")
    third = pair.net.open(host="third")
    third.bind(("", 7000))
    idle = pair.net.open(host="third")
    idle.bind(("", 7001))
    here = pair.net.open()
    here.bind(("", 7000))
    sender = pair.net.open()
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for host in ("<broadcast>", "10.0.255.255"):
        sender.send(host.encode(), 0, (host, 7000))
    pair.net.settle()
    for endpoint in (pair.server, third, here):
        assert pair.received(endpoint) == [b"<broadcast>", b"10.0.255.255"]
    assert pair.received(idle) == []
    assert pair.net.told("refused") == []


def _group_of(endpoint: Any, family: int = socket.AF_INET) -> None:
    """Joins the group of the tests."""
    if family == socket.AF_INET:
        packed = socket.inet_aton("239.1.2.3") + bytes(4)
        endpoint.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed)
    else:
        packed = socket.inet_pton(socket.AF_INET6, "ff05::7") + struct.pack("I", 2)
        endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed)


@pytest.mark.parametrize(("family", "group"), [(socket.AF_INET, "239.1.2.3"), (socket.AF_INET6, "ff05::7")])
def test_a_group_is_its_members(pair: Pair, family: int, group: str) -> None:
    pair.net.boot("third")
    members = []
    for host in ("server", "client"):
        for _ in range(2):
            member = pair.net.open(family, host)
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            member.bind((group, 9000))
            _group_of(member, family)
            members.append(member)
    outsider = pair.net.open(family, "third")
    outsider.bind((group, 9000))
    sender = pair.net.open(family)
    sender.send(b"all", 0, (group, 9000))
    pair.net.settle()
    assert [pair.received(member) for member in members] == [[b"all"]] * 4
    assert pair.received(outsider) == []
    members[0].close()
    members[1].close()
    sender.send(b"some", 0, (group, 9000))
    pair.net.settle()
    assert [pair.received(member) for member in members[2:]] == [[b"some"]] * 2
    assert {event.peer for event in pair.net.trace if event.kind == "arrive"} == {"client"}


def test_a_sender_may_keep_its_own_host_or_all_others_out(pair: Pair) -> None:
    members = []
    for host in ("client", "server"):
        member = pair.net.open(host=host)
        member.bind(("239.1.2.3", 9000))
        _group_of(member)
        members.append(member)
    sender = pair.net.open()
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    sender.send(b"for others", 0, ("239.1.2.3", 9000))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
    sender.send(b"for us", 0, ("239.1.2.3", 9000))
    pair.net.settle()
    assert [pair.received(member) for member in members] == [[b"for us"], [b"for others"]]


def test_of_what_came_to_a_group_the_host_s_own_address_is_told(pair: Pair) -> None:
    pair.server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    _group_of(pair.server)
    pair.client.send(b"", 0, ("239.1.2.3", 7000))
    pair.net.settle()
    ((_, _, data),) = pair.server.receive(1).ancillary
    assert data[4:] == socket.inet_aton("10.0.0.2") + socket.inet_aton("239.1.2.3")


# Every run is the same.


def _digest(seed: int) -> str:
    """What a bad line does to a hundred datagrams."""
    pair = Pair(seed)
    pair.net.links.link(
        "client",
        "server",
        latency=lambda source: source.expovariate(1000),
        loss=0.1,
        reorder=0.2,
        duplicate=0.1,
    )
    for number in range(100):
        pair.client.send(b"%d" % number)
    pair.net.settle()
    return pair.net.trace.digest()


def test_a_seed_repeats_itself_and_others_differ() -> None:
    assert _digest(1) == _digest(1)
    assert _digest(1) != _digest(2)
