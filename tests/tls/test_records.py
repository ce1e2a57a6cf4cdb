"""The record layer from outside, and the name in a ClientHello."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.tls.hello import HelloReader
from netcore.tls.records import has_handshake, missing, whole


def record(body: bytes, kind: int = 23) -> bytes:
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


@given(bodies=st.lists(st.binary(max_size=50), max_size=5), kinds=st.integers(20, 24))
def test_whole_records_and_the_rest(bodies, kinds):
    raw = b"".join(record(body, kinds) for body in bodies)
    ends = [0]
    for body in bodies:
        ends.append(ends[-1] + 5 + len(body))
    for cut in range(len(raw) + 1):
        part = raw[:cut]
        assert whole(part) == max(end for end in ends if end <= cut)
        rest = part[whole(part) :]
        if rest:
            wanted = missing(bytearray(rest))
            assert wanted >= 1
            if len(rest) >= 5:
                assert cut + wanted in ends


@pytest.mark.parametrize(
    "odd", [b"GET / HTTP/1.1", b"\x17\x02\0\0\0", b"\x17\x03\x03\x48\x01", b"\x19\x03\x03\0\0", b"\0" * 5]
)
def test_what_is_no_record_is_not_waited_for(odd):
    assert whole(odd) == len(odd)
    assert whole(record(b"fine") + odd) == len(record(b"fine") + odd)
    assert whole(odd[:4]) == 0


def test_the_longest_that_is_waited_for():
    assert whole(b"\x17\x03\x03\x48\x00") == 0


def test_handshakes_are_found_wherever_they_are():
    assert not has_handshake(record(b"") + record(b"\x16\x16\x16\x16\x16\x16"))
    assert has_handshake(record(b"x") + record(b"y", 22) + record(b"z"))


# ClientHello.


def hello(name: str | None = "a.example") -> bytes:
    """What OpenSSL says, of which nothing is said here but the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def test_the_name_of_a_real_one():
    reader = HelloReader()
    assert reader.feed(hello())
    assert reader.server_name == "a.example"
    reader = HelloReader()
    assert reader.feed(hello(None))
    assert reader.server_name is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 50, 1000])
def test_one_that_is_spread_over_records(size):
    message = hello()[5:]
    reader = HelloReader()
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    for piece in pieces[:-1]:
        assert not reader.feed(record(piece, 22))
    assert reader.feed(record(pieces[-1], 22))
    assert reader.server_name == "a.example"
    assert HelloReader().feed(b"".join(record(piece, 22) for piece in pieces))


def test_cut_and_changed_at_every_place():
    raw = hello()
    for at in range(5, len(raw)):
        for message in (raw[5:at], raw[5:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]):
            reader = HelloReader()
            reader.feed(record(message, 22))
            assert reader.server_name is None or isinstance(reader.server_name, str)


@given(body=st.binary(max_size=200))
def test_junk_has_no_name(body):
    reader = HelloReader()
    reader.feed(record(b"\x01" + len(body).to_bytes(3, "big") + body, 22))
    assert reader.server_name is None


def test_other_messages_have_none():
    for raw in (record(b"\x02\0\0\0", 22), record(b"\x02\x28", 21)):
        reader = HelloReader()
        assert reader.feed(raw)
        assert reader.server_name is None
