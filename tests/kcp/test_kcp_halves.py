"""The half in C and that in Python: whatever one does, the other does, byte for byte."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kcp_net import LINES, OPTIONS, Kind, Line, Net, begin_at

from netcore import kcp
from netcore._native import COLD
from netcore.kcp import KcpOptions, session, wire
from netcore.kcp.wire import ACK, ASK, PUSH, TELL, Segment

pytestmark = pytest.mark.skipif(bool(COLD), reason=COLD)


class End:
    """One end, in Python and in C."""

    def __init__(self, options: KcpOptions, epoch: int, unproven: bool, first: int) -> None:
        self.sent: list[bytes] = []
        self.also_sent: list[bytes] = []
        self.halves = [
            kind(7, output, options, epoch=epoch, unproven=unproven)
            for kind, output in ((session.Kcp, self.sent.append), (kcp.Kcp, self.also_sent.append))
        ]
        for half in self.halves:
            begin_at(half, first)

    def both(self, what: Callable[[session.Kcp], object]) -> object:
        """Does something with both, of which the same must come."""
        outcomes = []
        for half in self.halves:
            try:
                outcomes.append((what(half), half.waiting, half.held, half.dead, half.proven, half.owing))
            except ValueError as error:
                outcomes.append((str(error), half.waiting, half.held, half.dead, half.proven, half.owing))
        assert outcomes[0] == outcomes[1]
        assert self.sent == self.also_sent
        return outcomes[0][0]


class History:
    """Two ends, what is under way between them, and somebody who chooses what happens next."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.now = chance.choice([0.0, 1.0, 5e5, 2**32 / 1000 - 1])
        self.first = chance.choice([0, 0, 2**32 - 10, 2**31 - 5])
        stream = chance.random() < 0.5
        self.ends = [
            End(self.options(stream), chance.getrandbits(32), chance.random() < 0.5, self.first)
            for _ in range(2)
        ]
        self.seen = [0, 0]

    def options(self, stream: bool) -> KcpOptions:
        chance = self.chance
        return KcpOptions(
            no_delay=chance.choice([False, True, 2]),
            interval=chance.choice([0.001, 0.01, 0.0125, 0.1]),
            fast_resend=chance.randint(0, 3),
            congestion_control=chance.random() < 0.3,
            send_window=chance.choice([1, 4, 32, 300]),
            receive_window=chance.choice([1, 4, 32, 300]),
            mtu=chance.choice([50, 60, 200, 1400]),
            stream=stream,
            dead_link=chance.choice([1, 20, 10_000]),
        )

    def forged(self) -> bytes:
        chance = self.chance
        segments = []
        for _ in range(chance.choice([1, 1, 2, 30])):
            command = chance.choice([PUSH, PUSH, ACK, ACK, ASK, TELL, chance.randint(0, 255)])
            near = self.first + chance.choice([chance.randint(-3, 40), chance.randint(-600, 600)])
            far = chance.getrandbits(32)
            segments.append(
                Segment(
                    command,
                    chance.choice([0, 0, 1, chance.randint(0, 255)]),
                    chance.choice([0, 1, 5, 128, 65535]),
                    chance.choice([0, far, int(self.now * 1000) % 2**32]),
                    chance.choice([near % 2**32] * 9 + [far]),
                    (self.first + chance.choice([0, 0, 0, 1, 3, -1, far if chance.random() < 0.1 else 0]))
                    % 2**32,
                    chance.randbytes(chance.choice([0, 1, 30, 1000])),
                )
            )
        datagram = b"".join(wire.pack(7 if chance.random() < 0.99 else 8, each) for each in segments)
        return datagram if chance.random() < 0.9 else datagram[: chance.randint(0, len(datagram))]

    def arriving(self, which: int) -> bytes:
        """A datagram for an end: mostly the next one of the other's, or another, or somebody else's."""
        chance, sent = self.chance, self.ends[1 - which].sent
        if not sent or chance.random() < 0.1:
            return self.forged()
        if chance.random() < 0.1:
            return chance.choice(sent)
        index = min(self.seen[which], len(sent) - 1)
        self.seen[which] += chance.choice([1, 1, 1, 1, 2])
        return sent[index]

    def step(self) -> None:
        chance = self.chance
        which = chance.randrange(2)
        both = self.ends[which].both
        move = chance.random()
        if move < 0.15:
            data = chance.randbytes(chance.choice([0, 1, 10, 64, 300, 5000, 20_000]))
            both(lambda half: half.send(data))
        elif move < 0.6:
            datagram = self.arriving(which)
            now = chance.choice([None, self.now, self.now, self.now])
            both(lambda half: half.input(datagram, now))
        elif move < 0.601:
            both(lambda half: half.finish())
        elif move < 0.65:
            both(lambda half: half.receive())
        elif move < 0.75:
            both(lambda half: half.drain())
        elif move < 0.9:
            self.now += chance.choice([0, 0.0005, 0.01, 0.03, 0.3])
            both(lambda half: half.update(self.now))
        elif move < 0.95:
            both(lambda half: half.flush(self.now))
        elif move < 0.99:
            due = both(lambda half: half.next_due(self.now))
            self.now = due if isinstance(due, float) else self.now
        else:
            self.now += chance.choice([-1, 5, 60, -20, 1e6])
        both(lambda half: (half.next_due(self.now), half.next_update(self.now)))


