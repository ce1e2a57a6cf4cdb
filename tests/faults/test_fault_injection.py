"""The fault injection itself: it does what was planned, and nothing else."""

from __future__ import annotations

import errno

import pytest

from netcore.poll import Interest, Readiness, SelectPoller, open_poller
from netcore.sockets import NativeSockets, PureSockets
from netcore.testing import (
    GENTLE_FAULTS,
    HARSH_FAULTS,
    FakePoller,
    FakeSockets,
    FaultPlan,
    FaultyPoller,
    FaultySockets,
    Short,
    check_poller,
    check_sockets,
)

READ, WRITE = Interest.READ, Interest.WRITE
READABLE, WRITABLE = Readiness.READABLE, Readiness.WRITABLE


class Bench:
    def __init__(self, **plan):
        self.plan = FaultPlan(**plan)
        self.fake_poller = FakePoller()
        self.fakes = FakeSockets(self.fake_poller)
        self.poller = FaultyPoller(self.fake_poller, self.plan)
        self.sockets = FaultySockets(self.fakes, self.plan, self.poller)

    def open(self, fd=7, interest=READ):
        self.sockets.attach(fd)
        self.poller.register(fd, interest)
        return fd


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.usefixtures("known_to_wine")
@pytest.mark.parametrize("backend", [PureSockets, pytest.param(NativeSockets, marks=pytest.mark.native)])
def test_without_faults_they_are_sockets_like_others(backend):
    check_sockets(lambda: FaultySockets(backend(), FaultPlan()))


@pytest.mark.parametrize("rate", [0, 0.3])
@pytest.mark.parametrize("backend", [SelectPoller, open_poller])
def test_the_poller_keeps_the_contract_with_faults_too(backend, rate):
    check_poller(lambda: FaultyPoller(backend(), FaultPlan(rate, seed=1)))


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR])
def test_a_passing_fault_of_receive_loses_nothing(bench, code):
    fd = bench.open(interest=READ | Interest.EDGE)
    bench.fakes.feed(fd, b"data")
    assert bench.poller.wait(0) == [(fd, READABLE)]
    bench.plan.script("receive", code)
    assert bench.sockets.receive([fd]) == [-code]
    assert bench.poller.wait(0) == [(fd, READABLE)], "the edge was used up"
    assert bench.sockets.receive([fd]) == [4]
    assert bench.sockets.arena[:4] == b"data"


def test_a_short_receive_holds_the_rest_back(bench):
    fd = bench.open()
    bench.fakes.feed(fd, b"abcdef")
    bench.fakes.feed_eof(fd)
    bench.plan.script("receive", Short(2), Short(3))
    got = []
    for _ in range(3):
        assert bench.poller.wait(0)
        (n,) = bench.sockets.receive([fd])
        got.append(bench.sockets.arena[:n])
    assert got == [b"ab", b"cde", b"f"]
    assert bench.sockets.receive([fd]) == [0]


def test_a_batch_lies_in_the_arena_without_gaps(bench):
    fds = [bench.open(fd) for fd in (7, 8, 9, 10)]
    for fd in fds:
        bench.fakes.feed(fd, bytes([fd]) * 5)
    bench.plan.script("receive", Short(2), errno.EAGAIN, errno.ECONNRESET)
    assert bench.sockets.receive(fds) == [2, -errno.EAGAIN, -errno.ECONNRESET, 5]
    assert bench.sockets.arena[:7] == b"\x07\x07" + b"\x0a" * 5
    assert bench.sockets.dead == {9}
    assert bench.sockets.receive([9]) == [0]
    assert bench.sockets.send([9], [b"x"]) == [(0, -errno.EPIPE)]


def test_a_full_arena_makes_the_batch_shorter():
    bench = Bench()
    bench.sockets._sockets = FakeSockets(bench.fake_poller, receive_cap=4096, arena_size=4096)
    for fd in (7, 8):
        bench.open(fd)
        bench.sockets._sockets.feed(fd, bytes([fd]) * 4000)
    assert bench.sockets.receive([7, 8]) == [4000]
    assert bench.sockets.receive([8]) == [4000]
    assert bench.sockets.arena[:4000] == b"\x08" * 4000


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR, errno.ENOBUFS])
def test_a_passing_fault_of_send_leaves_all_of_it(bench, code):
    fd = bench.open(interest=READ | WRITE | Interest.EDGE)
    bench.fake_poller.set_ready(fd, WRITABLE)
    bench.poller.wait(0)
    bench.plan.script("send", code)
    assert bench.sockets.send([fd, fd], [b"one", b"two"]) == [(0, 3), (1, 3)]
    assert bench.poller.wait(0) == [(fd, WRITABLE)]
    assert bench.sockets.send([fd, fd], [b"one", b"two"]) == []
    assert bench.fakes.sent[fd] == b"onetwo"


