"""What a session promises, on lines that do to datagrams what lines do."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kcp_net import LINES, OPTIONS, TIRELESS, Kind, Line, Net, begin_at

from netcore.kcp import KcpOptions, wire
from netcore.kcp.session import Kcp
from netcore.kcp.wire import ACK, ASK, PUSH, TELL, Segment


def segments(net: Net, end: int, since: int = 0) -> list[Segment]:
    """What an end has sent."""
    return [each for _, who, datagram in net.sent[since:] if who == end for each in wire.parse(datagram, 7)]


def packed(
    command: int,
    number: int = 0,
    *,
    fragment: int = 0,
    window: int = 128,
    payload: bytes = b"",
    timestamp: int = 0,
    acknowledged: int = 0,
) -> bytes:
    return wire.pack(7, Segment(command, fragment, window, timestamp, number, acknowledged, payload))


def alone(kind: Kind, **options: object) -> tuple[Kcp, list[bytes]]:
    """One end, and what it sends."""
    sent: list[bytes] = []
    return kind(7, sent.append, KcpOptions(**options)), sent  # type: ignore[arg-type]


@given(LINES, OPTIONS, OPTIONS, st.integers(0, 2**32), st.binary(max_size=4000), st.binary(max_size=300))
def test_every_byte_arrives_once_and_in_order(
    kind: Kind, line: Line, options: KcpOptions, others: KcpOptions, seed: int, there: bytes, back: bytes
) -> None:
    net = Net(kind, line, options, others, seed, epochs=(seed, -seed))
    net.ends[0].send(there)
    net.ends[1].send(back)
    got = [bytearray(), bytearray()]
    while (len(got[1]), len(got[0])) != (len(there), len(back)) or any(end.waiting for end in net.ends):
        net.step()
        for end in range(2):
            got[end] += b"".join(net.take(end))
        assert there.startswith(got[1]) and back.startswith(got[0])
        assert net.updates < 200_000
    assert not any(end.dead for end in net.ends)


@given(LINES, st.integers(0, 2**32), st.lists(st.binary(max_size=1000), max_size=20), st.integers(50, 300))
def test_messages_arrive_whole(kind: Kind, line: Line, seed: int, messages: list[bytes], mtu: int) -> None:
    net = Net(kind, line, KcpOptions(stream=False, mtu=mtu, dead_link=TIRELESS), seed=seed)
    for message in messages:
        net.ends[0].send(message)
    got: list[bytes] = []
    while len(got) < len(messages):
        net.step()
        got += net.take(1)
        assert net.updates < 200_000
    assert got == messages


@given(LINES, OPTIONS, st.integers(0, 2**32), st.integers(0, 100))
def test_there_is_no_update_without_something_to_do(
    kind: Kind, line: Line, options: KcpOptions, seed: int, count: int
) -> None:
    net = Net(kind, line, options, seed=seed)
    for i in range(count):
        net.ends[i % 2].send(bytes(i))
        net.step(0.01)
        at = net.now
        for end in net.ends:
            when = end.next_update(at)
            end.update(when)
            assert end.next_update(when) > when
    for _ in range(20_000):
        if not any(end.waiting for end in net.ends):
            break
        for end in range(2):
            net.take(end)
        net.step()
    else:
        raise AssertionError("they do not come to rest")
    net.run_for(2)
    before = len(net.sent), net.updates
    net.run_for(300)
    assert len(net.sent) == before[0]
    assert net.updates - before[1] < 20


def test_without_loss_nothing_is_sent_twice(kind: Kind) -> None:
    net = Net(kind, Line(delay=0.01))
    net.ends[0].send(bytes(100_000))
    while net.ends[0].waiting:
        net.step()
        net.take(1)
    numbers = [each.number for each in segments(net, 0) if each.command == PUSH]
    assert numbers == list(range(-(-100_000 // 1376)))


def test_neither_send_nor_input_sends(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.send(b"hello")
    kcp.input(packed(PUSH, payload=b"hi"))
    kcp.input(packed(ASK))
    assert (sent, kcp.receive(), kcp.receive()) == ([], b"hi", None)
    kcp.update(1.0)
    (datagram,) = sent
    assert [each.command for each in wire.parse(datagram, 7)] == [ACK, TELL, PUSH]


def test_what_is_not_well_formed_changes_nothing(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.send(b"hello")
    kcp.update(1.0)
    good = packed(ACK, 0, timestamp=1000, acknowledged=1) + packed(PUSH, payload=b"hi", acknowledged=1)
    for bad in (
        b"",
        good[:-1],
        good + b"?",
        good + packed(99),
        good + wire.pack(8, Segment(PUSH, 0, 1, 0, 0, 0, b"")),
        good + packed(PUSH, acknowledged=2),
        good + packed(PUSH, 1, fragment=128, acknowledged=1),
    ):
        with pytest.raises(ValueError):
            kcp.input(bad)
        assert (kcp.waiting, kcp.receive()) == (1, None)
    kcp.update(1.02)
    assert len(sent) == 1
    kcp.input(good)
    assert (kcp.waiting, kcp.receive()) == (0, b"hi")


def test_a_stream_joins_what_fits_and_splits_what_does_not(kind: Kind) -> None:
    kcp, sent = alone(kind, mtu=74)
    for piece in (b"a" * 20, b"b" * 20, b"", b"c" * 25):
        kcp.send(piece)
    assert kcp.waiting == 2
    kcp.update(0)
    payloads = [each.payload for datagram in sent for each in wire.parse(datagram, 7)]
    assert payloads == [b"a" * 20 + b"b" * 20 + b"c" * 10, b"c" * 15]


def test_several_segments_share_a_datagram_if_they_fit(kind: Kind) -> None:
    kcp, sent = alone(kind, stream=False, mtu=100)
    for _ in range(3):
        kcp.send(b"x" * 20)
    kcp.update(0)
    assert [len(datagram) for datagram in sent] == [88, 44]


def test_messages_are_bounded_by_fragments_and_by_the_window_of_the_peer(kind: Kind) -> None:
    kcp, _ = alone(kind, stream=False, mtu=124)
    with pytest.raises(ValueError, match="128 segments: 127"):
        kcp.send(bytes(127 * 100 + 1))
    assert kcp.waiting == 0
    kcp.send(bytes(127 * 100))
    assert kcp.waiting == 127
    kcp.input(packed(TELL, window=3))
    kcp.input(packed(TELL, window=1))  # it has two of them in use
    kcp.send(bytes(300))
    with pytest.raises(ValueError, match="4 segments: 3"):
        kcp.send(bytes(301))


def test_a_peer_that_has_had_no_room_yet_may_have_some(kind: Kind) -> None:
    kcp, sent = alone(kind, stream=False, mtu=124)
    kcp.input(packed(TELL, 0, window=0))
    kcp.send(b"later")
    kcp.flush(1.0)
    assert sent == []
    kcp.input(packed(TELL, 0, window=1))
    kcp.flush(1.1)
    pushes = [each for each in wire.parse(sent[0], 7) if each.command == PUSH]
    assert [each.payload for each in pushes] == [b"later"]


def test_windows_below_128_are_honoured_on_both_sides(kind: Kind) -> None:
    net = Net(kind, options=KcpOptions(send_window=3, receive_window=2, mtu=124))
    net.ends[0].send(bytes(1000))
    net.run_for(0.05)
    assert len({each.number for each in segments(net, 0) if each.command == PUSH}) == 3
    assert {each.window for each in segments(net, 1)} <= {0, 1, 2}
    while net.ends[0].waiting:
        net.step()
        net.take(1)


def test_a_full_receiver_is_waited_for_and_says_when_it_has_room(kind: Kind) -> None:
    net = Net(kind, options=KcpOptions(receive_window=2, mtu=124))
    net.ends[0].send(bytes(600))
    net.run_for(1)
    assert net.ends[0].waiting == 2  # of the others two are in order, and two wait for these to be taken
    since = len(net.sent)
    net.run_for(60)
    again = [each for each in segments(net, 0, since) if each.command == PUSH]
    assert {each.number for each in again} <= {4}  # which may tell the window, and no more than that
    assert len(again) < 10 and not net.ends[0].dead
    since = len(net.sent)
    assert net.take(1) == [bytes(100)] * 4
    net.run_for(0.2)
    assert TELL in [each.command for each in segments(net, 1, since)]
    assert net.ends[0].waiting == 0


def test_a_lost_word_of_room_is_found_out(kind: Kind) -> None:
    net = Net(kind, options=KcpOptions(receive_window=2, mtu=124))
    net.ends[0].send(bytes(600))
    net.run_for(1)
    net.line = Line(loss=1)
    net.take(1)
    net.run_for(1)
    net.line = Line()
    net.run_for(15)
    assert net.ends[0].waiting == 0


def test_a_peer_that_does_not_read_for_an_hour_is_not_dead(kind: Kind) -> None:
    net = Net(kind, options=KcpOptions(receive_window=2, mtu=124))
    net.ends[0].send(bytes(600))
    net.run_for(3600)
    assert not net.ends[0].dead
    got = net.take(1)
    while net.ends[0].waiting:
        net.step()
        got += net.take(1)
    assert b"".join(got) == bytes(600)


def test_questions_come_ever_later(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.input(packed(TELL, window=0))
    kcp.send(b"waits")
    times, now = [], 0.0
    while now < 600:
        now = kcp.next_update(now)
        kcp.update(now)
        if sent:
            sent.clear()
            times.append(now)
    waits = [later - earlier for earlier, later in itertools.pairwise([0, *times])]
    assert waits == pytest.approx([5 * 1.5**n for n in range(8)] + [120] * (len(waits) - 8), abs=0.05)
    assert len(waits) > 9


def test_a_segment_is_sent_again_when_its_time_has_passed(kind: Kind) -> None:
    for no_delay, gaps in ((0, [225, 400, 800]), (1, [200, 300, 450]), (2, [200, 300, 400])):
        kcp, sent = alone(kind, no_delay=no_delay, interval=0.001)
        kcp.send(b"lost")
        times, now = [], 0.0
        while len(times) < 4:
            kcp.update(now)
            if sent:
                sent.clear()
                times.append(round(now * 1000))
            now = kcp.next_update(now)
        assert [later - earlier for earlier, later in itertools.pairwise(times)] == gaps


def test_one_that_is_overtaken_is_sent_again_at_once(kind: Kind) -> None:
    kcp, sent = alone(kind, stream=False, fast_resend=2)
    for i in range(4):
        kcp.send(b"%d" % i)
    kcp.update(1.0)
    sent.clear()
    kcp.input(packed(ACK, 1, timestamp=1000))
    kcp.update(1.01)
    assert sent == []
    kcp.input(packed(ACK, 2, timestamp=1000))
    kcp.update(1.02)
    (datagram,) = sent
    assert [each.payload for each in wire.parse(datagram, 7)] == [b"0"]


def test_a_peer_that_does_not_answer_is_dead(kind: Kind) -> None:
    kcp, sent = alone(kind, dead_link=3)
    kcp.send(b"anybody?")
    now = 0.0
    while True:
        kcp.update(now)
        if kcp.dead:
            break
        now = kcp.next_update(now)
    assert now < 2
    assert len(sent) == 3
    assert kcp.next_update(now) > now + 1


def test_congestion_control_begins_slowly_and_a_loss_takes_it_back(kind: Kind) -> None:
    net = Net(kind, Line(delay=0.05), KcpOptions(congestion_control=True, mtu=124))
    net.ends[0].send(bytes(20_000))
    under_way = []
    for _ in range(12):
        since = len(net.sent)
        net.run_for(0.12)
        net.take(1)
        under_way.append(len([each for each in segments(net, 0, since) if each.command == PUSH]))
    assert under_way[0] <= 3
    assert under_way[5] > 2 * under_way[1]
    net.line = Line(loss=1)
    net.run_for(1)
    net.line = Line(delay=0.05)
    since = len(net.sent)
    net.run_for(0.1)
    assert len([each for each in segments(net, 0, since) if each.command == PUSH]) <= 3


def test_doubled_old_and_far_segments_are_taken_once_or_not_at_all(kind: Kind) -> None:
    kcp, sent = alone(kind, receive_window=4)
    for number in (1, 1, 0, 0, 1, 5, 6, 2**32 - 1, 3):
        kcp.input(packed(PUSH, number, payload=b"%d;" % number))
    assert list(iter(kcp.receive, None)) == [b"0;", b"1;"]
    kcp.input(packed(PUSH, 2, payload=b"2;"))
    assert list(iter(kcp.receive, None)) == [b"2;", b"3;"]
    kcp.update(0)
    answered = [each.number for datagram in sent for each in wire.parse(datagram, 7) if each.command == ACK]
    assert sorted(answered) == [0, 1, 2, 3, 5, 2**32 - 1]


def test_receipts_are_no_more_bytes_than_what_they_are_for(kind: Kind) -> None:
    kcp, sent = alone(kind)
    received = 0
    for number in range(500):
        datagram = packed(PUSH, number)
        received += len(datagram)
        kcp.input(datagram)
    kcp.update(0)
    assert sum(map(len, sent)) <= received


def test_receipts_that_wait_are_bounded(kind: Kind) -> None:
    kcp, sent = alone(kind, receive_window=8)
    for number in range(8):
        kcp.input(packed(PUSH, number))
        kcp.receive()
    for number in range(1000):
        kcp.input(packed(PUSH, 2**32 - 1 - number, timestamp=number))
        kcp.input(packed(PUSH, 7, timestamp=number))
    kcp.update(0)
    answered = [(each.number, each.timestamp) for datagram in sent for each in wire.parse(datagram, 7)]
    assert answered == [(n, 0) for n in range(7)] + [(7, 999)] + [(2**32 - 1 - n, n) for n in range(8)]


def test_receipts_of_what_was_never_sent_do_no_harm(kind: Kind) -> None:
    kcp, _sent = alone(kind)
    kcp.send(b"hello")
    kcp.update(0)
    for number in (1, 5, 2**31, 2**32 - 1):
        kcp.input(packed(ACK, number))
        assert kcp.waiting == 1
    kcp.input(packed(ACK, 0))
    assert kcp.waiting == 0


def test_a_message_that_never_ends_ends_the_session(kind: Kind) -> None:
    kcp, _ = alone(kind, receive_window=4, stream=False)
    for number in range(4):
        assert not kcp.dead
        kcp.input(packed(PUSH, number, fragment=1, payload=b"x"))
    assert kcp.dead
    assert kcp.receive() is None


def test_empty_messages_are_messages_but_no_part_of_a_stream(kind: Kind) -> None:
    for stream, expected in ((False, [b"", b"x"]), (True, [b"x"])):
        kcp, _ = alone(kind, stream=stream)
        kcp.input(packed(PUSH, 0) + packed(PUSH, 1, payload=b"x"))
        assert list(iter(kcp.receive, None)) == expected


def test_numbers_and_times_go_round(kind: Kind) -> None:
    net = Net(kind, Line(loss=0.2, delay=0.01), KcpOptions(mtu=60), start=2**32 / 1000 - 0.5, seed=3)
    for end in net.ends:
        begin_at(end, 2**32 - 20)
    net.ends[0].send(bytes(range(256)) * 10)
    got = b""
    while net.ends[0].waiting:
        net.step()
        got += b"".join(net.take(1))
    assert got == bytes(range(256)) * 10
    assert net.now < 2**32 / 1000 + 5


def test_a_clock_that_jumps_is_followed(kind: Kind) -> None:
    kcp, sent = alone(kind)
    kcp.update(1000.0)
    for now in (5.0, 1e6, 0.0):
        kcp.send(b"x")
        assert kcp.next_update(now) == now
        kcp.update(now)
        (datagram,) = sent
        sent.clear()
        (segment,) = wire.parse(datagram, 7)
        kcp.input(packed(ACK, segment.number, timestamp=int(now * 1000)))


@pytest.mark.parametrize("conversation", [-1, 2**32])
def test_a_conversation_has_32_bits(kind: Kind, conversation: int) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        kind(conversation, print)


def test_noise_is_refused_and_harms_nobody(kind: Kind) -> None:
    net = Net(kind)
    for size in (0, 1, 23, 24, 25, 100):
        for first in (7, 8):
            with pytest.raises(ValueError):
                net.ends[0].input(struct.pack("<I", first)[:size] + b"\xff" * max(size - 4, 0))
    net.ends[0].send(b"still here")
    net.run_for(0.1)
    assert net.take(1) == [b"still here"]