@given(st.integers(0, 2**64))
def test_they_do_the_same_whatever_happens(seed: int) -> None:
    history = History(seed)
    for _ in range(300):
        history.step()


@given(LINES, OPTIONS, st.booleans(), st.integers(0, 2**32), st.integers(0, 20_000))
def test_whole_conversations_are_the_same(
    line: Line, options: KcpOptions, unproven: bool, seed: int, size: int
) -> None:
    data = bytes(i % 253 for i in range(size))
    conversations = []
    for kind in (session.Kcp, kcp.Kcp):
        net = Net(kind, line, options, seed=seed, epochs=(seed, -seed), unproven=unproven)
        got = b""
        for end in net.ends:
            end.send(data)
        for _ in range(2000):
            net.step()
            net.ends[0].drain()
            got += b"".join(net.take(1))
            if not any(end.waiting for end in net.ends):
                break
        assert data.startswith(got)
        conversations.append((net.sent, net.now, got))
    assert conversations[0] == conversations[1]


@pytest.mark.parametrize("window", [1, 3, 1024, 65535])
def test_they_have_the_same_windows_and_receipts(window: int) -> None:
    chance = random.Random(window)
    options = KcpOptions(receive_window=window, mtu=65507)
    end = End(options, 5, False, 0)
    for i in range(3000):
        number = chance.choice([i, chance.getrandbits(32), chance.randint(0, 3 * window)])
        datagram = wire.pack(7, Segment(PUSH, 0, 128, i, number % 2**32, 0, b"%d" % i))
        end.both(lambda half, datagram=datagram: half.input(datagram))  # type: ignore[misc]
        if i % 1000 == 999:
            end.both(lambda half: half.drain())
            end.both(lambda half, i=i: half.flush(float(i)))  # type: ignore[misc]


def test_what_is_exported_is_the_half_in_c() -> None:
    assert kcp.Kcp is not session.Kcp
    assert kcp.Kcp(7, print).proven


def a_turn(ends: list[session.Kcp], lines: list[list[bytes]], data: bytes, now: float) -> None:
    for end in ends:
        end.send(data)
        end.flush(now)
    for end, line in zip(ends, reversed(lines), strict=True):
        for datagram in line:
            end.input(datagram, now)
        line.clear()
        end.drain()


