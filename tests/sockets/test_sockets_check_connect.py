"""check_sockets says what is wrong with sockets that connect badly, and asks nothing of those that cannot."""

from __future__ import annotations

import errno
import os
import socket
import sys
from importlib import import_module

import pytest

from netcore.sockets import Endpoint, PureSockets, SocketOptions, pack_name
from netcore.testing import Simulation
from netcore.testing.conformance import wires
from netcore.testing.conformance.check_sockets import check_sockets

pytestmark = pytest.mark.posix


class ConnectsBlocking(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        if fd >= 0:
            os.set_blocking(fd, True)
        return fd, code


class ConnectsInheritable(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        if fd >= 0:
            os.set_inheritable(fd, True)
        return fd, code


class ConnectsStreamsOnly(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        return super().connect(endpoint, socket.SOCK_STREAM, options)


class ForgetsTheOptions(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        return super().connect(endpoint, kind, SocketOptions())


class ClaimsToBeConnected(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        return fd, 0 if fd >= 0 else code


class GivesADescriptorThatFailed(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        return (0, code) if fd < 0 else (fd, code)


class GivesPositiveErrors(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        return fd, -code if fd < 0 else code


class RefusesForAFullBacklog(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        return fd, -errno.ECONNREFUSED if code == -errno.EAGAIN else code


LEAKED: list[int] = []
"""What broken sockets leave open, for the test to close."""


class LeaksWhatFailed(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        if code == -errno.ENOENT:
            LEAKED.append(socket.socket().detach())
        return fd, code


class LeaksWhatRaised(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        try:
            return super().connect(endpoint, kind, options)
        except OverflowError:
            LEAKED.append(socket.socket().detach())
            raise


class RaisesWithoutDescriptors(PureSockets):
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        fd, code = super().connect(endpoint, kind, options)
        if code == -errno.EMFILE:
            raise OSError(errno.EMFILE, "none left")
        return fd, code


class TrustsTheReport(PureSockets):
    def connected(self, fd: int) -> int:
        return -self._sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


class NeverConnects(PureSockets):
    def connected(self, fd: int) -> int:
        return -errno.EINPROGRESS


class HidesRefusals(PureSockets):
    def connected(self, fd: int) -> int:
        code = super().connected(fd)
        return 0 if code == -errno.ECONNREFUSED else code


class RaisesRefusals(PureSockets):
    def connected(self, fd: int) -> int:
        code = super().connected(fd)
        if code == -errno.ECONNREFUSED:
            raise OSError(-code, "refused")
        return code


class NamesItself(PureSockets):
    def remote_name(self, fd: int) -> bytes:
        sock = self._sockets[fd]
        return pack_name(sock.family, sock.getsockname())


class NamesNobody(PureSockets):
    def remote_name(self, fd: int) -> bytes:
        try:
            return super().remote_name(fd)
        except OSError:
            return b"\0"


class KeepsWhatIsUnderWay(PureSockets):
    pending = -1

    def connected(self, fd: int) -> int:
        code = super().connected(fd)
        self.pending = fd if code == -errno.EINPROGRESS else -1
        return code

    def close(self, fds: list[int]) -> None:
        if self.pending in fds:
            LEAKED.append(self._sockets[self.pending].detach())
        super().close(fds)


HELD_UP = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a full backlog hold peers up")


@pytest.fixture
def connecting_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("netcore.testing.conformance.check_sockets")
    for rules in ("_RULES", "DATAGRAM_RULES"):
        monkeypatch.setattr(module, rules, ())


BROKEN = [
    (ConnectsBlocking, r"connect\(\) returns a socket that blocks."),
    (ConnectsInheritable, r"connect\(\) returns a socket that is not close-on-exec."),
    (ConnectsStreamsOnly, r"(connect\(\) to|connected\(\) gives) .*'127.0.0.1', \d+\)"),
    (ForgetsTheOptions, r"connect\(\) leaves socket option \d+ at \d+, not at \d+."),
    pytest.param(
        ClaimsToBeConnected,
        r"connect\(\) gives 0 instead of -EINPROGRESS for what is under way.",
        marks=HELD_UP,
    ),
    (GivesADescriptorThatFailed, r"connect\(\) returns (a descriptor along with|0, which)|and -EAGAIN"),
    (GivesPositiveErrors, r"-EAGAIN|instead of a negative errno"),
    pytest.param(
        RefusesForAFullBacklog,
        r"with a full backlog gives \(-1, -\d+\) instead of -1 and -EAGAIN.",
        marks=HELD_UP,
    ),
    (LeaksWhatFailed, r"connect\(\) leaves a descriptor open when it fails."),
    (LeaksWhatRaised, r"connect\(\) leaves a descriptor open when it raises."),
    (RaisesWithoutDescriptors, 'while checking "tells that descriptors are out", the sockets raised'),
    pytest.param(
        TrustsTheReport,
        r"connected\(\) gives 0 instead of -EINPROGRESS for what is under way.",
        marks=HELD_UP,
    ),
    (NeverConnects, r"connected\(\) gives -\d+ for a socket that is connected to "),
    (HidesRefusals, "where nobody listens, connecting gives 0, not -ECONNREFUSED."),
    (RaisesRefusals, 'while checking "tells a refusal", the sockets raised ConnectionRefusedError'),
    (NamesItself, r"remote_name\(\) of the peer .* instead of "),
    (NamesNobody, r"remote_name\(\) of a socket without peer does not raise OSError."),
    pytest.param(
        KeepsWhatIsUnderWay, r"close\(\) does not close a socket that is being connected.", marks=HELD_UP
    ),
]
"""What has a fault, and what is said of it."""


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
@pytest.mark.usefixtures("connecting_only")
def test_says_what_is_wrong(
    broken: type[PureSockets], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken is NeverConnects:  # the one that takes as long as the check is patient
        monkeypatch.setattr(wires, "PATIENCE", 0.2)
    try:
        with pytest.raises(AssertionError, match=sentence) as caught:
            check_sockets(broken)
    finally:
        while LEAKED:
            os.close(LEAKED.pop())
    assert str(caught.value).endswith(".")


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
@pytest.mark.usefixtures("connecting_only")
def test_says_so_on_a_simulated_host(broken: type[PureSockets], sentence: str) -> None:
    LEAKED.clear()
    with Simulation(0).host("a"), pytest.raises(AssertionError, match=sentence):
        check_sockets(broken)
    LEAKED.clear()


@pytest.mark.usefixtures("connecting_only")
def test_sockets_that_cannot_connect_are_not_asked() -> None:
    check_sockets(object)
