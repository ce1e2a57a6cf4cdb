"""What a session does for a peer that may have lied about its address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kcp_net import LINES, TIRELESS, Kind, Line, Net

from netcore.kcp import KcpOptions, wire
from netcore.kcp.session import Kcp
from netcore.kcp.wire import ACK, ASK, HEADER_SIZE, PUSH, TELL, Segment

EPOCH = 0x9E3779B9
BOTH_MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "messages"])


def packed(command: int, number: int = 0, payload: bytes = b"", **more: int) -> bytes:
    segment = Segment(command, 0, 128, 0, number, 0, payload)
    return wire.pack(7, segment._replace(**more))


def alone(kind: Kind, **options: object) -> tuple[Kcp, list[Segment]]:
    """One end that trusts nobody yet, and what it sends."""
    sent: list[Segment] = []
    kcp = kind(
        7,
        lambda datagram: sent.extend(wire.parse(datagram, 7)),
        KcpOptions(**options),  # type: ignore[arg-type]
        epoch=EPOCH,
        unproven=True,
    )
    return kcp, sent


def size(segments: list[Segment]) -> int:
    return sum(HEADER_SIZE + len(each.payload) for each in segments)


SPOOFED = st.builds(
    Segment,
    st.sampled_from([PUSH, ACK, ASK, TELL]),
    st.integers(0, 2),
    st.sampled_from([0, 1, 5, 128, 65535]),
    st.integers(0, 2**31),  # never what a session of this epoch writes within some hours
    st.integers(0, 10),
    st.integers(0, 4),
    st.binary(max_size=60),
)
MOVES = st.lists(
    st.one_of(
        st.lists(SPOOFED, min_size=1, max_size=4),
        st.binary(max_size=3000),  # is sent
        st.floats(0, 3),  # passes
    ),
    max_size=30,
)


@given(MOVES, st.booleans(), st.integers(50, 300), st.booleans())
def test_whoever_cannot_read_the_answers_gets_no_more_bytes_sent_than_were_spent(
    kind: Kind, moves: list[list[Segment] | bytes | float], stream: bool, mtu: int, congested: bool
) -> None:
    kcp, sent = alone(kind, stream=stream, mtu=mtu, congestion_control=congested)
    now, received = 1.0, 0
    for move in moves:
        if isinstance(move, list):
            datagram = b"".join(wire.pack(7, segment) for segment in move)
            before = kcp.next_due(now)
            try:
                kcp.input(datagram, now)
            except ValueError:
                assert kcp.next_due(now) == before
            else:
                received += len(datagram)
        elif isinstance(move, bytes):
            try:
                kcp.send(move)
            except ValueError:
                assert not stream
        else:
            until = now + move
            while (due := kcp.next_due(now)) is not None and due < until:
                kcp.update(due)
                again = kcp.next_due(due)
                assert again is None or again > due
                now = due
            now = until
        assert size(sent) <= received
        assert not kcp.proven


@BOTH_MODES
@given(LINES, st.integers(0, 2**32), st.binary(min_size=1, max_size=500), st.integers(0, 6000))
def test_questions_are_answered_whatever_gets_lost(
    kind: Kind, stream: bool, line: Line, seed: int, question: bytes, size: int
) -> None:
    options = KcpOptions(stream=stream, mtu=100, dead_link=TIRELESS)
    net = Net(kind, line, options, seed=seed, epochs=(seed, EPOCH), unproven=True)
    asker, answerer = net.ends
    answer = bytes(i % 251 for i in range(size)) + b"."
    asker.send(question)
    heard, got = b"", b""
    while len(got) < len(answer):
        net.step()
        heard += answerer.drain()
        if heard == question:
            answerer.send(answer)
            heard = b""
        got += asker.drain()
        assert net.updates < 200_000
    assert got == answer


@BOTH_MODES
def test_a_long_answer_to_a_short_question_waits_for_one_round_trip(kind: Kind, stream: bool) -> None:
    options = KcpOptions(stream=stream)
    net = Net(kind, Line(delay=0.05), options, epochs=(1, EPOCH), unproven=True)
    asker, answerer = net.ends
    asker.send(b"what?")
    net.run_for(0.06)
    assert answerer.drain() == b"what?"
    answerer.send(bytes(100_000))
    while not answerer.proven:
        net.step()
    assert net.now < 100 + 0.05 + 0.1 + 0.05
    assert [len(datagram) for when, end, datagram in net.sent if end == 1 and when < net.now] == [29]
    got = 0
    while got < 100_000:
        net.step()
        got += len(asker.drain())
    assert net.now < 100 + 0.05 + 0.1 + 0.05 + 0.1
    net.run_for(1)
    assert not asker.waiting and not answerer.waiting


def test_an_answer_that_is_no_longer_than_the_question_leaves_at_once_and_whole(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, b"sixty-four"), 1.0)
    kcp.send(b"sixty-four")
    kcp.update(1.0)
    assert [(each.command, each.payload) for each in sent] == [(PUSH, b"sixty-four")]
    assert sent[0].timestamp == (1000 + EPOCH) % 2**32
    assert kcp.next_due(1.0) is None  # it would leave again, were there anything to spend
    kcp.input(packed(ACK, 0, timestamp=sent[0].timestamp, acknowledged=1), 1.1)
    assert kcp.proven and kcp.held == 0
    kcp.update(1.1)
    assert [(each.command, each.acknowledged) for each in sent[1:]] == [(ACK, 1)]


@pytest.mark.parametrize("off", [1, -1, 2**31])
def test_a_receipt_with_a_guessed_timestamp_proves_nothing(kind: Kind, off: int) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, bytes(100)), 1.0)
    kcp.send(bytes(1000))
    kcp.update(1.0)
    (push,) = sent
    for guess in (
        packed(ACK, 0, timestamp=(push.timestamp + off) % 2**32),
        packed(PUSH, 1, acknowledged=1, timestamp=push.timestamp),
        packed(TELL, acknowledged=1, timestamp=push.timestamp),
    ):
        kcp.input(guess, 1.01)
    assert not kcp.proven
    kcp.input(packed(ACK, 0, timestamp=push.timestamp), 1.02)
    assert kcp.proven  # late though it comes: another has told already that it has arrived


def test_a_late_receipt_of_an_earlier_try_proves_as_well(kind: Kind) -> None:
    kcp, sent = alone(kind)
    for i in range(3):
        kcp.input(packed(PUSH, 0, b"?"), 1.0 + i)
        if not i:
            kcp.send(b"!")
        kcp.update(1.0 + i)
    assert [each.command for each in sent] == [PUSH] * 3
    kcp.input(packed(ACK, 0, timestamp=sent[0].timestamp), 4.0)
    assert kcp.proven


def test_nothing_is_acknowledged_while_there_is_something_to_prove_it_by(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, bytes(100)), 1.0)
    kcp.update(1.0)
    assert [(each.command, each.acknowledged) for each in sent] == [(ACK, 1)]
    kcp.input(packed(PUSH, 1, bytes(100)) + packed(PUSH, 3, bytes(10)), 1.1)
    kcp.send(b"so what?")
    kcp.update(1.1)
    assert [(each.command, each.acknowledged) for each in sent[1:]] == [(PUSH, 1)]
    kcp.input(packed(ACK, 0, timestamp=sent[1].timestamp), 1.2)
    kcp.update(1.2)
    assert [(each.command, each.number, each.acknowledged) for each in sent[2:]] == [(ACK, 1, 2), (ACK, 3, 2)]


def test_a_peer_that_only_sends_is_acknowledged_once_it_has_left_enough_for_an_answer(kind: Kind) -> None:
    kcp, sent = alone(kind)
    count = 0
    while not sent:
        assert count < 10
        kcp.input(packed(PUSH, 0, b"short"), float(count))
        kcp.update(float(count))
        count += 1
    assert [each.command for each in sent] == [ACK]
    # The peer has nothing to send again now, so that this has to do for more than one try.
    kcp.send(bytes(1000))
    now = float(count)
    while (due := kcp.next_due(now)) is not None:
        kcp.update(due)
        now = due
    tries = [each.number for each in sent if each.command == PUSH]
    assert tries == [0, 0, 0]
    assert size(sent) <= count * 29
    for number in range(100):
        kcp.input(packed(PUSH, number, b"much" * 10), now)
        kcp.update(now)
    assert not kcp.proven and not kcp.dead


def test_a_message_is_cut_before_its_parts_are_counted(kind: Kind) -> None:
    kcp, sent = alone(kind, stream=False, mtu=124)
    kcp.input(packed(PUSH, 0, bytes(10)), 1.0)
    kcp.send(bytes(250))
    kcp.update(1.0)
    assert [(each.fragment, len(each.payload)) for each in sent] == [(3, 10)]
    kcp.input(packed(ACK, 0, timestamp=sent[0].timestamp, acknowledged=1), 1.1)
    kcp.update(1.1)
    pushes = [(each.fragment, len(each.payload)) for each in sent if each.command == PUSH]
    assert pushes == [(3, 10), (2, 90), (1, 100), (0, 50)]


def test_a_message_that_fills_the_window_of_the_peer_is_not_cut(kind: Kind) -> None:
    kcp, sent = alone(kind, stream=False, mtu=124)
    kcp.input(packed(PUSH, 0, bytes(10), window=2), 1.0)
    kcp.send(bytes(200))
    kcp.update(1.0)
    assert (sent, kcp.next_due(1.0)) == ([], None)
    for i in range(4):
        kcp.input(packed(PUSH, 0, bytes(10), window=2), 2.0 + i)
    kcp.update(6.0)
    assert [(each.fragment, len(each.payload)) for each in sent] == [(1, 100)]
    kcp.input(packed(ACK, 0, window=2, acknowledged=1), 6.1)
    kcp.update(6.1)
    assert len(sent) == 1  # in the midst of a message nothing is cut either
    kcp.input(packed(ACK, 0, window=2, timestamp=sent[0].timestamp, acknowledged=1), 6.2)
    kcp.update(6.2)
    assert [(each.fragment, len(each.payload)) for each in sent if each.command == PUSH][1:] == [(0, 100)]


def test_what_is_not_well_formed_pays_for_nothing(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.send(b"hello")
    for bad in (b"", bytes(1000), packed(PUSH, 0, bytes(100), acknowledged=1), packed(PUSH, fragment=128)):
        with pytest.raises(ValueError):
            kcp.input(bad, 1.0)
    kcp.update(1.0)
    assert (sent, kcp.next_due(1.0)) == ([], None)


def test_questions_for_a_window_are_paid_for_as_well(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, window=0), 1.0)
    kcp.send(bytes(1000))
    now = 1.0
    while (due := kcp.next_due(now)) is not None:
        kcp.update(due)
        now = due
    assert [each.command for each in sent] == [ASK]
    assert now == 6.0
    kcp.input(packed(ASK, window=0), now)
    kcp.update(now + 1)
    assert [each.command for each in sent] == [ASK, TELL]
    assert kcp.next_due(now + 1) is None


def test_who_begins_is_proven_from_the_start(kind: Kind) -> None:
    kcp = kind(7, print)
    assert kcp.proven is True
    assert kind(7, print, unproven=True).proven is False


def test_the_epoch_is_seen_on_the_wire_only(kind: Kind) -> None:
    histories = []
    for epoch in (0, 2**32 - 100_500, -1):
        options = KcpOptions(congestion_control=True, mtu=124)
        net = Net(kind, Line(loss=0.2, delay=0.03, jitter=0.1), options, seed=5, epochs=(epoch, epoch))
        net.ends[0].send(bytes(5000))
        while net.ends[0].waiting:
            net.step()
            net.ends[1].drain()
        history = []
        for when, end, datagram in net.sent:
            for each in wire.parse(datagram, 7):
                is_stamped = each.command in (PUSH, ACK)
                stamp = (each.timestamp - epoch) % 2**32 if is_stamped else each.timestamp
                history.append((when, end, each._replace(timestamp=stamp)))
        histories.append(history)
    assert histories[0] == histories[1] == histories[2]
