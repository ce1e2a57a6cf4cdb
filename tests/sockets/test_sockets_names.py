"""Packed names: what goes in comes out."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore import Address
from netcore._platform import FACTS
from netcore.sockets import Endpoint, address_of, pack_name, pack_receiver, packed_host, resolve, unpack_name
from netcore.sockets.destinations import with_destination

NAME_SIZE = 128  # NC_NAME_SIZE in netcore.h, of which one byte is the length
ports = st.integers(0, 65535)
paths = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=25
).filter(lambda path: not path.startswith("@"))


@given(st.ip_addresses(v=4), ports)
def test_ipv4(host: ipaddress.IPv4Address, port: int) -> None:
    packed = pack_name(socket.AF_INET, (str(host), port))
    assert len(packed) == 7
    assert unpack_name(packed) == Address("tcp", str(host), port)


@given(st.ip_addresses(v=6).filter(lambda host: host.ipv4_mapped is None), ports)
def test_ipv6(host: ipaddress.IPv6Address, port: int) -> None:
    packed = pack_name(socket.AF_INET6, (str(host), port, 0, 0))
    assert len(packed) == 23
    assert unpack_name(packed) == Address("tcp", str(host), port)


@given(st.ip_addresses(v=4), ports)
def test_ipv4_mapped_comes_out_as_ipv4(host: ipaddress.IPv4Address, port: int) -> None:
    packed = pack_name(socket.AF_INET6, (f"::ffff:{host}", port, 0, 0))
    assert unpack_name(packed) == Address("tcp", str(host), port)


@given(st.integers(1 << 20, (1 << 32) - 1))
def test_a_scope_without_interface_stays_a_number(scope: int) -> None:
    packed = pack_name(socket.AF_INET6, ("fe80::1", 80, 0, scope))
    assert unpack_name(packed) == Address("tcp", "fe80::1", 80, zone=str(scope))


@pytest.mark.skipif(not hasattr(socket, "if_nameindex"), reason="needs the list of interfaces")
def test_a_scope_is_named_after_its_interface() -> None:
    for index, name in socket.if_nameindex():
        for host in ("fe80::1", f"fe80::1%{name}"):
            packed = pack_name(socket.AF_INET6, (host, 80, 0, index))
            address = unpack_name(packed)
            assert address == Address("tcp", "fe80::1", 80, zone=name)
            assert Address.parse(str(address)) == address


@pytest.mark.parametrize("name", ["a]b", "a b", "7", "%"])
def test_an_interface_whose_name_is_no_zone_goes_by_its_number(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(socket, "if_indextoname", lambda index: name)
    address = unpack_name(pack_name(socket.AF_INET6, ("fe80::1", 80, 0, 7)))
    assert address.zone == "7"
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_receiver_that_is_ipv4_mapped(family: int) -> None:
    packed = pack_receiver(Address.parse("udp://[::ffff:192.0.2.9]:53"), family)
    assert packed == pack_receiver(Address.parse("udp://192.0.2.9:53"), family)
    assert unpack_name(packed, "udp") == Address("udp", "192.0.2.9", 53)


@pytest.mark.parametrize("zone", ["no-such-if0", "99999999999"])
def test_a_zone_that_there_is_not(zone: str) -> None:
    address = Address.parse(f"udp://[fe80::1%{zone}]:53")
    for use in (lambda: pack_receiver(address, socket.AF_INET6), lambda: resolve(address)):
        with pytest.raises(OSError, match=f"no interface '{zone}'") as caught:
            use()
        assert caught.value.errno == errno.ENODEV


@pytest.mark.parametrize(
    "raised",
    [
        UnicodeError("label too long"),
        ValueError("embedded null character"),
        RuntimeError("a stand-in for the resolver"),
        OverflowError("too large"),
        socket.gaierror(-2, "no"),
    ],
)
def test_whatever_the_name_service_raises_is_an_oserror(
    monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    def getaddrinfo(*_: object) -> object:
        raise raised

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError, match=r"tcp://name\.example:1"):
        resolve(Address.parse("tcp://name.example:1"))


def test_an_ip_address_needs_no_name_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert resolve(Address.parse("tcp://192.0.2.1:7")) == [Endpoint(socket.AF_INET, ("192.0.2.1", 7))]
    assert resolve(Address.parse("tcp://[::ffff:192.0.2.1]:7")) == [
        Endpoint(socket.AF_INET, ("192.0.2.1", 7))
    ]
    six = Endpoint(socket.AF_INET6, ("fe80::1", 7, 0, 3))
    assert resolve(Address.parse("udp://[fe80::1%3]:7")) == [six]


def test_a_port_is_in_network_order() -> None:
    assert pack_name(socket.AF_INET, ("127.0.0.1", 0x1234)) == b"\x04\x12\x34\x7f\0\0\1"


def test_a_scope_is_in_network_order() -> None:
    packed = pack_name(socket.AF_INET6, ("::1", 1, 0, 0x01020304))
    assert packed == b"\x06\0\1\1\2\3\4" + bytes(15) + b"\1"


@pytest.mark.skipif(not FACTS.unix_sockets, reason="needs Unix sockets")
class TestUnix:
    @given(paths)
    def test_path(self, path: str) -> None:
        packed = pack_name(socket.AF_UNIX, path)
        assert len(packed) < NAME_SIZE
        assert unpack_name(packed) == Address("unix", path=path)

    @given(st.binary(min_size=1, max_size=107))
    def test_abstract(self, name: bytes) -> None:
        packed = pack_name(socket.AF_UNIX, b"\0" + name)
        address = unpack_name(packed)
        assert address.path[0] == "@"
        assert os.fsencode(address.path[1:]) == name

    @pytest.mark.parametrize("name", ["", b""])
    def test_unnamed(self, name: object) -> None:
        assert unpack_name(pack_name(socket.AF_UNIX, name)) == Address("unix")

    def test_a_file_that_begins_as_an_abstract_name_does(self) -> None:
        assert unpack_name(pack_name(socket.AF_UNIX, "@file")) == Address("unix", path="./@file")

    @given(st.binary(max_size=107))
    def test_every_name_has_a_text_of_its_own(self, name: bytes) -> None:
        for kernels in (b"\0" + name, name.replace(b"\0", b"")):
            address = unpack_name(pack_name(socket.AF_UNIX, kernels))
            assert Address.parse(str(address)) == address

    def test_a_path_that_is_no_text(self) -> None:
        address = unpack_name(pack_name(socket.AF_UNIX, os.fsdecode(b"/tmp/\xff")))
        assert os.fsencode(address.path) == b"/tmp/\xff"

    def test_address_of(self, tmp_path: os.PathLike[str]) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            assert address_of(sock) == Address("unix")
            path = f"{tmp_path}/s"
            if len(path) > 100:
                pytest.skip("the temporary directory has a name too long for a Unix socket")
            sock.bind(path)
            assert address_of(sock) == Address("unix", path=path)

    @pytest.mark.skipif(not FACTS.abstract_names, reason="needs abstract names")
    def test_address_of_an_abstract_name(self) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(f"\0netcore.{os.getpid()}")
            assert address_of(sock) == Address("unix", path=f"@netcore.{os.getpid()}")


def test_address_of_an_internet_socket() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert address_of(sock) == Address("tcp", "127.0.0.1", sock.getsockname()[1])


def test_address_of_a_closed_socket() -> None:
    sock = socket.socket()
    sock.close()
    with pytest.raises(OSError):
        address_of(sock)


@pytest.mark.parametrize(("family", "name"), [(-1, ("x", 1)), (socket.AF_INET, None), (socket.AF_INET, "x")])
def test_a_foreign_name_is_no_name(family: int, name: object) -> None:
    assert unpack_name(pack_name(family, name)) == Address("unix")


def test_no_name_at_all() -> None:
    assert unpack_name(b"") == Address("unix")


def test_the_host_alone_of_a_name() -> None:
    ipv4, ipv6 = socket.inet_aton("192.0.2.7"), ipaddress.IPv6Address("2001:db8::7").packed
    names = {ipv4: (socket.AF_INET, ("192.0.2.7", 1)), ipv6: (socket.AF_INET6, ("2001:db8::7", 1, 0, 3))}
    for host, (family, name) in names.items():
        packed = pack_name(family, name)
        assert packed_host(packed) == host
        assert packed_host(with_destination(packed, bytes(len(host)))) == host
