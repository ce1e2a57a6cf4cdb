"""Two network namespaces with a bad line between them, for tests that need the network's own faults."""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NEAR, FAR = "10.77.0.1", "10.77.0.2"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def enter(namespace: str) -> None:
    with open(namespace) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns({namespace})")


class Line:
    """Two namespaces, ``near`` and ``far``, which a kind of line joins."""

    def __init__(self) -> None:
        self.names = [f"netcore{os.getpid()}{end}" for end in ("n", "f")]
        self.near, self.far = self.names
        for name in self.names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Has this thread, and threads it starts, make their sockets in a namespace; they stay there."""
        enter(f"/run/netns/{name}")
        try:
            yield
        finally:
            enter("/proc/1/ns/net" if os.getpid() == 1 else f"/proc/{os.getpid()}/task/{self.home}/ns/net")

    @property
    def home(self) -> int:
        """A thread that never leaves the namespace the tests were started in."""
        return _stay_home().native_id or 0

    def configure(self, device: str) -> None:
        for name, here, there, v6 in ((self.near, NEAR, FAR, "fe80::1"), (self.far, FAR, NEAR, "fe80::2")):
            ip("-n", name, "addr", "add", here, "peer", there, "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "addr", "add", f"{v6}/64", "dev", device, "nodad")

    def close(self) -> None:
        for name in self.names:
            ip("netns", "del", name)


_anchor: threading.Thread | None = None


def _stay_home() -> threading.Thread:
    global _anchor
    if _anchor is None:
        _anchor = threading.Thread(target=threading.Event().wait, name="home", daemon=True)
        _anchor.start()
    return _anchor


class TunnelLine(Line):
    """A line of our own: two tun devices, and a thread that carries packets, late or not at all."""

    device = "tun0"

    def __init__(self) -> None:
        import fcntl  # not on Windows, where these tests are skipped

        super().__init__()
        self.delay, self.loss, self.down = 0.0, 0.0, False
        self._random = random.Random(7)
        self.ends = []
        for name in self.names:
            with self.inside(name):
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
                fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH", b"tun0", _IFF_TUN | _IFF_NO_PI))
            self.ends.append(fd)
        self.configure(self.device)
        self._stop, self._stopped = os.pipe()
        self._carrier = threading.Thread(target=self._carry, daemon=True)
        self._carrier.start()

    def shape(self, delay: float = 0.0, loss: float = 0.0) -> None:
        self.delay, self.loss = delay, loss

    def cut(self) -> None:
        self.down = True

    def heal(self) -> None:
        self.down = False

    def _carry(self) -> None:
        under_way: list[tuple[float, int, int, bytes]] = []
        number = itertools.count()
        while True:
            timeout = max(under_way[0][0] - time.monotonic(), 0) if under_way else None
            ready, _, _ = select.select([*self.ends, self._stop], [], [], timeout)
            if self._stop in ready:
                return
            for end in ready:
                packet = os.read(end, 65536)
                if not self.down and self._random.random() >= self.loss:
                    other = self.ends[1 - self.ends.index(end)]
                    heapq.heappush(under_way, (time.monotonic() + self.delay, next(number), other, packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(under_way)
                if not self.down:
                    os.write(end, packet)

    def close(self) -> None:
        os.close(self._stopped)
        self._carrier.join(10)
        os.close(self._stop)
        for end in self.ends:
            os.close(end)
        super().close()


class VirtualLine(Line):
    """The kernel's own: a veth pair, made bad by tc-netem(8)."""

    device = "veth0"

    def __init__(self) -> None:
        super().__init__()
        ip("link", "add", "veth0", "netns", self.near, "type", "veth", "peer", "veth0", "netns", self.far)
        self.configure(self.device)
        self.shape()

    def shape(self, delay: float = 0.0, loss: float = 0.0) -> None:
        self._netem("delay", f"{delay * 1000:g}ms", "loss", f"{loss * 100:g}%")

    def cut(self) -> None:
        self._netem("loss", "100%")

    def heal(self) -> None:
        self.shape()

    def _netem(self, *how: str) -> None:
        for name in self.names:
            command = ["tc", "-n", name, "qdisc", "replace", "dev", self.device, "root", "netem", *how]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise OSError(f"tc qdisc: {done.stderr.strip()}")


@pytest.fixture(scope="module", params=[TunnelLine, VirtualLine], ids=["tun", "netem"])
def bad_line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """A line of each kind that this machine and this user may make."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} of iproute2 is not installed")
    _stay_home()
    line = None
    try:
        line = request.param.__new__(request.param)
        line.__init__()
    except OSError as error:
        names = getattr(line, "names", ())
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        pytest.skip(f"this machine or user may not make such a line: {error}")
    yield line
    line.close()


@pytest.fixture
def line(bad_line: Line) -> Iterator[Line]:
    """The line, whole again after each test."""
    yield bad_line
    bad_line.shape()
    bad_line.heal()
