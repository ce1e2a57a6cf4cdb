"""Each call of netcore's C to the system fails in turn: what was opened is given back, and bytes go once.

The module is built with ``failing/failing.c``, and runs under the sanitizers where the others do.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from netcore.poll import (
    EpollPoller,
    Interest,
    IoUringPoller,
    KqueuePoller,
    Poller,
    Readiness,
)
from netcore.sockets import IoUringSockets, NativeSockets, Sockets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the emulation is for Linux")

READ, WRITE, EDGE = Interest.READ, Interest.WRITE, Interest.EDGE

MOST = 200
"""More calls than anything here makes: a loop over them that does not end is a fault."""

POLLERS = [
    EpollPoller,
    KqueuePoller,
    pytest.param(IoUringPoller, marks=pytest.mark.poller("io_uring")),
]


class System:
    """The module, and the means to have one of its calls fail."""

    def __init__(self, module: Any) -> None:
        self.lib, self.ffi = module.lib, module.ffi

    @contextmanager
    def failing(self, at: int, code: int) -> Iterator[None]:
        """Has the call with this number fail."""
        self.lib.failing_with, self.lib.failing_calls = code, 0
        self.lib.failing_name = self.ffi.NULL
        self.lib.failing_at = at
        try:
            yield
        finally:
            self.lib.failing_at = 0

    @property
    def failed(self) -> str:
        """Which function has failed; empty for none."""
        name = self.lib.failing_name
        return self.ffi.string(name).decode() if name else ""


@pytest.fixture(scope="module")
def system(failing_module: Any) -> System:
    return System(failing_module)


@pytest.fixture(autouse=True)
def on_that(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has pollers and sockets use the module."""
    for user in ("poll.native", "_native.ring", "sockets.native", "sockets.native_datagrams"):
        with suppress(AttributeError):
            monkeypatch.setattr(f"netcore.{user}.native", lambda: (system.ffi, system.lib))


def holdings() -> tuple[list[str], int]:
    """What the process has open and mapped."""
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    return sorted(os.listdir("/proc/self/fd")), sum("io_uring" in line for line in mapped)


def each_failure(system: System, code: int) -> Iterator[int]:
    """Numbers of calls, until there is none with such a number."""
    for at in range(1, MOST):
        yield at
        if not system.failed:
            return
    pytest.fail(f"there are more than {MOST} calls")


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EMFILE, errno.EINVAL])
@pytest.mark.parametrize("factory", POLLERS)
def test_what_cannot_open_leaves_nothing_open(
    system: System, factory: Callable[[], Poller], code: int
) -> None:
    factory().close()
    before = holdings()
    failures = 0
    for at in each_failure(system, code):
        try:
            with system.failing(at, code):
                poller = factory()
        except OSError:
            failures += 1
        else:
            poller.close()
        assert holdings() == before, system.failed
    assert failures >= 2


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.EBADF])
@pytest.mark.parametrize("factory", POLLERS)
def test_a_call_that_fails_is_told_and_the_rest_goes_on(
    system: System, factory: Callable[[], Poller], code: int
) -> None:
    before = holdings()
    for at in each_failure(system, code):
        poller: Any = factory()
        near, far = socket.socketpair()
        fd = near.fileno()
        with system.failing(at, code):
            for call, *arguments in (
                (poller.register, fd, READ),
                (poller.wait, 0),
                (poller.modify, fd, READ | WRITE | EDGE),
                (poller.wake,),
                (poller.wait, 0.001),
                (poller.fileno,),
                (poller.modify, fd, 0),
                (poller.wait, 0),
            ):
                with suppress(OSError):
                    call(*arguments)
        with suppress(FileNotFoundError):
            poller.unregister(fd)
        poller.register(fd, READ)  # and all is as it should be
        far.send(b"!")
        for _ in range(10):
            if poller.wait(1) == [(fd, Readiness.READABLE)]:
                break
        else:
            pytest.fail(f"after {system.failed} has failed nothing is reported")
        poller.unregister(fd)
        near.recv(1)
        near.close()
        far.settimeout(5)
        assert far.recv(1) == b"", f"after {system.failed} has failed a descriptor is held open"
        far.close()
        poller.close()
        assert holdings() == before, system.failed


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EBADF, errno.EINTR])
@pytest.mark.parametrize("factory", POLLERS)
def test_close_gives_back_what_it_has_whatever_fails(
    system: System, factory: Callable[[], Poller], code: int
) -> None:
    before = holdings()
    for at in each_failure(system, code):
        poller = factory()
        near, far = socket.socketpair()
        poller.register(near.fileno(), READ)
        poller.wait(0)
        with system.failing(at, code):
            poller.close()
        near.close()
        far.close()
        assert holdings() == before, system.failed


