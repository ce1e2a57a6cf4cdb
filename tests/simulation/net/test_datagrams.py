"""UDP sockets of simulated hosts: what the system's own do on its loopback interface, they do as well."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from simulated_udp import Net, ObjectNet, RealNet, SimulatedNet

from netcore.poll import Readiness
from netcore.testing.simulation.net.linux import option_called

_IP_PKTINFO = option_called("IP_PKTINFO")
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_HANGUP, _ERROR = int(Readiness.HANGUP), int(Readiness.ERROR)

_REAL = pytest.param(
    RealNet, marks=pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is simulated")
)


@pytest.fixture(params=[SimulatedNet, ObjectNet, _REAL], ids=["simulated", "objects", "real"])
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    made: Net = request.param()
    yield made
    made.close()


def _bound(net: Net, host: str = "127.0.0.1", family: int = socket.AF_INET, *options: int) -> Any:
    """Makes a socket with some switches on, and binds it to a free port."""
    endpoint = net.open(family)
    for option in options:
        endpoint.setsockopt(socket.SOL_SOCKET, option, 1)
    endpoint.bind((host, 0))
    return endpoint


def _failure(call: Callable[..., object], *args: Any) -> str:
    """The name of the error that a call fails with."""
    with pytest.raises(OSError) as caught:
        call(*args)
    code = caught.value.errno or 0
    return "EOPNOTSUPP" if code == errno.EOPNOTSUPP else errno.errorcode[code]  # which has two names


def _all_of(endpoint: Any) -> list[bytes]:
    found: list[bytes] = []
    with suppress(BlockingIOError):
        while True:
            found.append(endpoint.receive(1 << 16).data)
    return found


def test_datagrams_arrive_whole_and_with_their_senders_name(net: Net) -> None:
    server, client = _bound(net), net.open()
    assert client.getsockname() == ("0.0.0.0", 0)
    for data in (b"one", b"", memoryview(b"three"), bytearray(b"4" * 4000)):
        assert client.send(data, 0, server.getsockname()) == len(data)
    net.settle()
    host, port = client.getsockname()
    assert host == "0.0.0.0"
    assert port >= 1024
    received = [server.receive(5000) for _ in range(4)]
    assert [each.data for each in received] == [b"one", b"", b"three", b"4" * 4000]
    assert {each.name for each in received} == {("127.0.0.1", port)}
    assert [each.length for each in received] == [3, 0, 5, 4000]
    assert _failure(server.receive, 1) == "EAGAIN"
    server.send(b"answer", 0, ("127.0.0.1", port))
    net.settle()
    assert client.receive(100).data == b"answer"


def test_what_is_sent_is_a_copy(net: Net) -> None:
    server, client = _bound(net), net.open()
    data = bytearray(b"before")
    client.send(data, 0, server.getsockname())
    data[:] = b"behind"
    net.settle()
    assert server.receive(100).data == b"before"


def test_what_does_not_fit_is_cut_and_said_to_be(net: Net) -> None:
    server, client = _bound(net), net.open()
    for _ in range(2):
        client.send(b"123456", 0, server.getsockname())
    net.settle()
    peeked = server.receive(3, socket.MSG_PEEK)
    assert (peeked.data, peeked.length, peeked.flags & socket.MSG_TRUNC) == (b"123", 3, socket.MSG_TRUNC)
    cut = server.receive(3)
    assert (cut.data, cut.length, cut.flags & socket.MSG_TRUNC) == (b"123", 3, socket.MSG_TRUNC)
    cut = server.receive(3, socket.MSG_TRUNC)
    assert (cut.data, cut.length) == (b"123", 6)
    assert _all_of(server) == []


@pytest.mark.parametrize(
    ("family", "host", "longest"), [(socket.AF_INET, "127.0.0.1", 65507), (socket.AF_INET6, "::1", 65527)]
)
def test_a_datagram_has_a_longest(net: Net, family: int, host: str, longest: int) -> None:
    server, client = _bound(net, host, family), net.open(family)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
    assert _failure(client.send, bytes(longest + 1), 0, server.getsockname()) == "EMSGSIZE"
    assert client.send(bytes(longest), 0, server.getsockname()) == longest
    net.settle()
    assert len(server.receive(1 << 16).data) == longest


def test_a_connected_socket_hears_its_peer_alone(net: Net) -> None:
    peer, other, client = _bound(net), _bound(net), net.open()
    client.connect(peer.getsockname())
    name = client.getsockname()
    assert name[0] == "127.0.0.1"
    assert client.getpeername() == peer.getsockname()
    client.send(b"to my peer")
    client.send(b"to another", 0, other.getsockname())
    peer.send(b"from my peer", 0, name)
    other.send(b"from another", 0, name)
    net.settle()
    assert _all_of(peer) == [b"to my peer"]
    assert _all_of(other) == [b"to another"]
    assert _all_of(client) == [b"from my peer"]


def test_a_connection_can_be_another_or_none(net: Net) -> None:
    first, second, client = _bound(net), _bound(net), net.open()
    client.connect(first.getsockname())
    client.connect(second.getsockname())
    assert client.getpeername() == second.getsockname()
    client.connect(None)
    client.connect(None)
    assert _failure(client.getpeername) == "ENOTCONN"
    assert client.getsockname() == ("0.0.0.0", 0)
    assert _failure(client.send, b"") == "EDESTADDRREQ"


def test_a_bound_socket_keeps_its_name_after_a_connection(net: Net) -> None:
    server, client = _bound(net), _bound(net, "")
    port = client.getsockname()[1]
    client.connect(server.getsockname())
    assert client.getsockname() == ("127.0.0.1", port)
    client.connect(None)
    assert client.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("how", ["receive", "send", "SO_ERROR"])
def test_a_connected_socket_learns_that_nobody_is_there(net: Net, how: str) -> None:
    gone, client = _bound(net), net.open()
    client.connect(gone.getsockname())
    gone.close()
    client.send(b"anybody?")
    net.settle()
    assert client.readiness() & (_ERROR | _WRITABLE) == _ERROR | _WRITABLE
    if how == "receive":
        assert _failure(client.receive, 10) == "ECONNREFUSED"
    elif how == "send":
        assert _failure(client.send, b"still not?") == "ECONNREFUSED"
    else:
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    assert _failure(client.receive, 10) == "EAGAIN"
    assert client.readiness() == _WRITABLE


def test_others_do_not_learn_that_nobody_is_there(net: Net) -> None:
    gone, client = _bound(net), _bound(net)
    name = gone.getsockname()
    gone.close()
    client.send(b"anybody?", 0, name)
    net.settle()
    assert _failure(client.receive, 10) == "EAGAIN"
    assert client.readiness() == _WRITABLE


def test_readiness(net: Net) -> None:
    server, client = _bound(net), net.open()
    assert server.readiness() == _WRITABLE
    client.connect(server.getsockname())
    client.send(b"")
    net.settle()
    assert server.readiness() == _READABLE | _WRITABLE
    server.receive(1)
    assert server.readiness() == _WRITABLE
    client.shutdown(socket.SHUT_RD)
    assert client.readiness() == _READABLE | _WRITABLE
    client.shutdown(socket.SHUT_WR)
    assert client.readiness() == _READABLE | _WRITABLE | _HANGUP
    assert _failure(client.send, b"more") == "EPIPE"


def test_shutting_down_without_a_peer_fails_and_works(net: Net) -> None:
    server = _bound(net)
    assert _failure(server.shutdown, socket.SHUT_WR) == "ENOTCONN"
    assert _failure(server.send, b"", 0, ("127.0.0.1", 9)) == "EPIPE"


def test_there_are_no_connections_to_take(net: Net) -> None:
    server = _bound(net)
    assert _failure(server.listen, 1) == "EOPNOTSUPP"
    assert _failure(server.accept) == "EOPNOTSUPP"


def test_where_nothing_can_be_sent(net: Net) -> None:
    client, only_ipv6 = net.open(), net.open(socket.AF_INET6)
    only_ipv6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert _failure(client.send, b"") == "EDESTADDRREQ"
    assert _failure(client.send, b"", 0, ("127.0.0.1", 0)) == "EINVAL"
    assert _failure(client.send, b"", 0, ("255.255.255.255", 9)) == "EACCES"
    assert _failure(client.connect, ("255.255.255.255", 9)) == "EACCES"
    assert _failure(client.send, b"", socket.MSG_OOB, ("127.0.0.1", 9)) == "EOPNOTSUPP"
    assert _failure(only_ipv6.send, b"", 0, ("::ffff:127.0.0.1", 9)) == "ENETUNREACH"
    assert _failure(only_ipv6.connect, ("::ffff:127.0.0.1", 9)) == "ENETUNREACH"


def test_the_unspecified_address_is_this_host(net: Net) -> None:
    server, client = _bound(net), net.open()
    client.connect(("0.0.0.0", server.getsockname()[1]))
    assert client.getpeername() == server.getsockname()
    client.send(b"here")
    net.settle()
    assert server.receive(10).data == b"here"


def test_a_socket_of_both_versions_speaks_ipv4(net: Net) -> None:
    server, client = _bound(net, "", socket.AF_INET6), _bound(net)
    assert server.getsockname()[0] == "::"
    client.send(b"four", 0, ("127.0.0.1", server.getsockname()[1]))
    net.settle()
    received = server.receive(10)
    assert received.name == ("::ffff:127.0.0.1", client.getsockname()[1], 0, 0)
    server.send(b"back", 0, received.name)
    server.connect(received.name)
    assert server.getsockname()[0] == "::ffff:127.0.0.1"
    net.settle()
    assert _all_of(client) == [b"back"]


# Binding.

_V4, _V6 = socket.AF_INET, socket.AF_INET6
_ADDRESS, _PORT = socket.SO_REUSEADDR, getattr(socket, "SO_REUSEPORT", 15)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ((_V4, "127.0.0.1"), (_V4, "127.0.0.1"), False),
        ((_V4, "127.0.0.1"), (_V4, "127.0.0.2"), True),
        ((_V4, ""), (_V4, "127.0.0.1"), False),
        ((_V4, "127.0.0.1"), (_V4, ""), False),
        ((_V4, "127.0.0.1", _ADDRESS), (_V4, "127.0.0.1"), False),
        ((_V4, "127.0.0.1"), (_V4, "127.0.0.1", _ADDRESS), False),
        ((_V4, "127.0.0.1", _ADDRESS), (_V4, "", _ADDRESS), True),
        ((_V4, "127.0.0.1", _PORT), (_V4, "127.0.0.1", _PORT), True),
        ((_V4, "127.0.0.1", _PORT), (_V4, "127.0.0.1", _ADDRESS), False),
        ((_V4, "127.0.0.1"), (_V6, ""), False),
        ((_V6, ""), (_V4, "127.0.0.1"), False),
        ((_V6, ""), (_V4, ""), False),
        ((_V6, "::1"), (_V4, ""), True),
        ((_V6, "::1"), (_V6, ""), False),
        ((_V6, "::ffff:127.0.0.1"), (_V4, "127.0.0.1"), False),
        ((_V6, "::ffff:127.0.0.1"), (_V6, "::1"), True),
    ],
)
def test_who_may_share_a_port(net: Net, first: Any, second: Any, shared: bool) -> None:
    family, host, *options = first
    holder = _bound(net, host, family, *options)
    family, host, *options = second
    other = net.open(family)
    for option in options:
        other.setsockopt(socket.SOL_SOCKET, option, 1)
    name = host, holder.getsockname()[1]
    if shared:
        other.bind(name)
    else:
        assert _failure(other.bind, name) == "EADDRINUSE"
        holder.close()
        other.bind(name)
    assert other.getsockname()[1] == name[1]


def test_a_socket_of_ipv6_alone_leaves_ipv4_to_others(net: Net) -> None:
    alone = net.open(socket.AF_INET6)
    alone.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert _failure(alone.bind, ("::ffff:127.0.0.1", 0)) == "EINVAL"
    alone.bind(("::", 0))
    other = net.open()
    other.bind(("0.0.0.0", alone.getsockname()[1]))
    client = net.open()
    client.send(b"four", 0, ("127.0.0.1", alone.getsockname()[1]))
    net.settle()
    assert _all_of(alone) == []
    assert _all_of(other) == [b"four"]


def test_what_cannot_be_bound(net: Net) -> None:
    endpoint = net.open()
    assert _failure(endpoint.bind, ("192.0.2.1", 0)) == "EADDRNOTAVAIL"
    assert endpoint.getsockname() == ("0.0.0.0", 0)
    endpoint.bind(("127.0.0.1", 0))
    assert _failure(endpoint.bind, ("127.0.0.1", 0)) == "EINVAL"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (("127.0.0.1",), TypeError),
        ("127.0.0.1", TypeError),
        (("127.0.0.1", "http"), TypeError),
        (("127.0.0.1", 1 << 16), OverflowError),
        (("127.0.0.1", -1), OverflowError),
        (("::1", 1), socket.gaierror),
        (("127.0.0.1", 1, 0, 0), TypeError),
    ],
)
def test_odd_names(net: Net, name: Any, error: type) -> None:
    endpoint = net.open()
    for call in (endpoint.bind, endpoint.connect, lambda name: endpoint.send(b"", 0, name)):
        with pytest.raises(error):
            call(name)


# Whose a datagram is.


def test_the_connected_socket_comes_before_others_of_the_port(net: Net) -> None:
    everybody = _bound(net, "127.0.0.1", _V4, _PORT)
    mine = net.open()
    mine.setsockopt(socket.SOL_SOCKET, _PORT, 1)
    mine.bind(everybody.getsockname())
    friend, stranger = _bound(net), _bound(net)
    mine.connect(friend.getsockname())
    friend.send(b"friend", 0, mine.getsockname())
    stranger.send(b"stranger", 0, mine.getsockname())
    net.settle()
    assert _all_of(mine) == [b"friend"]
    assert _all_of(everybody) == [b"stranger"]


def test_the_closest_address_comes_first(net: Net) -> None:
    everywhere = _bound(net, "", _V4, _ADDRESS)
    here = net.open()
    here.setsockopt(socket.SOL_SOCKET, _ADDRESS, 1)
    here.bind(("127.0.0.2", everywhere.getsockname()[1]))
    client = net.open()
    for host in ("127.0.0.2", "127.0.0.3"):
        client.send(host.encode(), 0, (host, here.getsockname()[1]))
    net.settle()
    assert _all_of(here) == [b"127.0.0.2"]
    assert _all_of(everywhere) == [b"127.0.0.3"]


def test_a_flow_stays_with_one_of_those_that_share_a_port(net: Net) -> None:
    group = [_bound(net, "127.0.0.1", _V4, _PORT)]
    for _ in range(3):
        another = net.open()
        another.setsockopt(socket.SOL_SOCKET, _PORT, 1)
        another.bind(group[0].getsockname())
        group.append(another)
    for number in range(64):
        client = net.open()
        for _ in range(3):
            client.send(b"%d" % number, 0, group[0].getsockname())
    net.settle()
    taken = [_all_of(endpoint) for endpoint in group]
    assert sum(map(len, taken)) == 3 * 64
    assert sum(len(set(each)) for each in taken) == 64
    assert all(taken)


# Options.


def test_options_are_kept(net: Net) -> None:
    endpoint = net.open()
    for option in (socket.SO_REUSEADDR, socket.SO_BROADCAST, socket.SO_KEEPALIVE):
        assert endpoint.getsockopt(socket.SOL_SOCKET, option) == 0
        endpoint.setsockopt(socket.SOL_SOCKET, option, 1)
        assert endpoint.getsockopt(socket.SOL_SOCKET, option) == 1
        endpoint.setsockopt(socket.SOL_SOCKET, option, struct.pack("i", 0))
        assert endpoint.getsockopt(socket.SOL_SOCKET, option) == 0
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        endpoint.setsockopt(socket.SOL_SOCKET, option, 10_000)
        assert endpoint.getsockopt(socket.SOL_SOCKET, option) == 20_000
    assert endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert endpoint.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 64


def test_odd_options(net: Net) -> None:
    endpoint, six = net.open(), _bound(net, "", socket.AF_INET6)
    assert _failure(endpoint.getsockopt, socket.SOL_SOCKET, 9999) == "ENOPROTOOPT"
    assert _failure(endpoint.setsockopt, socket.SOL_SOCKET, 9999, 1) == "ENOPROTOOPT"
    assert _failure(endpoint.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, b"") == "EINVAL"
    assert _failure(six.setsockopt, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1) == "EINVAL"
    assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0


def test_a_full_buffer_drops_what_comes(net: Net) -> None:
    server, client = _bound(net), net.open()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for number in range(50):
        client.send(b"%02d" % number * 500, 0, server.getsockname())
    net.settle()
    kept = _all_of(server)
    assert 3 <= len(kept) <= 10
    assert kept == [b"%02d" % number * 500 for number in range(len(kept))]
    client.send(b"again", 0, server.getsockname())
    net.settle()
    assert _all_of(server) == [b"again"]


def test_an_answer_leaves_from_where_the_question_came_to(net: Net) -> None:
    server, client = _bound(net, ""), net.open()
    server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    client.connect(("127.0.0.2", server.getsockname()[1]))
    client.send(b"?")
    net.settle()
    received = server.receive(10)
    own = socket.inet_aton("127.0.0.2")
    info = struct.pack("I4s4s", 1, own, own)
    assert list(received.ancillary) == [(socket.IPPROTO_IP, _IP_PKTINFO, info)]
    server.send(b"from elsewhere", 0, received.name)
    chosen = struct.pack("I4s4s", 0, own, bytes(4))
    server.send(b"!", 0, received.name, [(socket.IPPROTO_IP, _IP_PKTINFO, chosen)])
    net.settle()
    assert _all_of(client) == [b"!"]
    elsewhere = struct.pack("I4s4s", 0, socket.inet_aton("192.0.2.1"), bytes(4))
    told = [(socket.IPPROTO_IP, _IP_PKTINFO, elsewhere)]
    assert _failure(server.send, b"", 0, received.name, told) in ("EINVAL", "ENETUNREACH")  # Linux 6.18


def test_an_ipv6_answer_leaves_from_where_the_question_came_to(net: Net) -> None:
    server, client = _bound(net, "", socket.AF_INET6), net.open(socket.AF_INET6)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    for host in ("::1", "::ffff:127.0.0.2"):
        client.send(b"?", 0, (host, server.getsockname()[1]))
    net.settle()
    told = [server.receive(10).ancillary for _ in range(2)]
    raw = [socket.inet_pton(socket.AF_INET6, host) for host in ("::1", "::ffff:127.0.0.2")]
    kind = socket.IPPROTO_IPV6, socket.IPV6_PKTINFO
    assert [list(each) for each in told] == [[(*kind, each + struct.pack("I", 1))] for each in raw]


def test_groups_are_joined_once_and_left_once(net: Net) -> None:
    endpoint = net.open()
    group = struct.pack("4s4si", socket.inet_aton("239.1.2.3"), bytes(4), 1)
    level, join, leave = socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP
    assert _failure(endpoint.setsockopt, level, leave, group) == "EADDRNOTAVAIL"
    endpoint.setsockopt(level, join, group)
    assert _failure(endpoint.setsockopt, level, join, group) == "EADDRINUSE"
    endpoint.setsockopt(level, leave, group)
    assert _failure(endpoint.setsockopt, level, leave, group) == "EADDRNOTAVAIL"
    no_group = struct.pack("4s4si", socket.inet_aton("127.0.0.1"), bytes(4), 1)
    assert _failure(endpoint.setsockopt, level, join, no_group) == "EINVAL"
    assert _failure(endpoint.setsockopt, level, join, b"short") == "EINVAL"
    nowhere = struct.pack("4s4si", socket.inet_aton("239.1.2.3"), bytes(4), 9999)
    assert _failure(endpoint.setsockopt, level, join, nowhere) == "ENODEV"
