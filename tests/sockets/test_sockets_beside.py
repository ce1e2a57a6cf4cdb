"""Sockets beside a bound one: what the kernel makes of them."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from netcore import UnsupportedOperationError
from netcore._machine import REAL
from netcore._platform import FACTS
from netcore.sockets import (
    Beside,
    SocketOptions,
    pack_name,
    sharing,
    sockets_beside,
    with_destination,
)
from netcore.sockets.names import mapped_name

pytestmark = [
    pytest.mark.posix,
    pytest.mark.skipif(not FACTS.connected_first, reason="the kernel does not look who is connected"),
]
BASE = SocketOptions()


def bound(family: int, host: str, port: int = 0, share: bool = False, dual: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if share:
        sock.setsockopt(socket.SOL_SOCKET, FACTS.reuse_port or socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
    sock.bind((host, port))
    sock.settimeout(10)
    return sock


def connected(sock: socket.socket, name: bytes, like: Beside) -> socket.socket:
    place = like.place(name)
    own = socket.socket(place.endpoint.family, socket.SOCK_DGRAM)
    with sharing(sock, like.share):
        place.options.apply(own)
    own.connect(place.endpoint.name)
    own.settimeout(10)
    assert pack_name(own.family, own.getpeername()) == place.name
    return own


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    ("family", "host", "dual", "client_family", "target"),
    [
        (socket.AF_INET, "127.0.0.1", False, socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", False, socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::1", False, socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::", False, socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::", True, socket.AF_INET, "127.0.0.1"),
    ],
    ids=["v4", "every-v4", "v6", "every-v6", "dual-v4"],
)
def test_each_gets_what_its_peer_sends_and_the_others_the_rest(
    family, host, dual, client_family, target, share
):
    sock = bound(family, host, share=share, dual=dual)
    port = sock.getsockname()[1]
    like = sockets_beside(sock, BASE)
    assert like is not None
    clients = [bound(client_family, target) for _ in range(20)]
    names = [pack_name(client.family, client.getsockname()) for client in clients]
    if client_family != family:
        names = [mapped_name(name) for name in names]
    owns = [connected(sock, name, like) for name in names]
    stranger = bound(client_family, target)
    other = bound(family, host, port, share=True, dual=dual) if share else None
    try:
        for client in clients:
            client.sendto(b"mine", (target, port))
        for own in owns:
            assert own.recv(10) == b"mine"
        stranger.sendto(b"new", (target, port))
        waiting = [each for each in (sock, other) if each is not None]
        for each in waiting:
            each.settimeout(0.5 if len(waiting) > 1 else 10)
        got = []
        for each in waiting:
            try:
                got.append(each.recv(10))
            except TimeoutError:
                got.append(b"")
        assert sorted(got)[-1] == b"new"
        assert bool(sock.getsockopt(socket.SOL_SOCKET, like.share)) is share
        for own, client in zip(owns, clients, strict=True):
            own.send(b"back")
            assert client.recvfrom(10)[0] == b"back"
    finally:
        for each in (sock, stranger, *clients, *owns, *([other] if other else [])):
            each.close()


def test_who_listens_everywhere_answers_from_where_he_was_asked():
    with bound(socket.AF_INET, "0.0.0.0") as sock:
        like = sockets_beside(sock, BASE)
        assert like is not None
        port = sock.getsockname()[1]
        name = pack_name(socket.AF_INET, ("127.0.0.1", 4000))
        asked = with_destination(name, socket.inet_aton("127.0.0.2"))
        assert like.place(asked).options.local == ("127.0.0.2", port)
        assert like.place(asked).name == name
        assert like.place(name).options.local == ("0.0.0.0", port)
        assert like.place(with_destination(name, bytes(4))).options.local == ("0.0.0.0", port)


def test_nobody_joins_those_over_whom_senders_are_spread(monkeypatch):
    spread = replace(FACTS, connected_leave=False, reuse_port=socket.SO_REUSEPORT)
    monkeypatch.setattr(REAL, "facts", spread)
    with bound(socket.AF_INET, "127.0.0.1", share=True) as sock, bound(socket.AF_INET, "127.0.0.1") as peer:
        like = sockets_beside(sock, BASE)
        assert like is not None
        name = pack_name(socket.AF_INET, peer.getsockname())
        with connected(sock, name, like) as own:
            assert own.family == socket.AF_INET6
            assert own.getsockname()[:2] == (f"::ffff:{sock.getsockname()[0]}", sock.getsockname()[1])
            peer.sendto(b"mine", sock.getsockname())
            data, sender = own.recvfrom(10)
            assert (data, pack_name(own.family, sender)) == (b"mine", mapped_name(name))
            own.send(b"back")
            assert peer.recvfrom(10) == (b"back", sock.getsockname())
    with bound(socket.AF_INET6, "::1", share=True) as sock, pytest.raises(UnsupportedOperationError):
        sockets_beside(sock, BASE)
    for host in "0.0.0.0", "127.0.0.1":  # of which there are as many groups as addresses; and there is none
        with bound(socket.AF_INET, host, share=host == "0.0.0.0") as sock:
            like = sockets_beside(sock, BASE)
            assert like is not None
            assert not like.mapped


def test_groups_that_keep_the_connected_are_left_alone(monkeypatch):
    with bound(socket.AF_INET, "127.0.0.1", share=True) as sock:
        shared = FACTS.reuse_port or socket.SO_REUSEPORT
        monkeypatch.setattr(REAL, "facts", replace(FACTS, reuse_port=shared, share_port=-1))
        with pytest.raises(UnsupportedOperationError, match="SO_REUSEPORT_LB"):
            sockets_beside(sock, BASE)


def test_options_are_those_of_the_socket_and_of_the_loop():
    name = pack_name(socket.AF_INET6, ("::1", 4000, 0, 0))
    with bound(socket.AF_INET6, "::", dual=True) as sock:
        like = sockets_beside(sock, SocketOptions(receive_buffer=65536, device="nowhere"))
        assert like is not None
        options = like.place(name).options
        device = "nowhere" if FACTS.bind_to_device is None else ""
        assert (options.receive_buffer, options.device, options.v6_only) == (65536, device, 0)
    with bound(socket.AF_INET6, "::1") as sock:
        like = sockets_beside(sock, BASE)
        assert like is not None
        assert like.place(name).options.v6_only == 1


@pytest.mark.skipif(FACTS.bind_to_device is None, reason="sockets are not tied to interfaces")
def test_a_socket_that_keeps_to_an_interface_has_others_do_so():
    with bound(socket.AF_INET, "127.0.0.1") as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, FACTS.bind_to_device, b"lo\0")
        except OSError:
            pytest.skip("there is no lo, or no right to keep to it")
        like = sockets_beside(sock, BASE)
        assert like is not None
        assert like.base.device == "lo"


@pytest.mark.skipif(FACTS.ip_pktinfo is None, reason="multicast groups are bound otherwise")
def test_members_of_a_group_get_all_there_is():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("224.0.0.251", 0))
        except OSError:
            pytest.skip("a group cannot be bound")
        assert sockets_beside(sock, BASE) is None


def test_a_socket_without_the_option_keeps_its_port_for_itself():
    with bound(socket.AF_INET, "127.0.0.1") as sock:
        like = sockets_beside(sock, BASE)
        assert like is not None
        with sharing(sock, like.share):
            pass
        options = like.place(pack_name(socket.AF_INET, ("127.0.0.1", 4000))).options
        with pytest.raises(OSError, match="in use"), socket.socket(type=socket.SOCK_DGRAM) as late:
            options.apply(late)
