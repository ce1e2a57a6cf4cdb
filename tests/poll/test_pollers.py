"""What single pollers do beyond the common contract."""

from __future__ import annotations

import contextlib
import decimal
import errno
import math
import os
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from netcore.poll import (
    EpollPoller,
    Interest,
    IocpPoller,
    IoUringPoller,
    KqueuePoller,
    Poller,
    Readiness,
    SelectPoller,
    open_poller,
)
from netcore.testing import FakePoller, FaultPlan, FaultyPoller


def where_it_runs(*pollers: type[Poller]) -> list[object]:
    return [pytest.param(poller, marks=pytest.mark.poller(poller.name), id=poller.name) for poller in pollers]


POLLERS = where_it_runs(EpollPoller, KqueuePoller, IoUringPoller, IocpPoller, SelectPoller)
LEVEL_ONLY = where_it_runs(IocpPoller, SelectPoller)


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    opened: Poller = request.param()
    yield opened
    opened.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


def test_names_and_abilities() -> None:
    assert (EpollPoller.name, EpollPoller.supports_edge) == ("epoll", True)
    assert (KqueuePoller.name, KqueuePoller.supports_edge) == ("kqueue", True)
    assert (IoUringPoller.name, IoUringPoller.supports_edge) == ("io_uring", True)
    assert (IocpPoller.name, IocpPoller.supports_edge) == ("iocp", False)
    assert (SelectPoller.name, SelectPoller.supports_edge) == ("select", False)


def test_flags_are_the_documented_numbers() -> None:
    assert [int(flag) for flag in Interest] == [1, 2, 4, 8]
    assert [int(flag) for flag in Readiness] == [1, 2, 4, 8]


def test_events_are_plain_integers(poller: Poller, pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    poller.register(near.fileno(), Interest.READ | Interest.WRITE)
    far.send(b"!")
    assert poller.wait(None) == [(near.fileno(), 3)]
    assert [type(part) for part in poller.wait(None)[0]] == [int, int]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_hangup_comes_unasked(poller: Poller, pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    poller.register(near.fileno(), 0)
    far.close()
    ((fd, readiness),) = poller.wait(5)
    assert fd == near.fileno()
    assert readiness & Readiness.HANGUP


@pytest.mark.parametrize("timeout", [1e7, 1e10, 1e300, 10**400, math.inf])
def test_a_huge_timeout_is_taken(poller: Poller, timeout: float) -> None:
    poller.wake()
    assert poller.wait(timeout) == []


@pytest.mark.parametrize(
    "timeout", [math.nan, -1, -0.5, -math.inf, True, "0", b"0", decimal.Decimal(0), [0], 0j]
)
def test_what_is_no_duration_is_refused(poller: Poller, timeout: float) -> None:
    with pytest.raises(ValueError if type(timeout) in (int, float) else TypeError, match="a timeout is"):
        poller.wait(timeout)
    assert poller.wait(0) == []


def test_a_descriptor_closed_too_early_is_forgiven(poller: Poller) -> None:
    near, far = socket.socketpair()
    poller.register(near.fileno(), Interest.READ)
    near.close()
    far.close()
    for _ in range(3):
        assert poller.wait(0) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to list descriptors")
def test_close_leaves_no_descriptor_open(poller: Poller) -> None:
    factory: Callable[[], Poller] = type(poller)
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        opened = factory()
        new = set(os.listdir("/proc/self/fd")) - set(before)
        assert new
        assert not any(os.get_inheritable(int(fd)) for fd in new if os.path.exists(f"/proc/self/fd/{fd}"))
        opened.close()
        assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("watchable", where_it_runs(EpollPoller, KqueuePoller, IoUringPoller))
def test_a_pollers_descriptor_may_be_watched_by_one_of_its_kind(
    watchable: type[EpollPoller], pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    inner, outer = watchable(), watchable()
    inner.register(near.fileno(), Interest.READ)
    outer.register(inner.fileno(), Interest.READ)
    for make_due in (lambda: far.send(b"!"), inner.wake):
        make_due()
        assert outer.wait(5) == [(inner.fileno(), Readiness.READABLE)]
        for _ in range(20):
            if inner.wait(0):
                near.recv(100)
            inner.fileno()
            if not outer.wait(0):
                break
        else:
            pytest.fail("it never comes to rest")
    outer.close()
    inner.close()


def test_pollers_without_a_descriptor_have_no_fileno() -> None:
    for without in (SelectPoller(), FakePoller(), FaultyPoller(open_poller(), FaultPlan())):
        assert not hasattr(without, "fileno")
        without.close()
    assert not hasattr(IocpPoller, "fileno")


def test_two_pollers_may_watch_one_descriptor(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    other: Poller = type(poller)()
    try:
        poller.register(near.fileno(), Interest.READ)
        other.register(near.fileno(), Interest.READ)
        far.send(b"!")
        assert poller.wait(5) == other.wait(5) == [(near.fileno(), Readiness.READABLE)]
        poller.wake()
        other.unregister(near.fileno())
        assert other.wait(0) == []
    finally:
        other.close()


@pytest.mark.parametrize("level_only", LEVEL_ONLY)
def test_edge_triggering_is_refused_by_those_without(
    level_only: Callable[[], Poller], pair: tuple[socket.socket, socket.socket]
) -> None:
    poller = level_only()
    with pytest.raises(ValueError, match="level-triggered only"):
        poller.register(pair[0].fileno(), Interest.READ | Interest.EDGE)
    poller.register(pair[0].fileno(), Interest.READ)
    with pytest.raises(ValueError, match="level-triggered only"):
        poller.modify(pair[0].fileno(), Interest.READ | Interest.EDGE)
    poller.close()


def test_select_says_how_many_sockets_it_can_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netcore.poll.select.SELECT_LIMIT", 4)
    poller = SelectPoller()
    socks = [socket.socket() for _ in range(4)]
    for sock in socks[:3]:
        poller.register(sock.fileno(), 0)
    with pytest.raises(OSError, match="select watches 4 sockets at most") as refused:
        poller.register(socks[3].fileno(), 0)
    assert refused.value.errno == errno.EMFILE
    poller.unregister(socks[0].fileno())
    poller.register(socks[3].fileno(), 0)
    poller.close()
    for sock in socks:
        sock.close()


@pytest.mark.posix
def test_what_is_always_ready_is_refused(poller: Poller) -> None:
    folder = os.open(".", os.O_RDONLY)
    with open(__file__, "rb") as file:
        for fd in (file.fileno(), folder):
            with pytest.raises(PermissionError):
                poller.register(fd, Interest.READ)
            with pytest.raises(FileNotFoundError):
                poller.unregister(fd)
    os.close(folder)


def test_a_descriptor_closed_too_early_is_no_longer_registered(poller: Poller) -> None:
    near, far = socket.socketpair()
    fd = near.fileno()
    poller.register(fd, Interest.READ)
    near.close()
    far.close()
    with contextlib.suppress(FileNotFoundError):
        poller.unregister(fd)
    with pytest.raises(FileNotFoundError):
        poller.unregister(fd)


@pytest.mark.poller("epoll")
def test_epoll_out_of_descriptors_leaves_nothing_open() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(__file__, "rb") as probe:
        lowest = probe.fileno()
    for room in (0, 1):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                EpollPoller()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with open(__file__, "rb") as probe:
        assert probe.fileno() == lowest
