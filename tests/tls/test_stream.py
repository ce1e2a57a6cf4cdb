"""What passes after the handshake: bytes, ends, and what is wrong with them."""

from __future__ import annotations

import re
import ssl
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.tls import TlsError, TlsTruncatedError

MEGABYTE = bytes(range(256)) * 4096


def lengths(raw: bytes) -> list[int]:
    """The lengths of records' bodies; there is no incomplete one."""
    found, at = [], 0
    while at < len(raw):
        found.append(int.from_bytes(raw[at + 3 : at + 5], "big"))
        at += 5 + found[-1]
    assert at == len(raw)
    return found


def test_a_megabyte_both_ways(tls):
    wire = tls.wire()
    for side in wire.sides:
        assert wire.send(side, MEGABYTE) == MEGABYTE
    assert wire.send(wire.server, MEGABYTE, step=65536) == MEGABYTE
    assert wire.send(wire.client, MEGABYTE, step=1000) == MEGABYTE


def test_byte_by_byte(tls):
    wire = tls.wire()
    data = MEGABYTE[:20000]
    assert wire.send(wire.client, data, step=1) == data
    assert wire.send(wire.server, data, step=3) == data


@pytest.mark.parametrize(
    ("size", "records"), [(1, 1), (16384, 1), (16385, 2), (32768, 2), (65536, 4), (65537, 5)]
)
def test_as_few_records_as_the_bytes_fit(tls, size, records):
    wire = tls.wire()
    piece = size // 3
    chunks = [b"a" * piece, memoryview(b"b" * piece), bytearray(b"c" * (size - 2 * piece))]
    wire.client.wrap(chunks)
    raw = wire.client.output()
    assert len(lengths(raw)) == records
    with memoryview(raw) as view:
        assert wire.server.feed(view) == b"".join(chunks)


def test_nothing_is_no_record(tls):
    wire = tls.wire()
    wire.client.wrap([b"", memoryview(b"")])
    wire.client.wrap([b""])
    wire.client.wrap([])
    assert wire.client.output() == b""
    assert wire.server.feed(memoryview(b"")) == b""


def test_all_records_of_one_receive_come_at_once(tls):
    wire = tls.wire()
    raw = b""
    for word in (b"one ", b"two ", b"three ", b"four"):
        wire.client.wrap([word])
        raw += wire.client.output()
    assert len(lengths(raw)) == 4
    with memoryview(raw) as view:
        assert wire.server.feed(view[:-1]) == b"one two three "
        assert wire.server.feed(view[-1:]) == b"four"


def test_wraps_of_one_turn_leave_in_order(tls):
    wire = tls.wire()
    for word in (b"one ", b"two " * 10000, b"three"):
        wire.client.wrap([word])
    wire.pump()
    assert wire.got[wire.server] == b"one " + b"two " * 10000 + b"three"


@given(
    pieces=st.lists(st.binary(max_size=20000), max_size=6), cuts=st.lists(st.integers(1, 30000), min_size=1)
)
def test_any_pieces_split_anyhow(tls, pieces, cuts):
    wire = tls.wire()
    for side in wire.sides:
        raw = b""
        for piece in pieces:
            side.wrap([piece])
            raw += side.output()
        at, turn = 0, 0
        while at < len(raw):
            size = cuts[turn % len(cuts)]
            wire.deliver(wire.other(side), raw[at : at + size])
            at, turn = at + size, turn + 1
        assert wire.got[wire.other(side)] == b"".join(pieces)


# Ends.


def test_an_end_each_way_in_order(tls):
    wire = tls.wire()
    wire.client.wrap([b"last words"])
    wire.client.finish()
    wire.pump()
    assert wire.server.ended and wire.got[wire.server] == b"last words"
    assert not wire.client.ended
    for word in (b"still ", b"here"):
        wire.send(wire.server, word)
    assert wire.got[wire.client] == b"still here"
    wire.server.finish()
    wire.pump()
    assert wire.client.ended
    for side in wire.sides:
        assert side.failure is None and side.held == 0
        assert side.end_of_stream() is None


def test_both_end_at_once(tls):
    wire = tls.wire()
    for side in wire.sides:
        side.wrap([b"bye"])
        side.finish()
    wire.pump()
    for side in wire.sides:
        assert side.ended and side.failure is None and wire.got[side] == b"bye"


def test_what_follows_an_end_is_not_looked_at(tls):
    wire = tls.wire()
    wire.client.wrap([b"last"])
    wire.client.finish()
    raw = wire.client.output()
    assert wire.server.feed(memoryview(raw + raw + b"nonsense")) == b"last"
    assert wire.server.ended and wire.server.failure is None
    wire.server.wrap([b"answer"])
    wire.server.finish()
    wire.pump()
    assert wire.got[wire.client] == b"answer"


