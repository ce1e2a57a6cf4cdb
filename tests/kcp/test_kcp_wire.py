"""Segments in datagrams, byte for byte, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.kcp import Kcp, KcpOptions, wire
from netcore.kcp.wire import Segment

# Conversation 0x11223344, push, fragment 1, window 128, time 5, number 6, acknowledged 7, "hi".
WRITTEN = bytes.fromhex("44332211 51 01 8000 05000000 06000000 07000000 02000000") + b"hi"
READ = Segment(wire.PUSH, 1, 128, 5, 6, 7, b"hi")

SEGMENTS = st.builds(
    Segment,
    st.sampled_from([wire.PUSH, wire.ACK, wire.ASK, wire.TELL]),
    st.integers(0, 255),
    st.integers(0, 65535),
    *[st.integers(0, 2**32 - 1)] * 3,
    st.binary(max_size=50),
)


def test_a_segment_is_written_as_others_write_it() -> None:
    assert wire.pack(0x11223344, READ) == WRITTEN
    assert wire.parse(WRITTEN, 0x11223344) == [READ]


def test_numbers_and_times_of_any_size_are_written_modulo_2_to_the_32() -> None:
    segment = READ._replace(timestamp=2**32 + 5, number=2**40 + 6, acknowledged=-(2**32) + 7)
    assert wire.pack(0x11223344, segment) == WRITTEN


@given(st.lists(SEGMENTS, min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(segments: list[Segment], conversation: int) -> None:
    datagram = b"".join(wire.pack(conversation, segment) for segment in segments)
    assert wire.parse(datagram, conversation) == segments
    for size in range(len(datagram)):
        ends = [len(b"".join(wire.pack(0, each) for each in segments[:n])) for n in range(1, len(segments))]
        if size not in ends:
            with pytest.raises(ValueError):
                wire.parse(datagram[:size], conversation)


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (b"", "0 bytes where a segment has a header of 24"),
        (WRITTEN[:23], "23 bytes"),
        (WRITTEN[:-1], "2 bytes where 1 are left"),
        (WRITTEN + b"?", "1 bytes where a segment"),
        (WRITTEN[:4] + b"\x50" + WRITTEN[5:], "no command 80"),
        (WRITTEN[:4] + b"\x55" + WRITTEN[5:], "no command 85"),
        (b"\x45" + WRITTEN[1:], "of conversation 287454021, not of 287454020"),
        (WRITTEN[:20] + b"\xff\xff\xff\xff" + b"hi", "4294967295 bytes where 2 are left"),
        (WRITTEN + b"\x45" + WRITTEN[1:], "of conversation"),
    ],
)
def test_what_is_no_segment_is_refused(datagram: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wire.parse(datagram, 0x11223344)


def test_numbers_go_round() -> None:
    assert wire.difference(3, 2**32 - 2) == 5
    assert wire.difference(2**32 - 2, 3) == -5
    assert wire.unwrap(3, 2**32 - 2) == 2**32 + 3
    assert wire.unwrap(2**32 - 2, 2**32 + 3) == 2**32 - 2
    assert wire.unwrap(5, 2**40) == 2**40 + 5


def push(number: int = 0, **more: int) -> bytes:
    return wire.pack(9, Segment(wire.PUSH, 0, 1, 0, number, 0, b"x")._replace(**more))


ASKED = wire.pack(9, Segment(wire.ASK, 0, 1, 0, 0, 0, b""))


@pytest.mark.parametrize(
    "datagram", [push(), push(127), push(fragment=127), ASKED + push(), push(128) + push()]
)
def test_a_peer_begins_with_a_push_for_which_there_is_room(datagram: bytes) -> None:
    assert wire.opening(datagram, 128) == 9


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        push()[:3],
        push()[:24],
        push() + b"?",
        ASKED,
        push(128),
        push(2**32 - 1),
        push(fragment=128),
        push(acknowledged=1),
        push() + wire.pack(9, Segment(wire.ACK, 0, 1, 0, 0, 1, b"")),
        push() + WRITTEN,
        push(command=80),
    ],
)
def test_with_nothing_else_does_one_begin(datagram: bytes) -> None:
    assert wire.opening(datagram, 128) is None


@given(st.lists(SEGMENTS, min_size=1, max_size=3), st.integers(1, 10), st.binary(max_size=60))
def test_what_opens_a_session_is_taken_by_it(segments: list[Segment], window: int, noise: bytes) -> None:
    for datagram in (b"".join(wire.pack(5, each._replace(acknowledged=0)) for each in segments), noise):
        conversation = wire.opening(datagram, window)
        if conversation is not None:
            Kcp(conversation, print, KcpOptions(receive_window=window)).input(datagram)
