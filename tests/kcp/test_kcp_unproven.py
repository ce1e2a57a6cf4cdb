"""What a session does for a peer that may have lied about its address."""

from __future__ import annotations

import gc
from types import ModuleType

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
    assert [len(datagram) for when, end, datagram in net.sent if end == 1 and when < net.now] == [24]
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
    kcp.send(bytes(90))
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


def test_whoever_is_always_spoken_with_proves_its_address_however_long_a_round_trip_takes(kind: Kind) -> None:
    net = Net(kind, Line(delay=0.2), KcpOptions(), epochs=(1, EPOCH), unproven=True)
    asker, answerer = net.ends
    for _ in range(60):  # each is answered before anything of the last few has come back
        asker.send(b"left, right, left")
        net.run_for(1 / 60)
        answerer.send(answerer.drain())
    assert answerer.proven


def test_nothing_is_acknowledged_before_the_address_is_proven(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, bytes(1000)) + packed(PUSH, 2, bytes(10)), 1.0)
    kcp.update(1.0)
    kcp.input(packed(PUSH, 0, bytes(1000)), 1.1)
    kcp.send(b"so what?")
    kcp.update(1.1)
    assert [(each.command, each.acknowledged) for each in sent] == [(PUSH, 0), (PUSH, 0)]
    kcp.input(packed(ACK, 0, timestamp=sent[1].timestamp), 1.2)
    kcp.update(1.2)
    assert [(each.command, each.number, each.acknowledged) for each in sent[2:]] == [(ACK, 0, 1), (ACK, 2, 1)]


def test_who_only_sends_is_challenged_by_a_push_that_it_takes_for_an_old_one(kind: Kind) -> None:
    kcp, sent = alone(kind)
    peer = kind(7, kcp.input)
    peer.send(b"?")
    for now in (1.0, 1.2, 1.5):
        peer.update(now)
        kcp.update(now)
        assert kcp.next_due(now) is None  # until it is heard of again
    assert [(each.command, each.number, each.payload) for each in sent] == [(PUSH, 2**32 - 1, b"")] * 3
    peer.input(packed(PUSH, 2**32 - 1, timestamp=sent[2].timestamp), 1.6)
    assert peer.receive() is None
    peer.update(1.6)
    assert kcp.proven
    kcp.update(1.6)
    assert [(each.command, each.number, each.acknowledged) for each in sent[3:]] == [(ACK, 0, 1)]
    assert kcp.drain() == b"?"


def test_the_last_word_of_who_has_nothing_to_say_is_a_receipt(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, b"?") + packed(PUSH, 1) + packed(PUSH, 3), 1.0)
    kcp.send(bytes(100))
    kcp.finish()
    assert kcp.next_due(1.0) == 1.0
    kcp.update(1.0)
    assert [(each.command, each.acknowledged) for each in sent] == [(PUSH, 0)]  # which may yet prove it
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, b"?"), 1.0)
    kcp.update(1.0)
    kcp.input(packed(PUSH, 0, b"?") + packed(PUSH, 1), 2.0)
    kcp.finish()
    kcp.update(2.0)
    assert [(each.command, each.number, each.acknowledged) for each in sent[1:]] == [(ACK, 0, 2), (ACK, 1, 2)]
    assert not kcp.proven


def test_receipts_are_owed_until_they_are_paid_for(kind: Kind) -> None:
    for again in (packed(PUSH, 0, b"?"), packed(ACK, 0xFFFFFFFF, timestamp=EPOCH + 1000)):
        kcp, sent = alone(kind)
        kcp.input(packed(PUSH, 0, b"?"), 1.0)
        assert not kcp.owing
        kcp.update(1.0)
        kcp.finish()
        kcp.flush(1.0)
        assert kcp.owing
        assert kcp.next_due(1.0) is None
        kcp.input(again, 2.0)
        assert kcp.owing
        kcp.flush(2.0)
        assert not kcp.owing
        assert [(each.command, each.acknowledged) for each in sent] == [(PUSH, 0), (ACK, 1)]


def test_a_challenge_is_not_sent_beside_an_answer(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, bytes(60)), 1.0)
    kcp.send(b"an answer")
    kcp.update(1.0)
    assert [each.payload for each in sent] == [b"an answer"]
    assert kcp.next_due(1.0) == 1.2  # when the answer leaves again
    kcp.input(packed(PUSH, 1, b""), 1.1)
    kcp.update(1.1)
    assert [each.payload for each in sent] == [b"an answer", b""]


@pytest.mark.parametrize("size", [0, 1, 20_000])
@BOTH_MODES
def test_a_late_answer_to_a_short_question_comes_whatever_gets_lost(
    kind: Kind, stream: bool, size: int
) -> None:
    for seed in range(300):
        options = KcpOptions(stream=stream)
        net = Net(kind, Line(loss=0.05, delay=0.03), options, seed=seed, epochs=(1, seed), unproven=True)
        asker, answerer = net.ends
        asker.send(b"?")
        while not answerer.drain():
            net.step()
        net.run_for(0.5)
        answerer.send(bytes(size))
        got = 0
        while got < size or not answerer.proven:
            net.step()
            got += len(asker.drain())
            assert net.now < 105, seed


