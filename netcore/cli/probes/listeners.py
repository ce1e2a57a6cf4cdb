"""What kinds of listeners work here, each tried with a connection."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

from netcore._platform import AF_UNIX, FACTS
from netcore.cli.findings import Finding, fail, missing, ok

__all__ = ["probe_ipv6", "probe_reuse_port", "probe_unix_sockets"]

_PATIENCE = 5.0
"""Seconds until a connection on this machine counts as failed."""

_CONNECTIONS = 64
"""So many that fair tosses practically never give all to one of two listeners."""


def probe_reuse_port() -> Iterator[Finding]:
    """Reports whether two listeners on one port both get connections."""
    if FACTS.reuse_port is None:
        yield missing(
            "SO_REUSEPORT", "this system does not balance", "leave reuse_port out: one loop accepts for all"
        )
        return
    try:
        counts = _connections_of_two_listeners(FACTS.reuse_port)
    except OSError as error:
        yield fail("SO_REUSEPORT", f"two listeners on one port: {error}")
        return
    if min(counts) > 0:
        yield ok("SO_REUSEPORT", "the kernel balances the listeners of a port")
    else:
        yield fail("SO_REUSEPORT", f"one of two listeners got all {sum(counts)} connections")


def _connections_of_two_listeners(option: int) -> list[int]:
    with ExitStack() as stack:
        listeners: list[socket.socket] = []
        for _ in range(2):
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
            listener.bind(("127.0.0.1", listeners[0].getsockname()[1] if listeners else 0))
            listener.listen(_CONNECTIONS)
            listener.setblocking(False)
            listeners.append(listener)
        for _ in range(_CONNECTIONS):
            stack.enter_context(socket.create_connection(listeners[0].getsockname(), _PATIENCE))
        return [_accept_all(listener) for listener in listeners]


def _accept_all(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def probe_ipv6() -> Iterator[Finding]:
    """Reports whether IPv6 works here, and whether one listener can serve both versions."""
    reason = _why_no_ipv6()
    if reason:
        yield missing(
            "IPv6", reason, "give the loopback ::1 (Linux: net.ipv6.conf.all.disable_ipv6=0), or use tcp4://"
        )
        return
    yield ok("IPv6", "the loopback address [::1] answers")
    if not socket.has_dualstack_ipv6():
        yield missing("dual stack", "this system has none: tcp://:PORT is IPv4 only", "add tcp6://:PORT")
        return
    try:
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
            _connect(socket.AF_INET, ("127.0.0.1", listener.getsockname()[1]))
    except OSError as error:
        yield fail("dual stack", f"IPv4 to an IPv6 listener: {error}")
    else:
        yield ok("dual stack", "tcp://:PORT serves IPv4 and IPv6")


def _why_no_ipv6() -> str:
    if not socket.has_ipv6:
        return "Python was built without it"
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
            _connect(socket.AF_INET6, listener.getsockname())
    except OSError as error:
        return str(error)
    return ""


def probe_unix_sockets() -> Iterator[Finding]:
    """Reports whether Unix sockets work, in the file system and with abstract names."""
    if not FACTS.unix_sockets:
        yield missing("Unix sockets", "Python has none here", "use tcp://127.0.0.1:PORT")
        return
    with tempfile.TemporaryDirectory(prefix="netcore-") as directory:
        yield _try_unix("Unix sockets", AF_UNIX, os.path.join(directory, "socket"))
    if FACTS.abstract_names:
        yield _try_unix("abstract names", AF_UNIX, f"\0netcore-doctor-{secrets.token_hex(8)}")
    else:
        yield missing("abstract names", "only Linux has them", "use a path")


def _try_unix(subject: str, family: int, name: str) -> Finding:
    try:
        with socket.socket(family) as listener:
            listener.bind(name)
            listener.listen()
            _connect(family, name)
    except OSError as error:
        return fail(subject, str(error))
    return ok(subject, "a connection through one works")


def _connect(family: int, name: object) -> None:
    with socket.socket(family) as peer:
        peer.settimeout(_PATIENCE)
        peer.connect(name)  # type: ignore[arg-type]