def test_an_end_that_is_half_there(tls):
    wire = tls.wire()
    wire.client.finish()
    raw = wire.client.output()
    wire.deliver(wire.server, raw[:-1])
    assert not wire.server.ended
    assert type(wire.server.end_of_stream()) is TlsTruncatedError
    wire.deliver(wire.server, raw[-1:])
    assert wire.server.ended


def test_truncation_and_an_end_after_ones_own(tls):
    wire = tls.wire()
    assert wire.send(wire.client, b"some") == b"some"
    error = wire.server.end_of_stream()
    assert type(error) is TlsTruncatedError and isinstance(error, ConnectionError)
    assert str(error) == "the client's stream has ended without close_notify"
    wire.server.finish()
    assert wire.server.end_of_stream() is None
    assert type(wire.client.end_of_stream()) is TlsTruncatedError


def test_a_fatal_alert_is_passed_on(tls):
    wire = tls.wire()
    wire.client.wrap([b"0123456789"])
    raw = bytearray(wire.client.output())
    raw[-1] ^= 1
    wire.deliver(wire.server, bytes(raw))
    assert type(wire.server.failure) is TlsError
    # From OpenSSL 3.2 on, it is that or something else that is wrong with it.
    assert re.search("a record (of the client's )?was changed on its way$", str(wire.server.failure))
    assert isinstance(wire.server.failure.__cause__, ssl.SSLError)
    wire.pump()
    assert type(wire.client.failure) is TlsError
    assert str(wire.client.failure) == "the server has refused, with the alert bad_record_mac"


def test_what_came_before_what_is_wrong_is_delivered(tls):
    wire = tls.wire()
    wire.client.wrap([b"right"])
    raw = wire.client.output()
    wire.client.wrap([b"wrong"])
    bad = bytearray(wire.client.output())
    bad[7] ^= 0xFF
    assert wire.server.feed(memoryview(raw + bad)) == b"right"
    assert wire.server.failure is not None


# Renegotiation (TLS 1.2 only; there is none in 1.3).


def handshake_record(side) -> bytes:
    """A record of the type for handshakes, as far as anybody can see: one of data under another type."""
    side.wrap([b"not a handshake"])
    raw = bytearray(side.output())
    raw[0] = 22
    return bytes(raw)


def test_a_second_handshake_is_refused(tls12):
    for permissive in (False, True):
        server = tls12.server_context()
        if permissive:
            server.options &= ~ssl.OP_NO_RENEGOTIATION
        wire = tls12.wire(server=server)
        wire.deliver(wire.server, handshake_record(wire.client))
        assert isinstance(wire.server.failure, TlsError)
        if permissive:  # it has not even reached OpenSSL
            assert str(wire.server.failure) == "the client wants to renegotiate"


def test_a_second_handshake_right_behind_the_first(tls12):
    client = tls12.client_context()
    client.options &= ~ssl.OP_NO_RENEGOTIATION
    wire = tls12.wire(client=client, pump=False)
    while not wire.server.done:
        wire.deliver(wire.client, wire.server.output())
        wire.deliver(wire.server, wire.client.output())
    wire.deliver(wire.client, wire.server.output() + handshake_record(wire.server))
    assert wire.client.done and str(wire.client.failure) == "the server wants to renegotiate"


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(("number", "too_many"), [(20, False), (100, True)])
def test_records_that_only_cost(tls13, number, too_many, step):
    server = tls13.server_context()
    server.num_tickets = number
    wire = tls13.wire(server=server, pump=False)
    wire.pump(step)
    assert wire.client.done
    if too_many:
        assert str(wire.client.failure) == "the server has sent 33 records in a row without data"
    else:
        assert wire.send(wire.server, b"data", step) == b"data"


def test_many_records_with_data(tls):
    wire = tls.wire()
    for number in range(300):
        wire.client.wrap([b"%d," % number])
    wire.deliver(wire.server, wire.client.output())
    assert wire.got[wire.server] == b"".join(b"%d," % number for number in range(300))
    wire.client.wrap([b"x"])
    wire.client.finish()
    wire.pump()
    assert wire.got[wire.server].endswith(b"299,x") and wire.server.ended


# Records that are flipped, cut, and doubled.


@pytest.fixture(scope="module")
def contexts(tls12, tls13):
    return {each.version: (each.client_context(), each.server_context()) for each in (tls12, tls13)}


WORDS = [b"first words", b"second words", b"x" * 300, b"the last"]


def spoilt(wire, raw: bytes, at_handshake: bool = False) -> None:
    """Feeds a server what a client never sent so; it must fail, or know nothing but what was sent."""
    whole = b"".join(WORDS)
    for step in (0, 7):
        if step and wire.server.failure is None and not wire.server.ended:
            break
        wire.deliver(wire.server, raw, step)
    got = wire.got[wire.server]
    assert whole.startswith(got), got
    assert wire.server.failure is None or isinstance(wire.server.failure, TlsError)
    wire.server.output()
    wire.server.end_of_stream()


