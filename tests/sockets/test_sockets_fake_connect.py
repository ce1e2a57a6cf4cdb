"""Connecting on fakes: the test says what comes of it, and what goes wrong."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import pytest

from netcore._platform import AF_UNIX
from netcore.poll import Interest, Readiness
from netcore.sockets import Endpoint, SocketOptions, pack_name, unpack_name
from netcore.testing import (
    GENTLE_FAULTS,
    FakeDial,
    FakePoller,
    FakeSockets,
    FakeTransport,
    FaultPlan,
    FaultyPoller,
    FaultySockets,
)

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
WRITABLE = Readiness.WRITABLE
FAILED = Readiness.WRITABLE | Readiness.ERROR | Readiness.HANGUP
UNDER_WAY = -errno.EINPROGRESS
ENDPOINT = Endpoint(socket.AF_INET, ("192.0.2.9", 80))
OPTIONS = SocketOptions()


class Fakes:
    def __init__(self, **plan: object) -> None:
        self.poller = FakePoller()
        self.sockets = FakeSockets(self.poller)
        self.plan = FaultPlan(**plan)  # type: ignore[arg-type]
        self.faulty_poller = FaultyPoller(self.poller, self.plan)
        self.faulty = FaultySockets(self.sockets, self.plan, self.faulty_poller)

    def dial(self) -> int:
        fd, code = self.sockets.connect(ENDPOINT, STREAM, OPTIONS)
        assert code == UNDER_WAY
        self.poller.register(fd, Interest.WRITE)
        return fd


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def test_a_stream_is_under_way_until_the_test_ends_that(fakes: Fakes) -> None:
    fd = fakes.dial()
    assert fakes.sockets.dials == [FakeDial(ENDPOINT, STREAM, fd)]
    assert fakes.poller.wait(0) == []
    assert fakes.sockets.connected(fd) == UNDER_WAY
    with pytest.raises(OSError) as caught:
        fakes.sockets.remote_name(fd)
    assert caught.value.errno == errno.ENOTCONN
    fakes.sockets.finish_connect(fd)
    assert fakes.poller.wait(0) == [(fd, WRITABLE)]
    assert [fakes.sockets.connected(fd) for _ in range(2)] == [0, 0]
    assert str(unpack_name(fakes.sockets.remote_name(fd))) == "tcp://192.0.2.9:80"


def test_a_report_may_be_spurious(fakes: Fakes) -> None:
    fd = fakes.dial()
    fakes.poller.set_ready(fd, WRITABLE)
    assert fakes.poller.wait(0) == [(fd, WRITABLE)]
    assert fakes.sockets.connected(fd) == UNDER_WAY


def test_a_failure_is_reported_and_told_once(fakes: Fakes) -> None:
    fd = fakes.dial()
    fakes.sockets.finish_connect(fd, errno.ECONNREFUSED)
    assert fakes.poller.wait(0) == [(fd, FAILED)]
    assert [fakes.sockets.connected(fd) for _ in range(2)] == [-errno.ECONNREFUSED, UNDER_WAY]


def test_the_script_says_what_comes_at_once(fakes: Fakes) -> None:
    fakes.sockets.script_connects(0, errno.EINPROGRESS, errno.ECONNREFUSED, errno.EAGAIN)
    (first, done), (second, begun), refused, full = (
        fakes.sockets.connect(ENDPOINT, STREAM, OPTIONS) for _ in range(4)
    )
    assert (done, begun) == (0, UNDER_WAY)
    assert (refused, full) == ((-1, -errno.ECONNREFUSED), (-1, -errno.EAGAIN))
    assert [dial.fd for dial in fakes.sockets.dials] == [first, second, -1, -1]
    for fd in (first, second):
        fakes.poller.register(fd, Interest.WRITE)
    assert fakes.poller.wait(0) == [(first, WRITABLE)]
    assert fakes.sockets.connected(first) == 0
    assert fakes.sockets.connect(endpoint=ENDPOINT, kind=STREAM, options=OPTIONS)[1] == UNDER_WAY


def test_datagrams_are_connected_at_once(fakes: Fakes) -> None:
    fd, code = fakes.sockets.connect(ENDPOINT, DATAGRAM, OPTIONS)
    assert (code, fakes.sockets.connected(fd)) == (0, 0)


@pytest.mark.parametrize("end", [lambda sockets, fd: sockets.close([fd]), FakeSockets.reset])
def test_only_what_is_under_way_is_finished(fakes: Fakes, end: Callable[[FakeSockets, int], object]) -> None:
    fd = fakes.dial()
    fakes.sockets.finish_connect(fd)
    other = fakes.dial()
    end(fakes.sockets, other)
    for over in (fd, other, 7):
        with pytest.raises(ValueError, match=f"descriptor {over} is not being connected"):
            fakes.sockets.finish_connect(over)


def test_peers_connect_as_before(fakes: Fakes) -> None:
    fds = [
        fakes.sockets.connect(50),
        fakes.sockets.connect(50, "192.0.2.8", 4),
        fakes.sockets.connect(listener=50, remote="192.0.2.8", port=5),
    ]
    accepted, _ = fakes.sockets.accept(50, 8)
    assert [fd for fd, _ in accepted] == fds
    assert [unpack_name(name).port for _, name in accepted] == [40000, 4, 5]
    assert [fakes.sockets.remote_name(fd) for fd in fds] == [name for _, name in accepted]
    assert fakes.sockets.dials == []


def test_names_where_the_test_says_nothing(fakes: Fakes) -> None:
    name = pack_name(socket.AF_INET, ("192.0.2.7", 40000))
    assert FakeTransport().remote_name(7) == fakes.sockets.remote_name(7) == name


@pytest.mark.unix_sockets
def test_the_name_of_a_unix_listener(fakes: Fakes) -> None:
    fakes.sockets.script_connects(0)
    fd, _ = fakes.sockets.connect(Endpoint(AF_UNIX, "/run/x"), STREAM, OPTIONS)
    assert unpack_name(fakes.sockets.remote_name(fd)).path == "/run/x"


def test_faulty_sockets_fail_to_connect_as_planned(fakes: Fakes) -> None:
    fakes.plan.script("connect", errno.ENETUNREACH, errno.EINPROGRESS, None)
    assert fakes.faulty.connect(ENDPOINT, STREAM, OPTIONS) == (-1, -errno.ENETUNREACH)
    assert fakes.sockets.dials == []
    fakes.sockets.script_connects(0, 0)
    late, code = fakes.faulty.connect(ENDPOINT, STREAM, OPTIONS)
    assert (code, fakes.faulty.connected(late)) == (UNDER_WAY, 0)
    fd, code = fakes.faulty.connect(ENDPOINT, STREAM, OPTIONS)
    assert (code, fakes.faulty.connected(fd)) == (0, 0)
    assert fakes.faulty.remote_name(fd) == fakes.sockets.remote_name(fd)
    assert fakes.faulty.open == {late, fd}


def test_a_fault_while_it_is_asked(fakes: Fakes) -> None:
    fd, _ = fakes.faulty.connect(ENDPOINT, STREAM, OPTIONS)
    fakes.faulty_poller.register(fd, Interest.WRITE | Interest.EDGE)
    fakes.sockets.finish_connect(fd)
    fakes.plan.script("connect", errno.EINPROGRESS, errno.ETIMEDOUT)
    assert fakes.faulty_poller.wait(0) == [(fd, WRITABLE)]
    assert fakes.faulty.connected(fd) == UNDER_WAY
    assert fakes.faulty_poller.wait(0) == [(fd, WRITABLE)], "the edge was used up"
    assert fakes.faulty.connected(fd) == -errno.ETIMEDOUT
    assert fakes.faulty.dead == {fd}
    fakes.faulty.close([fd])
    assert fakes.faulty.open == fakes.faulty.dead == set()
    assert fakes.faulty.closed_twice == []


def test_gentle_faults_only_take_longer() -> None:
    fakes = Fakes(rate=0.7, seed=1, faults=GENTLE_FAULTS)
    for _ in range(20):
        fd, _ = fakes.faulty.connect(ENDPOINT, STREAM, OPTIONS)
        fakes.faulty_poller.register(fd, Interest.WRITE | Interest.EDGE)
        fakes.sockets.finish_connect(fd)
        for _ in range(100):
            if dict(fakes.faulty_poller.wait(0)).get(fd, 0) and fakes.faulty.connected(fd) == 0:
                break
        else:
            raise AssertionError("it never connects")
    assert sum(fakes.plan.injected.values()) > 5  # of one kind, which Windows calls WSAEINPROGRESS
