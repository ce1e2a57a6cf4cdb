"""The io_uring poller: by itself, under each way to set up a ring, and where there is none."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from netcore._native import ring as ring_module
from netcore.errors import PollerUnavailableError
from netcore.poll import (
    Interest,
    IoUringPoller,
    Readiness,
    available,
    open_poller,
    poller_names,
    register_poller,
    registry,
    why_unavailable,
)
from netcore.testing import check_poller

needs_uring = pytest.mark.poller("io_uring")

MODES = range(4)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


@needs_uring
@pytest.mark.parametrize("mode", MODES)
def test_passes_the_check_however_the_ring_is_set_up(mode: int) -> None:
    check_poller(lambda: IoUringPoller(mode))


@needs_uring
def test_there_is_no_fifth_way() -> None:
    with pytest.raises(OSError, match=r"before Linux 6\.0"):
        IoUringPoller(4)


@needs_uring
def test_it_is_listed_and_never_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETCORE_POLLER", raising=False)
    assert "io_uring" in available()
    monkeypatch.setattr(registry, "_factories", {"io_uring": IoUringPoller})
    with pytest.raises(PollerUnavailableError):
        open_poller()
    opened = open_poller("io_uring")
    assert opened.name == "io_uring"
    opened.close()
    monkeypatch.setenv("NETCORE_POLLER", "io_uring")
    open_poller().close()


def test_it_is_known_wherever_it_runs_or_not() -> None:
    assert "io_uring" in poller_names()


@needs_uring
def test_the_thread_that_uses_it_need_not_have_opened_it(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    poller = IoUringPoller()
    found: list[object] = []

    def use() -> None:
        poller.register(near.fileno(), Interest.READ)
        far.send(b"!")
        found.append(poller.wait(5))
        poller.close()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [[(near.fileno(), Readiness.READABLE)]]


@needs_uring
def test_an_unregistered_descriptor_is_let_go_of_at_once() -> None:
    poller = IoUringPoller()
    for interest in (Interest.READ, Interest.READ | Interest.EDGE):
        near, far = socket.socketpair()
        poller.register(near.fileno(), interest)
        assert poller.wait(0) == []
        poller.unregister(near.fileno())
        near.close()
        far.settimeout(5)
        assert far.recv(1) == b"", "a request still holds the closed socket open"
        far.close()
    poller.close()


@needs_uring
@pytest.mark.parametrize("mode", MODES)
def test_a_wake_that_unregister_comes_across_is_kept(
    mode: int, pair: tuple[socket.socket, socket.socket]
) -> None:
    poller = IoUringPoller(mode)
    poller.register(pair[0].fileno(), Interest.READ)
    assert poller.wait(0) == []
    poller.wake()
    poller.unregister(pair[0].fileno())  # which awaits a completion, and so sees that of the wake
    start = time.monotonic()
    assert poller.wait(5) == []
    assert time.monotonic() - start < 5
    poller.close()


@needs_uring
def test_close_lets_go_of_what_is_registered() -> None:
    poller = IoUringPoller()
    near, far = socket.socketpair()
    poller.register(near.fileno(), Interest.READ)
    poller.wait(0)
    poller.close()
    near.close()
    far.settimeout(5)
    assert far.recv(1) == b""
    far.close()


@needs_uring
def test_more_registrations_than_the_queue_takes() -> None:
    poller = IoUringPoller()
    pairs = [socket.socketpair() for _ in range(600)]
    for near, far in pairs:
        poller.register(near.fileno(), Interest.READ)
        far.send(b"!")
    found: set[int] = set()
    for _ in range(20):
        found |= {fd for fd, _ in poller.wait(0)}
    assert found == {near.fileno() for near, _ in pairs}
    poller.close()
    for near, far in pairs:
        near.close()
        far.close()


@needs_uring
def test_out_of_descriptors_leaves_nothing_open() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(__file__, "rb") as probe:
        lowest = probe.fileno()
    for room in (0, 1):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
        try:
            with pytest.raises(OSError, match="EMFILE"):
                IoUringPoller()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with open(__file__, "rb") as probe:
        assert probe.fileno() == lowest


@needs_uring
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_in_a_forked_child_it_is_inert_and_the_parents_goes_on(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    poller = IoUringPoller()
    poller.register(near.fileno(), Interest.READ)
    assert poller.wait(0) == []
    child = os.fork()
    if child == 0:
        try:
            for attempt in (lambda: poller.wait(0), lambda: poller.unregister(near.fileno())):
                try:
                    attempt()
                except OSError:
                    continue
                os._exit(1)
            poller.abandon()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    far.send(b"!")
    assert poller.wait(5) == [(near.fileno(), Readiness.READABLE)]
    poller.close()


@needs_uring
@pytest.mark.parametrize("mode", MODES)
def test_its_descriptor_may_be_asked_for_at_any_time(
    mode: int, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    poller = IoUringPoller(mode)
    poller.ring.attached.add(near.fileno())
    poller.register(near.fileno(), Interest.READ)
    far.send(b"!")
    assert poller.wait(5) == [(near.fileno(), Readiness.READABLE)]
    watched = poller.fileno()  # what the ring has fetched by now is kept
    assert select.select([watched], [], [], 5)[0]
    assert poller.wait(5) == [(near.fileno(), Readiness.READABLE)]
    assert poller.fileno() == watched
    poller.unregister(near.fileno())
    poller.close()


@needs_uring
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_no_descriptor_and_closes_its_copy() -> None:
    poller = IoUringPoller()
    watched = poller.fileno()
    child = os.fork()
    if child == 0:
        try:
            try:
                poller.fileno()
            except OSError:
                poller.abandon()
                os._exit(os.path.exists(f"/proc/self/fd/{watched}"))
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    poller.wake()
    assert select.select([poller.fileno()], [], [], 5)[0]
    poller.close()


@needs_uring
def test_out_of_descriptors_a_ring_that_cannot_be_watched_goes_on(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    resource = pytest.importorskip("resource")
    near, far = pair
    poller = IoUringPoller()
    poller.register(near.fileno(), Interest.READ)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(__file__, "rb") as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno(), hard))
    try:
        with suppress(OSError):  # not where the kernel is too old for a ring that has to be replaced
            poller.fileno()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    far.send(b"!")
    assert poller.wait(5) == [(near.fileno(), Readiness.READABLE)]
    assert select.select([poller.fileno()], [], [], 5)[0]
    poller.close()


@pytest.mark.native
@pytest.mark.posix  # elsewhere its name says enough
@pytest.mark.parametrize(
    ("code", "setting", "status", "reason"),
    [
        (errno.ENOSYS, "0", "", r"before Linux 6\.0"),
        (errno.EPERM, "2", "", "kernel.io_uring_disabled is 2"),
        (errno.EPERM, "0", "Name:\tx\nSeccomp:\t2\n", "seccomp filter forbids"),
        (errno.EPERM, "0", "Name:\tx\nSeccomp:\t0\n", "the system forbids io_uring"),
        (errno.ENOMEM, "0", "", "RLIMIT_MEMLOCK"),
        (errno.EMFILE, "0", "", "EMFILE"),
    ],
)
def test_a_refusal_says_why(
    code: int, setting: str, status: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "setting").write_text(setting)
    (tmp_path / "status").write_text(status)
    monkeypatch.setattr(ring_module, "_SYSCTL", tmp_path / "setting")
    monkeypatch.setattr(ring_module, "_STATUS", tmp_path / "status")

    class Refusing(Library):
        def nc_io_uring_open_as(self, poller: object, mode: int) -> int:
            return -code

    ffi, lib = ring_module.native()
    monkeypatch.setattr(ring_module, "native", lambda: (ffi, Refusing(lib)))
    monkeypatch.setattr(registry, "_factories", {})
    register_poller("io_uring", IoUringPoller)
    with pytest.raises(PollerUnavailableError, match=f"'io_uring' cannot run here: .*{reason}"):
        open_poller("io_uring")


class Library:
    """The native library, but for what a test replaces."""

    def __init__(self, lib: object) -> None:
        self._lib = lib

    def nc_io_uring_built(self) -> int:
        return 1

    def __getattr__(self, name: str) -> object:
        return getattr(self._lib, name)


@pytest.mark.native
@pytest.mark.posix
def test_a_build_without_liburing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without(Library):
        def nc_io_uring_built(self) -> int:
            return 0

    ffi, lib = ring_module.native()
    monkeypatch.setattr(ring_module, "native", lambda: (ffi, Without(lib)))
    with pytest.raises(ImportError, match="without liburing"):
        IoUringPoller()
    assert "liburing" in why_unavailable("io_uring")


def test_without_a_native_part_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netcore._native._loaded", None)
    monkeypatch.setattr("netcore._native.MISSING", "netcore was built without its native part")
    with pytest.raises(ImportError, match="without its native part"):
        IoUringPoller()
