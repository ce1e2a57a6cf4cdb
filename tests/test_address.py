"""Addresses: one value, one spelling, and a clear refusal of everything else."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import pickle
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore import Address, InvalidAddressError, NetcoreError, UnsupportedProtocolError

NETWORKS = ("tcp", "tcp4", "tcp6", "tls", "tls4", "tls6", "udp", "udp4", "udp6", "kcp", "kcp4", "kcp6")
ports = st.integers(0, 65535)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
host_names = (
    st.lists(labels, min_size=1, max_size=4).map(".".join).filter(lambda name: not name[-1].isdigit())
)
zones = st.sampled_from(["", "eth0", "1", "en0.100", "br-lan", "wlp3s0"])
paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda path: path != "@"
)

names = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=255
)
descriptors = st.one_of(
    st.integers(0, (1 << 31) - 1).map(str), names.filter(lambda name: not name.lstrip("+-").isdecimal())
)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    network = draw(st.sampled_from([*NETWORKS, "unix", "fd"]))
    if network == "unix":
        return Address("unix", path=draw(paths))
    if network == "fd":
        return Address("fd", path=draw(descriptors))
    kinds: list[st.SearchStrategy[Any]] = [host_names, st.just("")]
    if not network.endswith("4"):
        kinds.append(st.ip_addresses(v=6))
    if not network.endswith("6"):
        kinds.append(st.ip_addresses(v=4))
    host = draw(st.one_of(kinds))
    zone = draw(zones) if isinstance(host, ipaddress.IPv6Address) else ""
    return Address(network, str(host), draw(ports), zone=zone)


@given(addresses())
def test_round_trip(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert Address.parse(address) is address


unix_peers = st.one_of(
    st.binary(max_size=107).map(lambda name: f"@{os.fsdecode(name)}"),  # abstract, NULs and all
    st.text("%250\0@/a", max_size=30).map(lambda text: f"@{text}"),
    st.text("%250@/a", max_size=30),
    st.binary(max_size=107).map(lambda path: os.fsdecode(path.replace(b"\0", b""))),
)


@given(unix_peers)
def test_whatever_a_unix_peer_is_called_its_text_is_its_own(path: str) -> None:
    address = Address("unix", path=path)
    assert Address.parse(str(address)) == address
    assert "\0" not in str(address)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "unix://%00"),
        ("@", "unix://%00@"),
        ("@a\0b", "unix://@a%00b"),
        ("@\0", "unix://@%00"),
        ("/run/100%", "unix:///run/100%"),
        ("/run/a%20b", "unix:///run/a%20b"),
        ("/run/%00", "unix:///run/%2500"),
        ("/run/%2500", "unix:///run/%252500"),
        ("two\nlines", "unix://two\nlines"),
    ],
)
def test_only_what_no_path_can_have_is_escaped(path: str, text: str) -> None:
    assert str(Address("unix", path=path)) == text
    assert Address.parse(text) == Address("unix", path=path)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for candidate in (text, f"tcp://{text}", f"udp6://[{text}]:1", f"tcp4://{text}:80", f"fd://{text}"):
        try:
            address = Address.parse(candidate)
        except (InvalidAddressError, UnsupportedProtocolError):
            continue
        assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:9000", Address("tcp", "127.0.0.1", 9000)),
        ("tcp://:9000", Address("tcp", "", 9000)),
        ("tcp://:0", Address("tcp", "", 0)),
        ("tcp4://0.0.0.0:65535", Address("tcp4", "0.0.0.0", 65535)),
        ("tcp6://[::]:9000", Address("tcp6", "::", 9000)),
        ("tcp://[::ffff:192.0.2.1]:1", Address("tcp", "::ffff:192.0.2.1", 1)),
        ("tcp://[fe80::1%eth0]:9000", Address("tcp", "fe80::1", 9000, zone="eth0")),
        ("udp://localhost:53", Address("udp", "localhost", 53)),
        ("udp4://:53", Address("udp4", "", 53)),
        ("udp6://[2001:DB8::1%3]:53", Address("udp6", "2001:DB8::1", 53, zone="3")),
        ("kcp://:9000", Address("kcp", "", 9000)),
        ("kcp4://192.0.2.7:9000", Address("kcp4", "192.0.2.7", 9000)),
        ("kcp6://[fe80::1%eth0]:9000", Address("kcp6", "fe80::1", 9000, zone="eth0")),
        ("tcp://example.com.:80", Address("tcp", "example.com.", 80)),
        ("tcp://my_host-1:80", Address("tcp", "my_host-1", 80)),
        ("tcp://bücher.example:80", Address("tcp", "bücher.example", 80)),
        ("unix:///run/x.sock", Address("unix", path="/run/x.sock")),
        ("unix://x.sock", Address("unix", path="x.sock")),
        ("unix://@abstract", Address("unix", path="@abstract")),
        ("unix://with space/[and]:colon?#@", Address("unix", path="with space/[and]:colon?#@")),
        ("unix://two\nlines", Address("unix", path="two\nlines")),
        ("fd://0", Address("fd", path="0")),
        ("fd://3", Address("fd", path="3")),
        ("fd://2147483647", Address("fd", path="2147483647")),
        ("fd://web", Address("fd", path="web")),
        ("fd://my-app.socket", Address("fd", path="my-app.socket")),
        ("fd://3rd one", Address("fd", path="3rd one")),
        (f"fd://{'n' * 255}", Address("fd", path="n" * 255)),
        ("tls+fd://3", Address("tls+fd", path="3")),
        ("tls+fd://web", Address("tls+fd", path="web")),
    ],
)
def test_parses(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("TCP://127.0.0.1:1", "tcp://127.0.0.1:1"),
        ("Unix:///Run/X", "unix:///Run/X"),
        ("tcp://h:00080", "tcp://h:80"),
        ("FD://3", "fd://3"),
        ("fd://003", "fd://3"),
        ("TLS+fd://003", "tls+fd://3"),
    ],
)
def test_tolerates_other_spellings(text: str, plain: str) -> None:
    assert str(Address.parse(text)) == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:9000",
        "localhost",
        ":9000",
        "tcp:127.0.0.1:9000",
        "tcp:/127.0.0.1:9000",
        "://127.0.0.1:9000",
        " tcp://127.0.0.1:9000",
        "4tcp://127.0.0.1:9000",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:999999",
        "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:+80",
        "tcp://127.0.0.1:80 ",
        "tcp://127.0.0.1:80\n",
        "tcp://127.0.0.1:\N{FULLWIDTH DIGIT EIGHT}0",
        "tcp://127.0.0.1:http",
        "tcp://127.0.0.1:80/",
        "tcp://127.0.0.1:80/path",
        "tcp://127.0.0.1:80?query",
        "tcp://user@127.0.0.1:80",
        "tcp://127.0.0.1:80:80",
        "tcp:// 127.0.0.1:80",
        "tcp://*:80",
        "tcp://127.0.0.256:80",
        "tcp://127.1:80",
        "tcp://1.2.3.4.5:80",
        "tcp://1.2.3.4.:80",
        "tcp://01.2.3.4:80",
        "tcp://12345:80",
        "tcp://.:80",
        "tcp://a..b:80",
        "tcp://.a:80",
        "tcp://-a:80",
        f"tcp://{'a' * 64}:80",
        f"tcp://{'.'.join(['a' * 60] * 5)}:80",
        "tcp://::1:80",
        "tcp://fe80::1:80",
        "tcp://[::1]",
        "tcp://[::1]80",
        "tcp://[::1:80",
        "tcp://::1]:80",
        "tcp://[]:80",
        "tcp://[[::1]]:80",
        "tcp://[::g]:80",
        "tcp://[1.2.3.4]:80",
        "tcp://[localhost]:80",
        "tcp://[fe80::1%]:80",
        "tcp://[fe80::1%a b]:80",
        "tcp://[fe80::1%a%b]:80",
        "tcp://1.2.3.4%eth0:80",
        "tcp4://[::1]:80",
        "udp4://[::ffff:1.2.3.4]:80",
        "tcp6://127.0.0.1:80",
        "udp6://0.0.0.0:80",
        "kcp4://[::1]:80",
        "kcp6://127.0.0.1:80",
        "kcp://",
        "kcp://:9000/7",
        "unix://",
        "unix://@",
        "unix://a\0b",
        "unix://@a\0b",
        "unix://a%00b",
        "unix://%00a",
        "tcp://\N{PARENTHESIZED DIGIT ONE}:80",
        "tcp://\N{FULLWIDTH DIGIT ONE}.2.3.4:80",
        "tcp://\N{CIRCLED DIGIT ONE}\N{CIRCLED DIGIT TWO}:80",
        "tcp://xn--\u00fc:80",
        "tcp://" + "\u00fc" * 63 + ":80",
        "tcp://" + ".".join(["\u00fc" * 50] * 5) + ":80",
        "tcp://\u0378.example:80",
        "fd://",
        "fd:3",
        "fd://-1",
        "fd://+3",
        "fd://2147483648",
        "fd://99999999999999999999",
        "fd://a:b",
        "fd://3\n",
        "fd://\N{FULLWIDTH DIGIT THREE}",
        "fd://b\u00fccher",
        "fd://\x7f",
        f"fd://{'n' * 256}",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidAddressError) as caught:
        Address.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="paths are bytes on POSIX systems only")
def test_a_path_that_no_file_can_have() -> None:
    with pytest.raises(InvalidAddressError, match="cannot encode"):
        Address.parse("unix:///run/\ud800")
    assert Address.parse("unix:///run/\udcff").path == "/run/\udcff"  # the byte 0xff, as os.fsdecode has it


@pytest.mark.parametrize("thing", [None, 9000, b"tcp://:9000", ("127.0.0.1", 9000)])
def test_refuses_what_is_no_text(thing: Any) -> None:
    with pytest.raises(InvalidAddressError, match="is not an address: use tcp://HOST:PORT"):
        Address.parse(thing)


@pytest.mark.parametrize(
    "scheme",
    ["http", "tcp5", "sctp", "unixgram", "tls5", "kcp5", "kcp+tls", "ws+unix", "t", "tcp-4"],
)
def test_refuses_unknown_schemes(scheme: str) -> None:
    with pytest.raises(UnsupportedProtocolError, match="unknown scheme") as caught:
        Address.parse(f"{scheme}://127.0.0.1:80")
    assert "tcp, tcp4, tcp6, tls, tls4, tls6, udp, udp4, udp6, kcp, kcp4, kcp6, unix, fd" in str(caught.value)


def test_errors_are_value_errors_of_netcore() -> None:
    for error in (InvalidAddressError, UnsupportedProtocolError):
        assert issubclass(error, ValueError)
        assert issubclass(error, NetcoreError)


@pytest.mark.parametrize(
    "address",
    [
        Address("tcp4", "::1", 80),
        Address("tcp", "a:b", 80),
        Address("tcp", "h", 65536),
        Address("tcp", "h", -1),
        Address("tcp", "1.2.3.4", 80, zone="eth0"),
        Address("unix"),
        Address("unix", path="a\0"),
        Address("fd"),
        Address("fd", path="03"),
        Address("fd", path="-1"),
        Address("fd", host="h", path="3"),
    ],
)
def test_an_address_made_by_hand_is_checked(address: Address) -> None:
    with pytest.raises(InvalidAddressError):
        Address.parse(address)


def test_an_address_made_by_hand_with_an_unknown_network() -> None:
    with pytest.raises(UnsupportedProtocolError):
        Address.parse(Address("http", "h", 80))


@pytest.mark.parametrize("network", [*NETWORKS, "unix", "fd", "tls+fd"])
def test_what_a_network_is(network: str) -> None:
    address = Address(network)
    assert address.is_tls == (network in ("tls", "tls4", "tls6", "tls+fd"))
    assert address.is_datagram == (network in ("udp", "udp4", "udp6"))
    assert address.is_kcp == (network in ("kcp", "kcp4", "kcp6"))
    assert address.is_inherited == (network in ("fd", "tls+fd"))


def test_is_a_frozen_value() -> None:
    address = Address("tcp", "h", 80)
    with pytest.raises(dataclasses.FrozenInstanceError):
        address.port = 81  # type: ignore[misc]
    assert not hasattr(address, "__dict__")
    assert {address, Address("tcp", "h", 80), Address("udp", "h", 80)} == {address, Address("udp", "h", 80)}
    assert pickle.loads(pickle.dumps(address)) == address


def test_every_printable_character_in_a_host_is_judged() -> None:
    allowed = set(string.ascii_letters + string.digits + "-_.")
    for character in string.printable:
        text = f"tcp://a{character}b:80"
        if character in allowed:
            Address.parse(text)
        else:
            with pytest.raises(InvalidAddressError):
                Address.parse(text)
