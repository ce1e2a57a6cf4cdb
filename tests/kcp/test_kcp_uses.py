"""How a session is used: what is taken, what is told, and callbacks that do what they like."""

from __future__ import annotations

import array
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kcp_net import Kind, Line, Net

from netcore.kcp import Kcp, KcpOptions, wire
from netcore.kcp.wire import ACK, PUSH, Segment

BUFFERS = [
    bytearray(b"abcdef"),
    memoryview(b"abcdef"),
    memoryview(b"a-b-c-d-e-f")[::2],
    memoryview(array.array("H", b"abcdef")),
    array.array("H", b"abcdef"),
    type("Bytes", (bytes,), {})(b"abcdef"),
]


def packed(number: int, payload: bytes, fragment: int = 0) -> bytes:
    return wire.pack(7, Segment(PUSH, fragment, 128, 0, number, 0, payload))


def payloads(sent: list[bytes]) -> list[bytes]:
    return [each.payload for datagram in sent for each in wire.parse(datagram, 7) if each.command == PUSH]


@pytest.mark.parametrize("buffer", BUFFERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("stream", [True, False])
def test_whatever_has_bytes_can_be_sent(kind: Kind, buffer: bytes, stream: bool) -> None:
    sent: list[bytes] = []
    kcp = kind(7, sent.append, KcpOptions(stream=stream, mtu=50))
    kcp.send(b"x" * 23)
    kcp.send(buffer)
    assert kcp.held == 29
    kcp.update(0)
    assert b"".join(payloads(sent)) == b"x" * 23 + b"abcdef"


def test_what_was_sent_may_be_changed(kind: Kind) -> None:
    sent: list[bytes] = []
    kcp = kind(7, sent.append)
    buffer = bytearray(b"as it was")
    kcp.send(buffer)
    buffer[:] = b"different, and longer"
    kcp.update(0)
    assert payloads(sent) == [b"as it was"]


def test_datagrams_come_in_whatever_has_bytes(kind: Kind) -> None:
    kcp = kind(7, print)
    kcp.input(bytearray(packed(0, b"a")))
    memory = bytearray(packed(1, b"b"))
    kcp.input(memoryview(memory))
    memory[:] = bytes(len(memory))
    assert kcp.drain() == b"ab"


@pytest.mark.parametrize("odd", [None, 3, "text", [1, 2]], ids=repr)
def test_what_has_no_bytes_is_refused(kind: Kind, odd: object) -> None:
    kcp = kind(7, print)
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        kcp.send(odd)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        kcp.input(odd)  # type: ignore[arg-type]
    assert (kcp.waiting, kcp.held) == (0, 0)


def uses_of_time(kcp: Kcp) -> list[Callable[[float], object]]:
    return [kcp.next_update, kcp.next_due, lambda now: kcp.input(packed(0, b""), now), kcp.update, kcp.flush]


@pytest.mark.parametrize("has_begun", [False, True], ids=["before the first update", "after it"])
@pytest.mark.parametrize(
    "time",
    [float("nan"), float("inf"), -float("inf"), 1e13, 10**400, -(10**400)],
    ids=["nan", "inf", "-inf", "1e13", "10**400", "-10**400"],
)
def test_times_are_numbers_of_this_world(kind: Kind, time: float, has_begun: bool) -> None:
    kcp = kind(7, print)
    if has_begun:
        kcp.update(0)
    kcp.send(b"x")
    for use in uses_of_time(kcp):
        with pytest.raises(ValueError, match="is no time"):
            use(time)
    assert (kcp.waiting, kcp.receive()) == (1, None)


@pytest.mark.parametrize("odd", ["1", b"1", [1], object], ids=repr)
def test_times_are_numbers(kind: Kind, odd: object) -> None:
    kcp = kind(7, print)
    kcp.send(b"x")
    for use in uses_of_time(kcp):
        with pytest.raises(TypeError, match="must be real number, not"):
            use(odd)  # type: ignore[arg-type]
    for use in (kcp.next_update, kcp.next_due, kcp.update, kcp.flush):
        with pytest.raises(TypeError, match="must be real number, not NoneType"):
            use(None)  # type: ignore[arg-type]
    assert (kcp.waiting, kcp.receive()) == (1, None)


def test_a_time_may_be_whatever_is_one(kind: Kind) -> None:
    kcp = kind(7, lambda datagram: None)
    kcp.send(b"x")
    for now in (3, Fraction(7, 2), Decimal("4.0")):
        kcp.input(packed(0, b""), now)  # type: ignore[arg-type]
        at = kcp.next_update(now)  # type: ignore[arg-type]
        assert (type(at), at) == (float, float(now))
        assert type(kcp.next_due(now)) is float  # type: ignore[arg-type]
    kcp.flush(True)
    assert kcp.next_update(False) == 1.2  # when it is sent again


def test_the_conversation_is_a_number_that_stays(kind: Kind) -> None:
    kcp = kind(True, print)
    assert type(kcp.conversation) is int
    with pytest.raises(AttributeError):
        kcp.conversation = 8  # type: ignore[misc]
    assert repr(kcp) == "<Kcp 1: 0 waiting>"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_there_is_one_of_each(kind: Kind, duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"cannot pickle .*Kcp"):
        duplicate(kind(7, print))


def test_drain_joins_all_that_is_there_and_whole(kind: Kind) -> None:
    for stream in (True, False):
        kcp = kind(7, print, KcpOptions(stream=stream))
        assert kcp.drain() == b""
        kcp.input(packed(0, b"first") + packed(2, b"third", 1) + packed(1, b"") + packed(3, b"fourth"))
        kcp.input(packed(4, b"the end ", 1))
        assert kcp.drain() == b"firstthirdfourth"
        assert kcp.drain() == b""
        kcp.input(packed(5, b"is here"))
        assert kcp.drain() == b"the end is here"


@given(st.lists(st.integers(0, 12), max_size=40), st.lists(st.integers(0, 3), min_size=13, max_size=13))
def test_drain_is_receiving_until_there_is_nothing(
    kind: Kind, arrivals: list[int], fragments: list[int]
) -> None:
    ends = []
    for _ in range(2):
        sent: list[bytes] = []
        ends.append((kind(7, sent.append, KcpOptions(receive_window=4)), sent))
    (one, told), (other, said) = ends
    for i, number in enumerate(arrivals):
        for kcp, _ in ends:
            kcp.input(packed(number, b"%d," % number, fragments[number]))
        if i % 5 == 4:
            assert one.drain() == b"".join(iter(other.receive, None))
        for kcp, _ in ends:
            kcp.update(i / 10)
        assert told == said
        assert one.dead == other.dead


def test_held_is_what_is_not_acknowledged(kind: Kind) -> None:
    net = Net(kind, Line(loss=0.3, delay=0.01), KcpOptions(mtu=60), seed=1)
    end = net.ends[0]
    assert end.held == 0
    end.send(bytes(1000))
    end.send(b"")
    assert end.held == 1000
    before = 1000
    while end.waiting:
        net.step()
        net.ends[1].drain()
        assert end.held <= before
        before = end.held
        assert (end.held == 0) == (end.waiting == 0)


def test_nothing_is_due_until_something_is_sent_or_comes(kind: Kind) -> None:
    sent: list[bytes] = []
    kcp = kind(7, sent.append)
    assert kcp.next_due(5.0) is None
    kcp.update(5.0)
    assert (kcp.next_due(5.0), kcp.next_update(5.0)) == (None, 65.0)
    kcp.send(b"x")
    assert kcp.next_due(5.0) == 5.01  # the interval since it looked last
    assert kcp.next_due(6.0) == 6.0
    kcp.flush(6.0)
    assert kcp.next_due(6.0) == 6.2
    kcp.input(wire.pack(7, Segment(ACK, 0, 128, 6000, 0, 1, b"")), 6.1)
    assert kcp.next_due(6.1) is None
    kcp.input(packed(0, b"y"), 6.1)
    assert kcp.next_due(6.1) == 6.1


def test_a_session_that_was_never_updated_has_something_due_once_it_has_something(kind: Kind) -> None:
    kcp = kind(7, print)
    kcp.send(b"x")
    assert kcp.next_due(3.0) == 3.0


class Broken(Exception):
    """What the outputs here raise."""


def test_what_output_raises_passes_through_and_is_a_loss(kind: Kind) -> None:
    sent: list[bytes] = []
    broken = True

    def output(datagram: bytes) -> None:
        if broken:
            raise Broken
        sent.append(datagram)

    kcp = kind(7, output, KcpOptions(mtu=124))
    kcp.send(bytes(300))
    kcp.input(packed(0, b"x"))
    with pytest.raises(Broken):
        kcp.update(1.0)
    assert (kcp.waiting, kcp.held) == (3, 300)
    with pytest.raises(Broken):
        kcp.flush(2.0)
    broken = False
    kcp.flush(3.0)
    assert payloads(sent) == [bytes(100)] * 3
    assert kcp.drain() == b"x"


def test_output_may_use_the_session(kind: Kind) -> None:
    sent: list[bytes] = []
    depth = 0

    def output(datagram: bytes) -> None:
        nonlocal depth
        sent.append(datagram)
        depth += 1
        if depth < 5:
            kcp.send(b"%d" % depth * 100)
            kcp.input(packed(depth, b"z"))
            kcp.input(wire.pack(7, Segment(ACK, 0, 128, 0, depth, depth, b"")))
            kcp.flush(1.0 + depth)
            kcp.drain()
            kcp.update(1.0)
            assert kcp.next_due(1.0) is not None

    kcp = kind(7, output, KcpOptions(mtu=60, stream=False))
    kcp.send(bytes(300))
    kcp.update(1.0)
    numbers = [each.number for datagram in sent for each in wire.parse(datagram, 7) if each.command == PUSH]
    assert set(numbers) == set(range(9 + 4 * 3))


def test_a_buffer_may_use_the_session(kind: Kind) -> None:
    class Time(float):
        def __float__(self) -> float:
            kcp.send(b"within")
            return 1.0

    sent: list[bytes] = []
    kcp = kind(7, sent.append)
    kcp.send(b"before")
    kcp.update(Time(1.0))
    kcp.input(packed(0, b"x"), Time(1.0))
    assert kcp.drain() == b"x"
    assert b"".join(payloads(sent)).startswith(b"before")


def test_a_session_is_let_go_of_with_its_output(kind: Kind) -> None:
    class Owner:
        def __init__(self) -> None:
            self.kcp = kind(7, self.output)

        def output(self, datagram: bytes) -> None:
            """Drops it."""

    owner = Owner()
    owner.kcp.send(bytes(10_000))
    owner.kcp.update(0)
    owner.kcp.input(packed(3, b"early"))
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), {}),
        ((7,), {}),
        (("7", print), {}),
        ((7.0, print), {}),
        ((7, None), {}),
        ((7, print, {"mtu": 1200}), {}),
        ((7, print), {"options": KcpOptions}),
        ((7, print), {"epoch": 1.5}),
    ],
    ids=str,
)
def test_arguments_of_other_types_are_refused(
    kind: Kind, arguments: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError):
        kind(*arguments, **named)  # type: ignore[arg-type]


def test_what_is_no_options_and_what_cannot_be_called_is_named(kind: Kind) -> None:
    with pytest.raises(TypeError, match=r"^options is \{'mtu': 1200\}: it must be a KcpOptions, or None$"):
        kind(7, print, {"mtu": 1200})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^output is 'x': it must be callable$"):
        kind(7, "x")  # type: ignore[arg-type]


def test_it_shows_what_it_waits_for(kind: Kind) -> None:
    kcp = kind(2**32 - 1, lambda datagram: None, KcpOptions(dead_link=1))
    assert repr(kcp) == "<Kcp 4294967295: 0 waiting>"
    kcp.send(bytes(3000))
    assert repr(kcp) == "<Kcp 4294967295: 3 waiting>"
    kcp.flush(0)
    kcp.flush(5)
    assert repr(kcp) == "<Kcp 4294967295: 3 waiting, dead>"