def dialogue(tls, contexts):
    wire = tls.wire(*contexts[tls.version])
    records = []
    for word in WORDS:
        wire.client.wrap([word])
        records.append(wire.client.output())
    return wire, records


@pytest.mark.parametrize("place", range(40))
def test_a_flipped_byte(tls, contexts, place):
    for record in range(len(WORDS)):
        wire, records = dialogue(tls, contexts)
        bad = bytearray(records[record])
        if place >= len(bad):
            continue
        bad[place] ^= 1 << (place % 8)
        raw = b"".join([*records[:record], bad, *records[record + 1 :]])
        spoilt(wire, raw)
        assert wire.got[wire.server] == b"".join(WORDS[:record])
        incomplete = place in (3, 4) and wire.server.failure is None  # it claims to be longer
        assert incomplete or isinstance(wire.server.failure, TlsError)


def test_a_byte_less_and_a_byte_more_at_every_place(tls, contexts):
    size = len(b"".join(dialogue(tls, contexts)[1][:2]))
    for place in range(size):
        for change in (b"", b"\x17\x17"):
            wire, records = dialogue(tls, contexts)
            raw = b"".join(records)
            spoilt(wire, raw[:place] + change + raw[place + 1 :])
            # The second is whole if its last byte is like the one that is too many, or that takes its place.
            assert len(wire.got[wire.server]) <= len(b"".join(WORDS[:2]))


def test_a_record_twice_left_out_or_too_early(tls, contexts):
    for change in ((0, 0, 1), (0, 2), (1, 0), (0, 1, 1, 2), (3, 2, 1, 0)):
        wire, records = dialogue(tls, contexts)
        spoilt(wire, b"".join(records[i] for i in change))
        right = 0
        while right < len(change) and change[right] == right:
            right += 1
        assert wire.got[wire.server] == b"".join(WORDS[:right])
        assert isinstance(wire.server.failure, TlsError)


def test_cut_at_every_place(tls, contexts):
    wire, records = dialogue(tls, contexts)
    ends = [0]
    for record in records:
        ends.append(ends[-1] + len(record))
    raw = b"".join(records)
    fed = 0
    for cut in range(1, len(raw) + 1):
        wire.deliver(wire.server, raw[fed:cut])
        fed = cut
        complete = sum(end <= cut for end in ends) - 1
        assert wire.got[wire.server] == b"".join(WORDS[:complete])
    assert all(low < high for low, high in pairwise(ends))


HOW = {
    "flip": lambda raw, at: raw[:at] + bytes([raw[at] ^ (1 << at % 8)]) + raw[at + 1 :],
    "cut": lambda raw, at: raw[:at],
    "drop": lambda raw, at: raw[:at] + raw[at + 1 :],
    "double": lambda raw, at: raw[: at + 1] + raw[at:],
    "again": lambda raw, at: raw[:at] + raw,
}


def spoilt_handshake(wire, turn: int, how: str, place: float) -> int:
    """One message of a handshake is spoilt at a place between 0 and 1; returns its length."""
    secrets = dict(zip(wire.sides, (b"secret of the client", b"secret of the server"), strict=True))
    for side, secret in secrets.items():
        side.wrap([secret])
    size = 0
    for now in range(8):
        side = wire.sides[now % 2]
        raw = side.output()
        if raw and now == turn:
            size = len(raw)
            raw = HOW[how](raw, int(place * size))
        wire.deliver(wire.other(side), raw)
    for side in wire.sides:
        assert secrets[wire.other(side)].startswith(wire.got[side])
        assert side.failure is None or isinstance(side.failure, TlsError)
        assert not side.ended
    return size


@given(turn=st.integers(0, 3), how=st.sampled_from(sorted(HOW)), place=st.floats(0, 1, exclude_max=True))
def test_a_handshake_spoilt_at_any_place(tls, contexts, turn, how, place):
    spoilt_handshake(tls.wire(*contexts[tls.version], pump=False), turn, how, place)


@pytest.mark.once
@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("how", sorted(HOW))
def test_a_handshake_spoilt_at_every_place(tls, contexts, turn, how):
    place, size = 0, 1
    while place < size:
        wire = tls.wire(*contexts[tls.version], pump=False)
        size = spoilt_handshake(wire, turn, how, (place + 0.5) / max(size, 1) if place else 0)
        place += 1


@given(junk=st.binary(max_size=400), cuts=st.integers(0, 50))
def test_junk(tls, contexts, junk, cuts):
    for wire in (tls.wire(*contexts[tls.version], pump=False), tls.wire(*contexts[tls.version])):
        for side in wire.sides:
            side.output()
            wire.deliver(side, junk, cuts)
            assert wire.got[side] == b""
            assert side.failure is None or isinstance(side.failure, TlsError)
            assert not side.ended