class Rig:
    """Sockets under check, two pairs of them, and what their peers get."""

    def __init__(self, kind: str) -> None:
        self.poller = IoUringPoller() if kind == "io_uring" else None
        self.sockets: Sockets = (
            IoUringSockets(self.poller.ring) if self.poller is not None else NativeSockets()
        )
        self.peers = []
        self.fds = []
        for _ in range(2):
            near, far = socket.socketpair()
            near.setblocking(False)
            far.settimeout(5)
            self.fds.append(near.detach())
            self.sockets.attach(self.fds[-1])
            if self.poller is not None:
                self.poller.register(self.fds[-1], READ)
            self.peers.append(far)

    def close(self) -> list[bytes]:
        """Ends all; returns what the peers have got."""
        self.sockets.close(self.fds)
        got = []
        for peer in self.peers:
            data = b""
            while piece := peer.recv(65536):
                data += piece
            got.append(data)
            peer.close()
        if self.poller is not None:
            self.poller.close()
        return got


KINDS = ["native", pytest.param("io_uring", marks=pytest.mark.poller("io_uring"))]


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.ENXIO, errno.EAGAIN, errno.EINTR, errno.EBUSY])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_failed_submission_leaves_behind_is_never_sent_later(
    system: System, kind: str, code: int
) -> None:
    before = holdings()
    for at in each_failure(system, code):
        rig = Rig(kind)
        if rig.poller is not None:
            rig.poller.wait(0)
        chunks = [bytes([number]) * 20_000 for number in (1, 2, 3)]
        with system.failing(at, code):
            trouble = dict(rig.sockets.send([rig.fds[0], rig.fds[1], rig.fds[0]], list(chunks)))
        del chunks  # what was left behind would now point at freed memory, or at what comes next
        other = [bytes([number]) * 20_000 for number in (7, 8)]
        assert not rig.sockets.send(rig.fds, other) or trouble
        if rig.poller is not None:
            with suppress(OSError):
                rig.poller.wait(0)
        left = [trouble.get(i, 0) for i in range(3)]
        whole = [20_000 if n == 0 else 0 if n < 0 else 20_000 - n for n in left]
        got = rig.close()
        assert got[0][: whole[0] + whole[2]] == b"\1" * whole[0] + b"\3" * whole[2], system.failed
        assert got[1][: whole[1]] == b"\2" * whole[1], system.failed
        assert not (got[0][whole[0] + whole[2] :]).strip(b"\7"), "bytes are sent twice, or others'"
        assert not (got[1][whole[1] :]).strip(b"\x08"), "bytes are sent twice, or others'"
        assert holdings() == before, system.failed


@pytest.mark.parametrize("code", [errno.EINTR, errno.ENOMEM])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_failed_receive_leaves_behind_is_received_later(system: System, kind: str, code: int) -> None:
    before = holdings()
    for at in each_failure(system, code):
        rig = Rig(kind)
        for number, peer in enumerate(rig.peers):
            peer.sendall(b"%d" % number)
        got = dict.fromkeys(rig.fds, b"")
        with system.failing(at, code):
            for attempt in range(20):
                if attempt and all(got.values()):
                    break
                with suppress(OSError):
                    if rig.poller is not None:
                        rig.poller.wait(0.01)
                for fd in rig.fds:
                    (n,) = rig.sockets.receive([fd])
                    got[fd] += rig.sockets.arena[: max(n, 0)]
        assert list(got.values()) == [b"0", b"1"], system.failed
        rig.close()
        assert holdings() == before, system.failed


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED, errno.EINTR])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_failed_accept_leaves_behind_waits(system: System, kind: str, code: int) -> None:
    before = holdings()
    for at in each_failure(system, code):
        rig = Rig(kind)
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        with system.failing(at, code):
            accepted, error = rig.sockets.accept(listener.fileno(), 8)
        assert error in (0, -code)
        accepted += rig.sockets.accept(listener.fileno(), 8)[0]
        assert len(accepted) == 3
        for fd, _ in accepted:
            os.close(fd)
        for sock in (listener, *clients):
            sock.close()
        rig.close()
        assert holdings() == before, system.failed
