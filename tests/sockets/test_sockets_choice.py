"""Which implementation is used, and socket options that need more than one call."""

from __future__ import annotations

import math
import socket

import pytest

from netcore.sockets import NativeSockets, PureSockets, open_sockets, set_keep_alive


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETCORE_SOCKETS", raising=False)


@pytest.mark.native
def test_native_where_it_was_built() -> None:
    assert type(open_sockets(65536)) is NativeSockets


def test_pure_if_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORE_SOCKETS", "pure")
    assert type(open_sockets(65536)) is PureSockets


def test_pure_where_there_is_no_native_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netcore.sockets.choice.MISSING", "not built")
    assert type(open_sockets(65536)) is PureSockets


def test_native_sockets_say_that_they_were_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netcore._native._loaded", None)
    monkeypatch.setattr("netcore._native.MISSING", "netcore was built without its native part")
    with pytest.raises(ImportError, match="without its native part"):
        NativeSockets()


@pytest.mark.parametrize("kind", [pytest.param(NativeSockets, marks=pytest.mark.native), PureSockets])
def test_names(kind: type[NativeSockets | PureSockets]) -> None:
    assert kind().name == ("native" if kind is NativeSockets else "pure")


@pytest.mark.parametrize("receive_cap", [1, 4096, 65536, 1 << 20])
def test_the_arena_has_room_for_several_sockets(receive_cap: int) -> None:
    assert len(open_sockets(receive_cap).arena) >= max(1 << 18, 4 * receive_cap)


@pytest.mark.parametrize("kind", [pytest.param(NativeSockets, marks=pytest.mark.native), PureSockets])
def test_the_arena_has_room_for_one_receive(kind: type[NativeSockets | PureSockets]) -> None:
    sockets = kind(receive_cap=10000, arena_size=100)
    assert len(sockets.arena) >= 10000
    assert sockets.arena[:4] == bytes(4)


@pytest.mark.parametrize("kind", [pytest.param(NativeSockets, marks=pytest.mark.native), PureSockets])
def test_one_receive_takes_no_more_than_its_cap(kind: type[NativeSockets | PureSockets]) -> None:
    sockets = kind(receive_cap=10, arena_size=25)
    pairs = [socket.socketpair() for _ in range(3)]
    fds = []
    for near, far in pairs:
        near.setblocking(False)
        far.sendall(b"0123456789abc")
        fds.append(near.detach())
        sockets.attach(fds[-1])
    assert sockets.receive(fds) == [10, 10], "the third would not be sure to fit"
    assert sockets.arena[:20] == b"0123456789" * 2
    assert sockets.receive(fds) == [3, 3, 10]
    assert sockets.arena[:16] == b"abcabc0123456789"
    sockets.close(fds)
    for _, far in pairs:
        far.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="needs the options under these names")
@pytest.mark.wine("keep-alive cannot be set")
def test_keep_alive() -> None:
    with socket.socket() as sock:
        set_keep_alive(sock, True, 60, 10.9, 3)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [60, 10, 3]
        set_keep_alive(sock, False, 1, 1, 1)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [60, 10, 3]


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="needs the options under these names")
def test_keep_alive_values_the_system_refuses() -> None:
    with socket.socket() as sock, pytest.raises(OSError):
        set_keep_alive(sock, True, 1 << 20, 1, 1)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="needs the options under these names")
@pytest.mark.wine("keep-alive cannot be set")
def test_endless_keep_alive() -> None:
    with socket.socket() as sock:
        set_keep_alive(sock, True, 60, math.inf, 3)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 32767
        set_keep_alive(sock, True, math.inf, 1, 1)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="needs the options under these names")
@pytest.mark.parametrize("values", [(1 << 20, 1, 1), (1, 1 << 20, 1), (1, 1, 10**30)])
def test_what_the_system_refuses_does_not_switch_keep_alive_on(values: tuple[int, int, int]) -> None:
    with socket.socket() as sock:
        with pytest.raises(OSError):
            set_keep_alive(sock, True, *values)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
