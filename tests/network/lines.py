"""Network namespaces that nobody else sees, and the line between them.

A namespace here has no name: it is a descriptor, and goes, with its devices and rules, when that is closed,
be it by the end of a killed process. Nothing of the machine's own network is touched.

    near --- veth --- router --- tun ~ carrier ~ tun --- far

The router is the kernel's own: it forwards, filters (nftables), refuses (ICMP, resets), and answers what is
too large for its way to the far end. What a kernel does not do to packets the carrier does.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEAR, FAR = "10.77.1.1", "10.77.2.1"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
_MTU = 1500
_CARRIER = Path(__file__).with_name("carrier.py")
_TIMEOUT = 30.0


def missing_tool() -> str | None:
    """Says which program is not installed that this takes; None if all are."""
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(tool) is None:
            return f"{tool} of {package} is not installed"
    return None


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mine() -> int:
    """Returns a descriptor of the namespace that this thread is in."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    def __init__(self) -> None:
        made: list[int | OSError] = []

        def make() -> None:  # on a thread that ends, so that no other changes its place
            try:
                _call("unshare", _CLONE_NEWNET)
                made.append(_mine())
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        (result,) = made
        if isinstance(result, OSError):
            raise result
        self.fd = result
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.ip("link", "set", "lo", "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Has this thread, and threads and processes it starts, in the namespace; they stay there."""
        home = _mine()
        try:
            _call("setns", self.fd, _CLONE_NEWNET)
            try:
                yield
            finally:
                _call("setns", home, _CLONE_NEWNET)
        finally:
            os.close(home)

    def do(self, *command: str, text: str = "") -> None:
        with self.inside():
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")

    def ip(self, *arguments: str) -> None:
        self.do("ip", *arguments)

    def tun(self) -> int:
        """Makes a device tun0; it is there as long as the descriptor."""
        with self.inside():
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI))
            except OSError:
                os.close(fd)
                raise
        return fd

    def close(self) -> None:
        os.close(self.fd)


class Line:
    """Two ends, a router, and all that can be wrong between them. Whole at first."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as stack:
            self.near, self.router, self.far = (self._keep(stack, Namespace()) for _ in range(3))
            self._connect()
            ends = [self.router.tun(), self.far.tun()]
            try:
                self._carrier = subprocess.Popen(
                    [sys.executable, str(_CARRIER), *map(str, ends)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    pass_fds=ends,
                    text=True,
                )
            finally:
                for end in ends:
                    os.close(end)
            stack.callback(self._end_carrier)
            self._configure()
            self._closing = stack.pop_all()

    def _keep(self, stack: contextlib.ExitStack, namespace: Namespace) -> Namespace:
        stack.callback(namespace.close)
        return namespace

    def _end_carrier(self) -> None:
        with self._carrier as carrier:
            carrier.kill()

    def _connect(self) -> None:
        self.near.ip("link", "add", "veth0", "type", "veth", "peer", "veth0", "netns", self.router.path)

    def _configure(self) -> None:
        for namespace, device, here, v6 in (
            (self.near, "veth0", f"{NEAR}/24", "fe80::1/64"),
            (self.router, "veth0", "10.77.1.254/24", "fe80::2/64"),
            (self.router, "tun0", "10.77.2.254/24", "fe80::3/64"),
            (self.far, "tun0", f"{FAR}/24", "fe80::4/64"),
        ):
            namespace.ip("addr", "add", here, "dev", device)
            namespace.ip("link", "set", device, "up")
            namespace.ip("addr", "replace", v6, "dev", device, "nodad")
        with self.router.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            # At its default of a second each, ICMP errors to one peer would be told once (icmp(7)).
            Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")
        self.far.ip("route", "add", "default", "via", "10.77.2.254")
        self.heal()

    def shape(self, **faults: float | bool) -> None:
        """Tells the carrier its `Faults`, and no others."""
        assert self._carrier.stdin is not None and self._carrier.stdout is not None
        print(json.dumps(faults), file=self._carrier.stdin, flush=True)
        if not self._carrier.stdout.readline():
            raise OSError(f"the carrier ended with status {self._carrier.wait()}")

    def rules(self, *rules: str, answering: bool = True) -> None:
        """Has the router pass packets on by these rules of nft(8), and no others.

        Args:
            rules: Of a chain that sees what is passed on.
            answering: Whether it tells the sender of what it cannot pass on (ICMP).
        """
        silence = "" if answering else "meta l4proto icmp drop"
        ruleset = f"""flush ruleset
            table ip line {{
                chain passing {{
                    type filter hook forward priority 0
                    {chr(10).join(rules)}
                }}
                chain own {{
                    type filter hook output priority 0
                    {silence}
                }}
            }}
        """
        self.router.do("nft", "-f", "-", text=ruleset)

    def mtu(self, size: int) -> None:
        """Has the router send no larger packets to the far end; neither end knows."""
        self.router.ip("link", "set", "tun0", "mtu", str(size))

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self.shape(down=True)

    def unplug(self) -> None:
        """The near end has no network any more, and its kernel knows."""
        self.near.ip("link", "set", "veth0", "down")

    def lose_the_way(self) -> None:
        """The router has no way to the far end any more, and says so (ICMP)."""
        self.router.ip("route", "del", "10.77.2.0/24")

    def heal(self) -> None:
        """Mends everything."""
        self.shape()
        self.rules()
        self.mtu(_MTU)
        self.near.ip("link", "set", "veth0", "up")
        self.near.ip(
            "addr", "replace", "fe80::1/64", "dev", "veth0", "nodad"
        )  # the kernel drops it with the link
        self.near.ip("route", "replace", "default", "via", "10.77.1.254")
        self.near.ip("route", "flush", "cache")
        for end in (self.near, self.router):  # a neighbour looked for since before is soon given up
            end.ip("neigh", "flush", "all")
        self.router.ip("route", "replace", "10.77.2.0/24", "dev", "tun0", "src", "10.77.2.254")

    def close(self) -> None:
        self._closing.close()
