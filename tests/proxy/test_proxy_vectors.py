"""Headers written by hand, from the text of the specification: what they say, and what is none."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from netcore import Address, NetcoreError
from netcore.proxy import ProxyDecoder, ProxyError, ProxyHeader, encode
from netcore.proxy.crc32c import crc32c


def tcp(host: str, port: int) -> Address:
    return Address("tcp", host, port)


LINES = {
    b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n": (
        tcp("192.168.0.1", 56324),
        tcp("192.168.0.11", 443),
    ),
    b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n": (tcp("0.0.0.0", 0), tcp("255.255.255.255", 65535)),
    b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n": (tcp("2001:db8::7", 1), tcp("::1", 2)),
    b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 0:0:0:0:0:0:0:1 1 2\r\n": (tcp("2001:db8::7", 1), tcp("::1", 2)),
    b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n": (
        tcp(":".join(["ffff"] * 8), 65535),
        tcp(":".join(["ffff"] * 8), 65535),
    ),
    # A proxy whose socket is for both versions of IP.
    b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 40000 443\r\n": (
        tcp("192.0.2.7", 40000),
        tcp("198.51.100.1", 443),
    ),
    b"PROXY UNKNOWN\r\n": (None, None),
    b"PROXY UNKNOWN anything\0 but its end\r\r\n": (None, None),
    b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n": (None, None),
}


@pytest.mark.parametrize("line", LINES)
def test_lines(line, fed):
    assert len(line) <= 107
    for pieces in ([line + b"behind\r\n"], each_byte(line + b"behind\r\n")):
        decoder = fed(pieces)
        assert decoder.header == ProxyHeader(*LINES[line], version=1)
        assert decoder.remaining == b"behind\r\n"


def each_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


BAD_LINES = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b" PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY\tTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2\r\n",
    b"PROXY TCP4 \r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY \r\n",
    b"PROXY\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 00\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1_0 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 0x1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 99999\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 100000\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 \xd9\xa1 2\r\n",
    b"PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.1. 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 16843009 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 ::1 1 2\r\n",
    b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP6 ::1 2.2.2.2 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP6 1::2::3 ::1 1 2\r\n",
    b"PROXY TCP6 00001::1 ::1 1 2\r\n",
    b"PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
    b"PROXY TCP6 ::ffff:1.1.1.01 ::1 1 2\r\n",
    b"PROXY TCP6 [::1] ::1 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nPROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r" + 100 * b" ",
    b"PROXY UNKNOWN" + b" " * 93 + b"\r\n",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_bad_lines(line, fed):
    with pytest.raises(ProxyError):
        fed([line])
    with pytest.raises(ProxyError):
        fed(each_byte(line))


def test_what_is_no_header_is_refused_by_the_first_byte_that_says_so():
    for start in (b"G", b"\x16", b"PROXy", b"PROXY X", b"PROXY TCP7", b"\r\n\r\n\0\r\nQUIT\r"):
        decoder = ProxyDecoder()
        decoder.feed(start[:-1])
        with pytest.raises(ProxyError, match="no PROXY header"):
            decoder.feed(start[-1:])


def test_a_decoder_that_has_failed_goes_on_failing():
    decoder = ProxyDecoder()
    for data in (b"GET", b"PROXY UNKNOWN\r\n", b""):
        with pytest.raises(ProxyError, match="GET"):
            decoder.feed(data)
    assert (decoder.header, decoder.remaining) == (None, b"")


def test_what_is_fed_behind_a_header_remains():
    decoder = ProxyDecoder()
    decoder.feed(bytearray(b"PROXY UNKNOWN\r\nfirst"))
    decoder.feed(memoryview(b", second"))
    assert decoder.remaining == b"first, second"


# Version 2.

IPV4 = bytes.fromhex("ac130001 ac130003 a652 0050")
IPV6 = bytes.fromhex("20010db8000000000000000000000007 00000000000000000000000000000001 9c40 01bb")
MAPPED = bytes.fromhex("00000000000000000000ffffc0000207 00000000000000000000ffffc6336401 9c40 01bb")


def path(name: bytes) -> bytes:
    return name.ljust(108, b"\0")


BLOCKS = [
    # As HAProxy has sent it.
    (0x21, 0x11, IPV4, ProxyHeader(tcp("172.19.0.1", 42578), tcp("172.19.0.3", 80))),
    (0x21, 0x21, IPV6, ProxyHeader(tcp("2001:db8::7", 40000), tcp("::1", 443))),
    (0x21, 0x21, MAPPED, ProxyHeader(tcp("192.0.2.7", 40000), tcp("198.51.100.1", 443))),
    (
        0x21,
        0x31,
        path(b"/run/a b") + path(b"\0abstract"),
        ProxyHeader(Address("unix", path="/run/a b"), Address("unix", path="@abstract")),
    ),
    (
        0x21,
        0x31,
        path(b"") + path(b"@file\0and what was behind it"),
        ProxyHeader(Address("unix"), Address("unix", path="./@file")),
    ),
    (
        0x21,
        0x31,
        b"x" * 108 + b"\0" + b"y" * 107,
        ProxyHeader(Address("unix", path="x" * 108), Address("unix", path="@" + "y" * 107)),
    ),
    (0x20, 0x00, b"", ProxyHeader(None, None, local=True)),
    (0x20, 0x11, IPV4, ProxyHeader(None, None, local=True)),
    (0x20, 0x21, b"", ProxyHeader(None, None, local=True)),
    (0x20, 0xFF, b"whatever", ProxyHeader(None, None, local=True)),
    (0x21, 0x00, b"", ProxyHeader(None, None)),
    (0x21, 0x01, b"", ProxyHeader(None, None)),
    (0x21, 0x10, IPV4, ProxyHeader(None, None)),
    (0x21, 0x12, IPV4, ProxyHeader(None, None)),
    (0x21, 0x22, IPV6, ProxyHeader(None, None)),
    (0x21, 0x32, bytes(216), ProxyHeader(None, None)),
]
TLVS = bytes.fromhex("010002 6832  040003 000000  ee0000  020001 61  ee0001 ff  040000")
FOUND = ((0x01, b"h2"), (0xEE, b""), (0x02, b"a"), (0xEE, b"\xff"))


WITHOUT_TLVS = ((0x20, 0xFF), (0x20, 0x21))
"""Headers of which nobody can say where TLVs would begin."""


@pytest.mark.parametrize(("command", "family", "rest", "header"), BLOCKS)
@pytest.mark.parametrize("tlvs", [b"", TLVS])
def test_blocks(block, fed, command, family, rest, header, tlvs):
    data = block(command, family, rest + tlvs)
    if tlvs and (command, family) not in WITHOUT_TLVS:
        header = replace(header, tlvs=FOUND)
    for pieces in ([data + b"behind"], each_byte(data + b"behind")):
        decoder = fed(pieces)
        assert (decoder.header, decoder.remaining) == (header, b"behind")


BAD_BLOCKS = [
    (0x11, 0x11, IPV4),
    (0x31, 0x11, IPV4),
    (0x22, 0x11, IPV4),
    (0x2F, 0x11, IPV4),
    (0x21, 0x41, IPV4),
    (0x21, 0x13, IPV4),
    (0x21, 0x03, b""),
    (0x21, 0x11, IPV4[:-1]),
    (0x21, 0x12, IPV4[:-1]),
    (0x21, 0x21, IPV6[:-1]),
    (0x21, 0x31, bytes(215)),
    (0x21, 0x11, IPV4 + b"\x01"),
    (0x21, 0x11, IPV4 + b"\x01\x00"),
    (0x21, 0x11, IPV4 + b"\x01\x00\x01"),
    (0x21, 0x11, IPV4 + TLVS + b"\x04\xff\xff"),
    (0x20, 0x00, b"\x01\x00\x02a"),
    (0x21, 0x11, IPV4 + b"\x03\x00\x04\x00\x00\x00\x00"),
    (0x21, 0x11, IPV4 + b"\x03\x00\x03\x00\x00\x00"),
    (0x21, 0x11, IPV4 + b"\x03\x00\x05\x00\x00\x00\x00\x00"),
    (0x20, 0x00, b"\x03\x00\x04\x00\x00\x00\x00"),
]


@pytest.mark.parametrize(("command", "family", "rest"), BAD_BLOCKS)
def test_bad_blocks(block, fed, command, family, rest):
    data = block(command, family, rest)
    with pytest.raises(ProxyError):
        fed([data])
    with pytest.raises(ProxyError):
        fed(each_byte(data))


def test_a_block_that_cannot_be_right_is_refused_before_it_is_complete(block, fed):
    for data in (block(0x41, 0x11), block(0x21, 0x51), block(0x21, 0x21, size=35)):
        with pytest.raises(ProxyError):
            fed([data[:16]])
    with pytest.raises(ProxyError):
        fed([block(0x28, 0x11)[:13]])


def test_the_longest_block(block, fed):
    value = bytes(65535 - 12 - 3)
    data = block(0x21, 0x11, IPV4 + b"\xe0" + len(value).to_bytes(2, "big") + value)
    assert len(data) == 65551
    decoder = fed([data[:-1]])
    assert decoder.header is None
    decoder.feed(data[-1:] + b"x")
    assert decoder.header.tlvs == ((0xE0, value),)
    assert decoder.remaining == b"x"


def reference_crc(data: bytes) -> int:
    """Bit by bit, the highest first, from the polynomial as RFC 4960 writes it."""
    remainder = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            carry = (remainder >> 31) ^ (byte >> bit & 1)
            remainder = (remainder << 1 & 0xFFFFFFFF) ^ (0x1EDC6F41 if carry else 0)
    return int(f"{remainder:032b}"[::-1], 2) ^ 0xFFFFFFFF


def test_the_checksum_is_that_of_the_rfcs():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    for size in (0, 1, 7, 300):
        data = os.urandom(size)
        assert crc32c(data) == reference_crc(data)


def test_a_checksum_is_checked_and_kept(block, fed):
    def data(checksum: bytes) -> bytes:
        return block(0x21, 0x11, IPV4 + b"\xe0\x00\x01\x07\x03\x00\x04" + checksum + b"\x05\x00\x01u")

    right = reference_crc(data(bytes(4))).to_bytes(4, "big")
    header = fed([data(right)]).header
    assert header.tlvs == ((0xE0, b"\x07"), (0x03, right), (0x05, b"u"))
    assert encode(header) == data(right)
    whole = data(right)
    for at in range(len(whole)):
        for bit in (1, 0x80):
            spoilt = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
            try:
                decoder = fed([spoilt])
            except ProxyError:
                continue
            # A longer header that goes on, or another TLV where the checksum was.
            assert decoder.header is None or not any(kind == 3 for kind, _ in decoder.header.tlvs), at


def test_the_error_is_of_the_family():
    assert issubclass(ProxyError, NetcoreError) and issubclass(ProxyError, ValueError)