def test_a_short_send_is_not_overtaken(bench):
    fd = bench.open()
    bench.plan.script("send", None, Short(1))
    assert bench.sockets.send([fd, fd, 8, fd], [b"one", b"two", b"8", b"three"]) == [(1, 2), (3, 5)]
    assert bench.fakes.sent[fd] == b"onet"
    assert bench.fakes.sent[8] == b"8"


def test_accept_fails_as_planned(bench):
    fds = [bench.fakes.connect(50) for _ in range(5)]
    bench.plan.script("accept", errno.EMFILE, errno.EINTR, errno.ECONNABORTED, Short(1))
    assert bench.sockets.accept(50, 10) == ([], -errno.EMFILE)
    assert bench.sockets.accept(50, 10) == ([], 0)
    assert bench.sockets.accept(50, 10) == ([], 0)
    assert bench.fakes.resets == fds[:1], "it died before it was accepted"
    assert [fd for fd, _ in bench.sockets.accept(50, 10)[0]] == fds[1:2]
    assert [fd for fd, _ in bench.sockets.accept(50, 10)[0]] == fds[2:]


def test_the_poller_fails_as_planned(bench):
    bench.plan.script("register", errno.ENOSPC)
    with pytest.raises(OSError) as caught:
        bench.poller.register(7, READ)
    assert caught.value.errno == errno.ENOSPC
    fds = [bench.open(fd) for fd in (7, 8, 9)]
    for fd in fds:
        bench.fakes.feed(fd, b"x")
    bench.plan.script("wait", errno.EINTR, Short(1))
    assert bench.poller.wait(None) == []
    first = bench.poller.wait(None)
    rest = bench.poller.wait(None)
    assert len(first) == 1
    assert {fd for fd, _ in [*first, *rest]} == set(fds)


def test_readiness_that_is_not_there(bench):
    fd = bench.open()
    bench.plan.script("wait", errno.EAGAIN)
    assert bench.poller.wait(None) == [(fd, READABLE)]
    assert bench.sockets.receive([fd]) == [-errno.EAGAIN]


def test_what_is_owed_does_not_outlive_the_registration(bench):
    fd = bench.open()
    bench.poller.remind(fd, READABLE)
    bench.poller.unregister(fd)
    bench.poller.register(fd, READ)
    assert bench.poller.wait(0) == []


def test_nothing_is_owed_to_who_does_not_want_it_now(bench):
    fd = bench.open()
    bench.poller.modify(fd, 0)
    bench.poller.remind(fd, READABLE)
    assert not bench.poller.owes
    bench.poller.modify(fd, READ)
    assert bench.poller.owes
    assert bench.poller.wait(0) == [(fd, READABLE)]
    assert not bench.poller.owes


def test_descriptors_are_accounted_for(bench):
    fds = [bench.open(fd) for fd in (7, 8)]
    assert bench.sockets.open == {7, 8}
    bench.sockets.close([7])
    bench.sockets.reset(8)
    assert bench.sockets.open == set()
    bench.sockets.close([7])
    assert bench.sockets.closed_twice == [7]
    assert fds == [7, 8]


def test_the_same_seed_gives_the_same_faults():
    def draw(seed):
        plan = FaultPlan(0.5, seed, HARSH_FAULTS)
        return [plan.draw(operation) for _ in range(50) for operation in ("receive", "send", "wait")]

    assert draw(1) == draw(1) != draw(2)


def test_what_was_injected_is_counted():
    plan = FaultPlan(1, faults={"receive": (errno.EINTR,)})
    plan.script("send", Short(3), None)
    for operation in ("receive", "receive", "send", "send", "register"):
        plan.draw(operation)
    assert plan.injected == {("receive", "EINTR"): 2, ("send", "Short(3)"): 1}
    plan.calm()
    assert plan.draw("receive") is None


def test_gentle_faults_are_among_the_harsh():
    for operation, faults in GENTLE_FAULTS.items():
        assert set(faults) <= set(HARSH_FAULTS[operation])
