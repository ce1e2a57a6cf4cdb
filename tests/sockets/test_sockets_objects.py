"""Socket objects for descriptors, also where the system denies a reset connection its name."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from netcore.poll import open_poller
from netcore.sockets import NativeSockets, PureSockets, Sockets, socket_of
from netcore.sockets import objects as module
from netcore.testing.conformance import wires

KINDS = [pytest.param(NativeSockets, marks=pytest.mark.native), PureSockets]


class Nameless(socket.socket):
    """A socket as of BSD after a reset: getsockname(2) gives EINVAL, so that it tells no family."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        if "fileno" in named and not arguments and "family" not in named:
            raise OSError(errno.EINVAL, "Invalid argument")
        super().__init__(*arguments, **named)

    def getsockname(self) -> Any:
        raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture(params=[True, False], ids=["SO_DOMAIN", "by name"])
def nameless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The descriptor of a connection that its peer has reset, on a system that tells its name no more."""
    near, far = wires.tcp_pair()
    fd = near.detach()
    wires.reset(far)
    assert wires.wait_ready(fd)
    if not request.param:
        monkeypatch.setattr(module, "SO_DOMAIN", None)
    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", Nameless)
        yield fd
    with suppress(OSError):
        socket.close(fd)


FAMILIES = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM)]
FAMILIES += [(socket.AF_UNIX, socket.SOCK_STREAM)] if hasattr(socket, "AF_UNIX") else []


@pytest.mark.parametrize("by_option", [True, False])
@pytest.mark.parametrize(("family", "kind"), FAMILIES)
def test_they_have_the_family_and_the_type_of_the_descriptor(
    family: int, kind: int, by_option: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if family == socket.AF_INET6 and not wires.has_ipv6():
        pytest.skip("this machine has no IPv6")
    if not by_option:
        if sys.implementation.name == "pypy":
            pytest.skip("PyPy reads a name as one of the object's family")
        monkeypatch.setattr(module, "SO_DOMAIN", None)
    with socket.socket(family, kind) as original:
        if family != getattr(socket, "AF_UNIX", None):
            original.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        same = socket_of(original.fileno())
        assert (same.family, same.type) == (family, kind)
        same.detach()


def test_what_is_no_open_socket_is_refused() -> None:
    with socket.socket() as closed:
        number = closed.fileno()
    with pytest.raises(OSError) as refused:
        socket_of(number)
    assert refused.value.errno in (errno.EBADF, errno.ENOTSOCK, getattr(errno, "WSAENOTSOCK", 0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_connection_is_lent_and_closed_all_the_same(
    kind: Callable[[], Sockets], nameless: int
) -> None:
    sockets, fd = kind(), nameless
    sockets.attach(fd)
    with sockets.borrow(fd) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.type == socket.SOCK_STREAM
    with pytest.raises(OSError):
        sockets.local_address(fd)
    assert sockets.receive([fd])[0] <= 0
    sockets.close([fd])


@pytest.mark.posix  # elsewhere a pair of sockets needs names
def test_a_poller_takes_a_reset_connection(nameless: int) -> None:
    poller = open_poller()
    poller.register(nameless, 1)
    assert [fd for fd, _ in poller.wait(5)] == [nameless]
    poller.close()
