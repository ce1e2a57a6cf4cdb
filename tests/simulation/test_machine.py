"""What netcore learns of the kernel of the host that it runs on."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from netcore._machine import REAL, Machine, current
from netcore.testing import Simulation


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.posix)])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Simulation().host("a") if request.param == "simulated" else nullcontext():
        yield current()


def test_what_is_said_of_its_options_its_sockets_keep_to() -> None:
    with Simulation().host("a"):
        facts = current().facts
        with socket.socket() as tcp, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            for option in (facts.reuse_port, facts.share_port):
                assert option is not None
                udp.setsockopt(socket.SOL_SOCKET, option, 1)
                assert udp.getsockopt(socket.SOL_SOCKET, option) == 1
            for option in facts.keep_alive:
                assert option is not None
                tcp.setsockopt(socket.IPPROTO_TCP, option, 7)
                assert tcp.getsockopt(socket.IPPROTO_TCP, option) == 7
            for level, option in (
                (socket.IPPROTO_IP, facts.ip_pktinfo),
                (socket.IPPROTO_IPV6, facts.ipv6_recvpktinfo),
            ):
                assert option is not None
                udp.setsockopt(level, option, 1)
                assert udp.getsockopt(level, option) == 1
            assert facts.bind_to_device is not None
            tcp.setsockopt(socket.SOL_SOCKET, facts.bind_to_device, b"eth0\0")
            assert tcp.getsockopt(socket.SOL_SOCKET, facts.bind_to_device, 16) == b"eth0"


def test_a_socket_whose_peer_is_gone_has_hung_up(machine: Machine) -> None:
    one, other = socket.socketpair()
    fd = one.fileno()
    other.sendall(b"unread")
    assert not machine.in_trouble(fd)
    other.close()
    assert machine.in_trouble(fd)
    one.close()


def test_where_nothing_can_be_asked_the_poller_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll", raising=False)
    with socket.socket() as sock:
        assert REAL.in_trouble(sock.fileno())


def test_whether_a_socket_blocks_its_descriptor_tells(machine: Machine) -> None:
    with socket.socket() as sock:
        assert machine.is_blocking(sock.fileno())
        sock.setblocking(False)
        assert not machine.is_blocking(sock.fileno())
        fd = sock.fileno()
    with pytest.raises(OSError, match=r".") as caught:
        machine.is_blocking(fd)
    assert caught.value.errno == errno.EBADF