def test_messages_take_no_memory_for_good(tracemalloc: ModuleType) -> None:
    lines: list[list[bytes]] = [[], []]
    ends = [kcp.Kcp(7, line.append) for line in lines]

    def serve(times: int, since: float) -> None:
        for i in range(times):
            a_turn(ends, lines, bytes(64 + 50_000 * (i % 7 == 0)), since + i)
        gc.collect()

    serve(50, 0.0)
    tracemalloc.start()
    try:
        serve(50, 100.0)
        before, _ = tracemalloc.get_traced_memory()
        serve(500, 200.0)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_datagrams_are_let_go_of_once_they_are_read(kind: Kind) -> None:
    datagram = wire.pack(7, Segment(PUSH, 0, 128, 0, 0, 0, b"x" * 100))
    early = wire.pack(7, Segment(PUSH, 0, 128, 0, 5, 0, b"x" * 100))
    before = sys.getrefcount(datagram), sys.getrefcount(early)
    end = kind(7, print)
    for _ in range(3):
        end.input(datagram)
        end.input(early)
    assert end.drain() == b"x" * 100
    assert sys.getrefcount(datagram) == before[0]
    del end
    assert sys.getrefcount(early) == before[1]


def test_what_converts_an_argument_may_use_the_session() -> None:
    class Time:
        def __float__(self) -> float:
            end.send(b"within")
            end.flush(1.0)
            return 2.0

    sent: list[bytes] = []
    end = kcp.Kcp(7, sent.append)
    end.send(b"before")
    for use in (end.update, end.flush, end.next_due, end.next_update):
        use(Time())  # type: ignore[arg-type]
    end.input(wire.pack(7, Segment(PUSH, 0, 128, 0, 0, 0, b"x")), Time())  # type: ignore[arg-type]
    assert end.drain() == b"x"
    pushed = {each for datagram in sent for each in wire.parse(datagram, 7) if each.command == PUSH}
    payloads = {each.number: each.payload for each in pushed}
    assert payloads == {0: b"beforewithin", 1: b"within", 2: b"within", 3: b"within", 4: b"within"}


def test_one_that_was_not_initialized_says_so() -> None:
    end = kcp.Kcp.__new__(kcp.Kcp)
    for use in (lambda: end.send(b""), lambda: end.input(b""), end.receive, end.drain, lambda: end.update(0)):
        with pytest.raises(RuntimeError, match="has not been initialized"):
            use()


def test_one_may_begin_anew() -> None:
    sent: list[bytes] = []
    end = kcp.Kcp(7, print)
    end.send(bytes(5000))
    end.input(wire.pack(7, Segment(PUSH, 0, 128, 0, 2, 0, b"early")))
    end.__init__(8, sent.append)  # type: ignore[misc]
    assert (end.waiting, end.held, end.conversation) == (0, 0, 8)
    end.send(b"x")
    end.update(0)
    assert [each.number for each in wire.parse(sent[0], 8)] == [0]


@pytest.mark.parametrize(
    "wrong",
    [{"send_window": 0}, {"receive_window": 2**40}, {"mtu": 10}, {"interval": 1e9}, {"dead_link": None}],
    ids=str,
)
def test_options_that_got_round_their_checks_are_refused(wrong: dict[str, object]) -> None:
    options = KcpOptions()
    for name, value in wrong.items():
        object.__setattr__(options, name, value)
    with pytest.raises((ValueError, TypeError)):
        kcp.Kcp(7, print, options)


def test_arguments_have_names() -> None:
    end = kcp.Kcp(conversation=7, output=print, options=None)
    end.send(data=b"x")
    end.input(datagram=wire.pack(7, Segment(PUSH, 0, 128, 0, 0, 0, b"x")), now=None)
    assert end.next_due(now=0.0) == 0.0
    for odd in (
        lambda: end.send(b"x", data=b"x"),  # type: ignore[call-arg]
        lambda: end.send(b"x", b"x"),  # type: ignore[call-arg]
        lambda: end.update(),  # type: ignore[call-arg]
        lambda: end.update(0, later=1),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            odd()
