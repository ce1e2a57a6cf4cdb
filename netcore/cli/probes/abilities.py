"""What the table of platforms declares of this one, each tried."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator

from netcore._native import MISSING, native
from netcore._platform import FACTS, HERE, SENDFILE
from netcore.cli.findings import NATIVE_PART, Finding, fail, missing, ok
from netcore.poll import Interest, Poller, Readiness, available, open_poller
from netcore.sockets import set_keep_alive

__all__ = ["probe_datagrams", "probe_edge", "probe_keep_alive", "probe_sendfile"]

_PATIENCE = 5.0
_EDGE = int(Interest.READ | Interest.EDGE)
_TEXT = b"netcore doctor"
_NOTHING = "it works all the same"


def probe_edge() -> Iterator[Finding]:
    """Reports for each poller whether it tells news once, as edge-triggered readiness should."""
    for name in available():
        subject = f"edge on {name}"
        poller = open_poller(name)
        try:
            if poller.supports_edge:
                yield _try_edge(subject, poller)
            else:
                yield missing(subject, "level-triggered only", "take another poller for edge_triggered")
        finally:
            poller.close()


def _try_edge(subject: str, poller: Poller) -> Finding:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        poller.register(near.fileno(), _EDGE)
        for _ in range(2):
            far.send(b"!")
            if not any(readiness & Readiness.READABLE for _, readiness in poller.wait(_PATIENCE)):
                return fail(subject, "new bytes are not told")
            if poller.wait(0):
                return fail(subject, "old bytes are told again")
        poller.unregister(near.fileno())
    return ok(subject, "edge-triggered")


def probe_datagrams() -> Iterator[Finding]:
    """Reports whether several datagrams go through the kernel in one call."""
    if MISSING:
        yield missing("datagrams", "one by one, and not several at once", NATIVE_PART)
    elif bool(native()[1].nc_datagram_batches()) != HERE.datagram_batches:
        yield fail("datagrams", "the native part was built for another platform than this")
    elif HERE.datagram_batches:
        yield ok("datagrams", "in batches (recvmmsg, sendmmsg)")
    else:
        yield missing("datagrams", "one by one: this system has no call for several", _NOTHING)


def probe_sendfile() -> Iterator[Finding]:
    """Reports whether the kernel sends a file itself."""
    if SENDFILE is None:
        yield missing("sendfile", "this system has none: files are read and sent", _NOTHING)
        return
    with tempfile.TemporaryFile() as file:
        file.write(_TEXT)
        file.flush()
        near, far = socket.socketpair()
        with near, far:
            far.settimeout(_PATIENCE)
            sent = SENDFILE(near.fileno(), file.fileno(), 0, len(_TEXT))
            received = far.recv(len(_TEXT))
    if received == _TEXT[:sent] and sent > 0:
        yield ok("sendfile", "the kernel sends files itself")
    else:
        yield fail("sendfile", f"{sent} bytes were sent, and {received!r} has come")


def probe_keep_alive() -> Iterator[Finding]:
    """Reports whether a socket takes the times of TCP keep-alive."""
    wanted = (60, 10, 5)
    with socket.socket() as sock:
        set_keep_alive(sock, True, *wanted)
        on = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        got = [
            value if option is None else sock.getsockopt(socket.IPPROTO_TCP, option) // unit
            for option, unit, value in zip(FACTS.keep_alive, FACTS.keep_alive_units, wanted, strict=True)
        ]
    if not on or tuple(got) != wanted:
        yield fail("keep-alive", f"asked for {wanted}, the socket has {tuple(got)}")
    elif None in FACTS.keep_alive:
        text = "can be switched on, but not all of its times can be set for a socket"
        yield missing("keep-alive", text, "set the system's own times")
    else:
        yield ok("keep-alive", "idle time, interval and count can be set for each socket")
