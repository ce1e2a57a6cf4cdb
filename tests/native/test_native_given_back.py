"""Thousands of calls of each native function leave nothing behind: no object, no descriptor, no mapping."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from netcore import codec
from netcore._native import native
from netcore.errors import FrameError
from netcore.poll import EpollPoller, Interest, IoUringPoller, Poller, SelectPoller
from netcore.sockets import (
    CONNECTED,
    IoUringSockets,
    NativeSockets,
    PureSockets,
    SocketOptions,
    Sockets,
    pack_name,
)
from netcore.testing.conformance import wires

pytestmark = [
    pytest.mark.skipif(not hasattr(sys, "getallocatedblocks"), reason="only CPython counts its objects"),
    pytest.mark.native,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to look at the process"),
]

CALLS = 10_000
SLACK = 200
"""Objects that may come and go by themselves: caches of the interpreter, packers for sizes of batches."""

URING = pytest.mark.poller("io_uring")
POLLERS = [EpollPoller, SelectPoller, pytest.param(IoUringPoller, marks=URING)]
SOCKETS = [NativeSockets, PureSockets, pytest.param(IoUringSockets, marks=URING)]


def holdings() -> tuple[int, int]:
    """How many descriptors the process has, and how many mappings."""
    return len(os.listdir("/proc/self/fd")), len(Path("/proc/self/maps").read_text().splitlines())


def nothing_left(call: Callable[[], object], times: int = CALLS) -> None:
    """Calls something often, and requires that nothing stays."""
    for _ in range(50):  # what is made once
        call()
    gc.collect()
    fds, maps = holdings()
    blocks = sys.getallocatedblocks()
    for _ in range(times):
        call()
    gc.collect()
    more = sys.getallocatedblocks() - blocks
    after_fds, after_maps = holdings()
    assert after_fds == fds
    assert after_maps <= maps + 8  # the allocator's own arenas
    assert more < SLACK, f"{more} blocks more after {times} calls"


@pytest.mark.parametrize("factory", POLLERS)
def test_pollers_that_come_and_go(factory: Callable[[], Poller]) -> None:
    def once() -> None:
        poller = factory()
        poller.wake()
        poller.wait(0)
        poller.close()

    nothing_left(once, 300)


@pytest.mark.parametrize("factory", POLLERS)
def test_calls_of_a_poller(factory: Callable[[], Any]) -> None:
    poller = factory()
    near, far = socket.socketpair()
    fd = near.fileno()
    far.send(b"!")

    def once() -> None:
        poller.register(fd, Interest.READ)
        poller.wait(0)
        poller.modify(fd, Interest.READ | Interest.WRITE)
        poller.wait(0)
        poller.wake()
        poller.unregister(fd)
        for refused in (lambda: poller.unregister(fd), lambda: poller.register(-1, 1)):
            try:
                refused()
            except OSError:
                pass

    nothing_left(once)
    near.close()
    far.close()
    poller.close()


def made(kind: type[Any]) -> tuple[Any, Sockets]:
    """Makes sockets, and the poller that goes with them if one does."""
    if kind is not IoUringSockets:
        return None, kind()
    poller = IoUringPoller()
    return poller, IoUringSockets(poller.ring)


@pytest.mark.parametrize("kind", SOCKETS)
def test_calls_for_streams(kind: type[Any]) -> None:
    poller, sockets = made(kind)
    pairs = [socket.socketpair() for _ in range(2)]
    fds = [near.detach() for near, _ in pairs]
    for fd in fds:
        os.set_blocking(fd, False)
        sockets.attach(fd)
        if poller is not None:
            poller.register(fd, Interest.READ)

    def once() -> None:
        for _, far in pairs:
            far.send(b"!")
        if poller is not None:
            poller.wait(0)
        sockets.receive(fds)
        sockets.receive(fds[:1])
        sockets.send(fds, [b"one", b"two"])
        sockets.send(fds[:1], [b"three"])
        sockets.send(fds, [bytes(9000), memoryview(b"small")])
        if kind is not PureSockets:
            sockets.send([-1, -1], [b"to nobody", b"at all"])
        for _, far in pairs:
            far.recv(65536)
        with sockets.borrow(fds[0]):
            pass

    nothing_left(once, 3000)
    sockets.close(fds)
    for _, far in pairs:
        far.close()
    if poller is not None:
        poller.close()


@pytest.mark.parametrize("kind", SOCKETS)
def test_connections_that_come_and_go(kind: type[Any]) -> None:
    from netcore.sockets import Endpoint

    poller, sockets = made(kind)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    fd = listener.detach()
    sockets.attach(fd)
    with sockets.borrow(fd) as sock:
        endpoint = Endpoint(socket.AF_INET, sock.getsockname())
    gone = Endpoint(socket.AF_INET, wires.refusing_name())

    def once() -> None:
        for reset in (True, False):
            client, _ = sockets.connect(endpoint, socket.SOCK_STREAM, SocketOptions())
            accepted, _ = sockets.accept(fd, 8)
            for each, _ in accepted:
                sockets.attach(each)
                if poller is not None:
                    poller.register(each, Interest.READ)
                    poller.wait(0)
                    poller.unregister(each)
                sockets.local_address(each)
                sockets.remote_name(each)
                sockets.shutdown_write(each)
                if reset:
                    sockets.reset(each)
                else:
                    sockets.close([each])
            sockets.connected(client)
            sockets.close([client])
        refused, _ = sockets.connect(gone, socket.SOCK_STREAM, SocketOptions())
        if refused >= 0:
            sockets.close([refused])

    nothing_left(once, 500)
    sockets.close([fd])
    if poller is not None:
        poller.close()


@pytest.mark.parametrize("kind", [NativeSockets, PureSockets])
def test_calls_for_datagrams(kind: type[Any]) -> None:
    sockets = kind()
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for sock in (near, far):
        sock.bind(("127.0.0.1", 0))
    near.connect(far.getsockname())
    near.setblocking(False)
    far_name, near_name = pack_name(socket.AF_INET, far.getsockname()), near.getsockname()
    fd = near.detach()
    sockets.attach(fd)

    def once() -> None:
        far.sendto(b"in", near_name)
        far.sendto(bytes(3000), near_name)
        sockets.receive_datagrams(fd, 8)
        sockets.send_datagrams(fd, [b"out", b"again"], [CONNECTED, CONNECTED])
        sockets.send_datagrams(fd, [bytes(70_000)], [far_name])
        for _ in range(2):
            far.recv(100)

    nothing_left(once, 2000)
    sockets.close([fd])
    far.close()


@pytest.mark.parametrize(
    "made",
    [
        codec.LineCodec(100),
        codec.DelimiterCodec(100, b"\r\n\r\n", b"|"),
        codec.LengthFieldCodec(100, length_field_length=2),
        codec.FixedLengthCodec(4),
    ],
    ids=["line", "delimiter", "length", "fixed"],
)
def test_scans(made: codec.Codec) -> None:
    data = b"\0\x02ab\r\n\r\n" * 40

    def once() -> None:
        for at in (0, 3):
            decoder = made.decoder()
            decoder.feed(data[at:])
            with suppress(FrameError):
                list(decoder.next_frames())

    nothing_left(once, 2000)


def test_what_is_handed_to_the_c_is_let_go_of() -> None:
    _, lib = native()
    sockets = NativeSockets()
    near, far = socket.socketpair()
    near.setblocking(False)
    fd = near.fileno()
    chunk = bytes(20_000)
    names = [sys.intern("a"), chunk, sockets, lib]
    before = [sys.getrefcount(each) for each in names]
    for _ in range(CALLS // 10):
        sockets.send([fd, fd], [chunk, chunk])
        far.recv(65536)
        sockets.send_one(fd, chunk)
        far.recv(65536)
    assert [sys.getrefcount(each) for each in names] == before
    near.close()
    far.close()
