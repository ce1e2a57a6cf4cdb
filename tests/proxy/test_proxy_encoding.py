"""Saying headers: what is said is read as it was meant, and what cannot be said is refused."""

from __future__ import annotations

import ipaddress
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore import Address
from netcore.proxy import ProxyDecoder, ProxyError, ProxyHeader, encode

A4, B4 = Address("tcp", "192.0.2.7", 40000), Address("tcp", "198.51.100.1", 443)
A6, B6 = Address("tcp", "2001:db8::7", 40000), Address("tcp", "::1", 443)
PATH, ABSTRACT = Address("unix", path="/run/x.sock"), Address("unix", path="@x")


def test_by_hand():
    assert encode(ProxyHeader(A4, B4, version=1)) == b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n"
    assert encode(ProxyHeader(A6, B6, version=1)) == b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n"
    assert encode(ProxyHeader(None, None, version=1)) == b"PROXY UNKNOWN\r\n"
    start = b"\r\n\r\n\0\r\nQUIT\n"
    assert encode(ProxyHeader(A4, B4)) == start + b"\x21\x11\x00\x0c\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\x01\xbb"
    assert encode(ProxyHeader(None, None, local=True)) == start + b"\x20\x00\x00\x00"
    assert encode(ProxyHeader(None, None)) == start + b"\x21\x00\x00\x00"
    both = encode(ProxyHeader(PATH, ABSTRACT))
    assert both[:16] == start + b"\x21\x31\x00\xd8"
    assert both[16:] == b"/run/x.sock".ljust(108, b"\0") + b"\0x".ljust(108, b"\0")


def test_addresses_in_other_spellings():
    spelled = ProxyHeader(
        Address("tcp4", "192.0.2.7", 1), Address("tcp", "::ffff:198.51.100.1", 2), version=1
    )
    assert encode(spelled) == b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n"
    spelled = ProxyHeader(Address("tcp6", "2001:DB8:0::7", 1), Address("tcp6", "0::1", 2), version=1)
    assert encode(spelled) == b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n"