def test_a_message_waits_until_all_of_its_next_segment_may_be_sent(kind: Kind) -> None:
    kcp, sent = alone(kind, stream=False, mtu=124)
    kcp.input(packed(PUSH, 0, bytes(110)), 1.0)
    kcp.send(bytes(250))
    kcp.update(1.0)
    assert [(each.fragment, len(each.payload)) for each in sent] == [(2, 100)]
    kcp.input(packed(PUSH, 1, bytes(80)), 1.1)
    kcp.update(1.1)
    assert [(each.fragment, len(each.payload)) for each in sent[1:]] == [(0, 0)]
    kcp.input(packed(ACK, 0, timestamp=sent[0].timestamp, acknowledged=1), 1.2)
    kcp.update(1.2)
    pushes = [(each.fragment, len(each.payload)) for each in sent[2:] if each.command == PUSH]
    assert pushes == [(1, 100), (0, 50)]


def test_a_round_trip_is_measured_only_where_it_is_known_which_push_was_acknowledged(kind: Kind) -> None:
    for tries, timeout in ((1, 0.15), (2, 0.2)):
        kcp, sent = alone(kind)
        for i in range(tries):
            kcp.input(packed(PUSH, 0, b"?"), 1.0 + i / 10)
            kcp.update(1.0 + i / 10)
        kcp.input(packed(ACK, 2**32 - 1, timestamp=sent[0].timestamp), 1.0 + 0.05 * tries)
        kcp.send(b"!")
        kcp.update(2.0)
        due = kcp.next_due(2.0)
        assert due == pytest.approx(2.0 + timeout)


def kept(kind: Kind, datagrams: list[bytes], **options: object) -> list[int]:
    """What a session keeps while it trusts nobody: the numbers that it acknowledges as soon as it does."""
    kcp, sent = alone(kind, **options)
    for datagram in datagrams:
        kcp.input(datagram, 1.0)
    kcp.update(1.0)
    challenge = sent[-1]
    assert challenge.command == PUSH
    kcp.input(packed(ACK, challenge.number, timestamp=challenge.timestamp), 1.1)
    kcp.update(1.1)
    return [each.number for each in sent if each.command == ACK]


def test_no_more_than_16_kib_of_datagrams_are_kept_of_an_address_that_is_not_proven(kind: Kind) -> None:
    full = 1024 - HEADER_SIZE
    early = [packed(PUSH, number, bytes(full)) for number in range(1, 100)]
    assert kept(kind, early) == list(range(1, 17))
    assert kept(kind, early[:3] * 10 + early) == list(range(1, 17))  # what comes again is kept once
    in_order = [packed(PUSH, number, bytes(full)) for number in range(100)]
    assert kept(kind, in_order) == list(range(16))
    assert kept(kind, [packed(PUSH, 0, bytes(16384 - HEADER_SIZE + 1)), packed(PUSH, 1)]) == [1]
    mostly_noise = [packed(PUSH, number) + packed(ASK) * 100 for number in range(100)]
    assert kept(kind, mostly_noise) == list(range(16384 // len(mostly_noise[0])))


def test_what_was_read_counts_as_well(kind: Kind) -> None:
    kcp, _ = alone(kind)
    read = 0
    for number in range(100):
        kcp.input(packed(PUSH, number, bytes(1000)), 1.0)
        read += len(kcp.drain())
    assert read == 16_000


def test_what_was_not_kept_comes_again(kind: Kind) -> None:
    net = Net(kind, Line(delay=0.01), KcpOptions(), epochs=(1, EPOCH), unproven=True)
    net.ends[0].send(bytes(100_000))
    got = 0
    while got < 100_000:
        net.step()
        got += len(net.ends[1].drain())
        assert net.ends[1].proven or got <= 16384
    assert net.now < 101


def test_numbers_far_away_are_not_kept_before_the_address_is_proven(kind: Kind) -> None:
    numbers = [128, 1023, 127, 2**32 - 1, 2**32 - 500, 0, 128, 129]
    datagrams = [packed(PUSH, number) for number in numbers]
    assert kept(kind, datagrams, receive_window=1024) == [127, 0, 128]
    assert kept(kind, [b"".join(datagrams)], receive_window=1024) == [127, 0]
    assert kept(kind, datagrams, receive_window=2) == [0]


@pytest.mark.parametrize("numbers", ["far", "old", "in order", "early"])
def test_strangers_can_have_little_memory_taken(kind: Kind, numbers: str, tracemalloc: ModuleType) -> None:
    what = {"far": range(65534, 62000, -1), "old": range(-4000, 0), "in order": range(4000)}
    datagrams = [packed(PUSH, number) for number in what.get(numbers, range(1, 4000))]
    datagrams.append(b"".join(datagrams)[: 2700 * HEADER_SIZE])

    def attack() -> Kcp:
        kcp = kind(7, print, KcpOptions(receive_window=65535), epoch=EPOCH, unproven=True)
        for datagram in datagrams:
            kcp.input(datagram[:])
        return kcp

    attack()
    gc.collect()
    tracemalloc.start()
    try:
        kcp = attack()
        took, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not kcp.proven
    assert took < 16 * 16384


def test_questions_for_a_window_are_paid_for_as_well(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(PUSH, 0, bytes(30), window=0), 1.0)
    kcp.send(bytes(1000))
    now = 1.0
    while (due := kcp.next_due(now)) is not None:
        kcp.update(due)
        now = due
    assert [each.command for each in sent] == [PUSH, ASK]
    assert now == 6.0
    kcp.input(packed(ASK, window=0), now)
    kcp.update(now + 1)
    assert [each.command for each in sent] == [PUSH, ASK, TELL]
    assert kcp.next_due(now + 1) is None


def test_that_there_is_room_again_is_said_by_a_challenge(kind: Kind) -> None:
    kcp, sent = alone(kind, receive_window=1)
    for number in range(3):
        kcp.input(packed(PUSH, number), 1.0 + number)
        kcp.receive()
        kcp.update(1.0 + number)
    assert [(each.command, each.window) for each in sent] == [(PUSH, 1)] * 3


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