BAD = {
    "one end": ProxyHeader(A4, None),
    "the other end": ProxyHeader(None, A4, version=1),
    "two versions of IP": ProxyHeader(A4, B6),
    "two versions of IP in text": ProxyHeader(A4, B6, version=1),
    "TCP and Unix": ProxyHeader(A4, PATH),
    "UDP": ProxyHeader(Address("udp", "192.0.2.7", 1), Address("udp", "192.0.2.8", 1)),
    "fd": ProxyHeader(Address("fd", path="3"), Address("fd", path="3")),
    "a name": ProxyHeader(Address("tcp", "localhost", 1), B4),
    "no host": ProxyHeader(Address("tcp", "", 1), B4),
    "a zone": ProxyHeader(Address("tcp", "fe80::1", 1, zone="eth0"), B6),
    "a port": ProxyHeader(Address("tcp", "192.0.2.7", 65536), B4, version=1),
    "a negative port": ProxyHeader(A4, Address("tcp", "192.0.2.7", -1)),
    "the wrong version of IP": ProxyHeader(Address("tcp4", "::1", 1), B6),
    "a long path": ProxyHeader(PATH, Address("unix", path="/" * 109)),
    "a NUL": ProxyHeader(PATH, Address("unix", path="a\0b")),
    "an abstract name's end": ProxyHeader(PATH, Address("unix", path="@a\0")),
    "the empty abstract name": ProxyHeader(PATH, Address("unix", path="@")),
    "Unix in text": ProxyHeader(PATH, ABSTRACT, version=1),
    "LOCAL in text": ProxyHeader(None, None, version=1, local=True),
    "TLVs in text": ProxyHeader(A4, B4, version=1, tlvs=((1, b"h2"),)),
    "LOCAL with addresses": ProxyHeader(A4, B4, local=True),
    "version 0": ProxyHeader(A4, B4, version=0),
    "version 3": ProxyHeader(A4, B4, version=3),
    "a type": ProxyHeader(A4, B4, tlvs=((256, b""),)),
    "a negative type": ProxyHeader(A4, B4, tlvs=((-1, b""),)),
    "a long value": ProxyHeader(None, None, tlvs=((1, bytes(65536)),)),
    "a long header": ProxyHeader(A4, B4, tlvs=((1, bytes(40000)), (2, bytes(40000)))),
    "one byte too many": ProxyHeader(A4, B4, tlvs=((1, bytes(65535 - 12 - 3 + 1)),)),
    "two checksums": ProxyHeader(A4, B4, tlvs=((3, b""), (3, b""))),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_said(what):
    with pytest.raises(ProxyError):
        encode(BAD[what])


@pytest.mark.skipif(sys.platform == "win32", reason="there any text can be encoded")
def test_a_path_that_has_no_encoding():
    with pytest.raises(ProxyError):
        encode(ProxyHeader(PATH, Address("unix", path="\ud800")))


def test_what_is_no_header():
    for thing in (b"PROXY UNKNOWN\r\n", None, (A4, B4)):
        with pytest.raises(TypeError, match="ProxyHeader"):
            encode(thing)


def test_padding_is_said_and_not_read():
    header = ProxyHeader(A4, B4, tlvs=((4, b"12345"), (1, b"h2"), (4, b"")))
    data = encode(header)
    assert b"\x04\x00\x0512345\x01\x00\x02h2\x04\x00\x00" in data
    assert decode(data).tlvs == ((1, b"h2"),)


@pytest.mark.parametrize("given_as", [b"", b"1234", b"a longer one"])
def test_a_checksum_is_computed(given_as):
    data = encode(ProxyHeader(A4, B4, tlvs=((0xE0, b"x"), (3, given_as), (0xE1, b"y"))))
    kinds = decode(data).tlvs
    assert [kind for kind, _ in kinds] == [0xE0, 3, 0xE1]
    assert len(kinds[1][1]) == 4
    kind_of_the_checksum = 16 + 12 + 4
    for at in {*range(16, len(data))} - {kind_of_the_checksum}:
        with pytest.raises(ProxyError):
            decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def decode(*pieces: bytes) -> ProxyHeader:
    decoder = ProxyDecoder()
    for piece in pieces:
        decoder.feed(piece)
    assert decoder.header is not None
    assert not decoder.remaining
    return decoder.header


ports = st.integers(0, 65535)


def inet(version: int) -> st.SearchStrategy[Address]:
    hosts = st.ip_addresses(v=version).filter(lambda ip: getattr(ip, "ipv4_mapped", None) is None)
    return st.builds(lambda ip, port: Address("tcp", str(ip), port), hosts, ports)


names = st.binary(min_size=1, max_size=107).filter(lambda name: b"\0" not in name and name[:1] != b"@")
unix = st.one_of(
    names.map(lambda name: Address("unix", path=os.fsdecode(name))),
    names.map(lambda name: Address("unix", path=f"@{os.fsdecode(name)}")),
    st.just(Address("unix")),
)
pairs = st.one_of(st.tuples(*[inet(4)] * 2), st.tuples(*[inet(6)] * 2))
tlvs = st.lists(
    st.tuples(st.integers(0, 255).filter(lambda kind: kind not in (3, 4)), st.binary(max_size=300)),
    max_size=8,
).map(tuple)
ends = st.one_of(pairs, st.tuples(unix, unix)) if sys.platform != "win32" else pairs
headers = st.one_of(
    st.builds(lambda both: ProxyHeader(*both, version=1), pairs | st.just((None, None))),
    st.builds(lambda both, more: ProxyHeader(*both, tlvs=more), ends | st.just((None, None)), tlvs),
    st.builds(lambda more: ProxyHeader(None, None, local=True, tlvs=more), tlvs),
)


@given(headers, st.booleans(), st.data())
def test_what_is_said_is_read_however_it_is_split(header, signed, data):
    if signed and header.version == 2:
        header = ProxyHeader(
            header.source, header.destination, 2, header.local, (*header.tlvs[:2], (3, b""), *header.tlvs[2:])
        )
    raw = encode(header)
    at = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [raw[i:j] for i, j in zip([0, *at], [*at, len(raw)], strict=True)]
    found = decode(*pieces)
    assert encode(found) == raw
    plain = tuple(tlv for tlv in found.tlvs if tlv[0] != 3)
    without = ProxyHeader(found.source, found.destination, found.version, found.local, plain)
    wanted = tuple(tlv for tlv in header.tlvs if tlv[0] != 3)
    assert without == ProxyHeader(header.source, header.destination, header.version, header.local, wanted)


@given(headers, st.data())
def test_a_header_that_is_cut_is_none_yet(header, data):
    raw = encode(header)
    decoder = ProxyDecoder()
    decoder.feed(raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert decoder.header is None


def outcome(pieces: list[bytes]) -> tuple[object, bytes]:
    decoder = ProxyDecoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
    except ProxyError:
        return ProxyError, b""
    return decoder.header, decoder.remaining


@given(headers, st.data())
def test_spoilt_bytes_have_one_outcome_however_they_are_split(header, data):
    raw = encode(header)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw = data.draw(
        st.sampled_from(
            [
                raw[:at] + bytes([raw[at] ^ 1 << data.draw(st.integers(0, 7))]) + raw[at + 1 :],
                raw[:at] + raw[at + 1 :],
                raw[:at] + raw[at : at + 1] + raw[at:],
            ]
        )
    )
    raw += b"GET / HTTP/1.1\r\n\r\n"
    whole = outcome([raw])
    assert outcome([raw[i : i + 1] for i in range(len(raw))]) == whole
    cut = data.draw(st.integers(0, len(raw)))
    assert outcome([raw[:cut], raw[cut:]]) == whole


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11"]),
)
def test_nonsense_has_one_outcome(rest, start):
    raw = start + rest
    whole = outcome([raw])
    assert outcome([raw[i : i + 1] for i in range(len(raw))]) == whole
    if isinstance(whole[0], ProxyHeader):
        assert decode(encode(whole[0])) == whole[0]


def test_mapped_addresses_of_one_end_only_stay_as_they_are():
    mapped = str(ipaddress.IPv6Address("::ffff:192.0.2.7"))
    header = decode(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n")
    assert header == ProxyHeader(Address("tcp", mapped, 1), Address("tcp", "::1", 2), version=1)
    assert decode(encode(header)) == header
