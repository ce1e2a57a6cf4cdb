"""What connecting must do. A backend that cannot connect is not put to these rules."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from netcore._machine import current
from netcore._platform import AF_UNIX
from netcore.sockets import CONNECTED, Endpoint, SocketOptions, pack_name
from netcore.testing.conformance import wires
from netcore.testing.conformance.rules import expect_raises, require
from netcore.testing.conformance.sockets_bench import SocketsBench, is_open, receive_exactly
from netcore.testing.conformance.wires import has_ipv6, lowest_free, wait_ready

__all__ = ["CONNECT_RULES"]

_UNDER_WAY: Final = -errno.EINPROGRESS
_OPTIONS: Final = SocketOptions()
_BUFFER: Final = 20000
"""Bytes of a receive buffer that no system chooses by itself."""

_FILLERS: Final = 4
"""Connections that fill a backlog for none, with some to spare."""

_SOON: Final = 0.1
"""Seconds after which a connection on loopback that is not there is taken to be held up."""


@contextmanager
def _listeners(bench: SocketsBench) -> Iterator[list[tuple[socket.socket, Endpoint]]]:
    """Listens in each family that the machine has; yields the listeners and where to connect to."""
    families: list[tuple[int, object]] = [(socket.AF_INET, ("127.0.0.1", 0))]
    if has_ipv6():
        families.append((socket.AF_INET6, ("::1", 0)))
    with tempfile.TemporaryDirectory(prefix="nc") as directory:
        if current().facts.unix_sockets:
            families.append((AF_UNIX, f"{directory}/s"))
        yield [_listen(bench, family, name) for family, name in families]


def _listen(
    bench: SocketsBench, family: int, name: object, backlog: int = 8
) -> tuple[socket.socket, Endpoint]:
    listener = bench.keep(socket.socket(family))
    listener.bind(name)  # type: ignore[arg-type]
    listener.listen(backlog)
    return listener, Endpoint(family, listener.getsockname())


def _begin(
    bench: SocketsBench,
    endpoint: Endpoint,
    kind: int = socket.SOCK_STREAM,
    options: SocketOptions = _OPTIONS,
) -> tuple[int, int]:
    """Calls ``connect`` and checks the form of what it returns."""
    fd, code = bench.sockets.connect(endpoint, kind, options)
    if fd >= 0:
        bench.own(fd)
        require(is_open(fd), f"connect() returns {fd}, which is no open socket.")
        require(code in (0, _UNDER_WAY), f"connect() returns a descriptor along with the error {code}.")
    else:
        require(fd == -1, f"connect() returns the descriptor {fd}.")
        require(
            code < 0 and code != _UNDER_WAY,
            f"connect() returns no descriptor and {code} instead of a negative errno.",
        )
    return fd, code


def _outcome(bench: SocketsBench, fd: int) -> int:
    """Asks ``connected`` after each report of the kernel until it is decided."""
    deadline = time.monotonic() + wires.PATIENCE
    while wait_ready(fd, selectors.EVENT_WRITE):
        code = bench.sockets.connected(fd)
        if code != _UNDER_WAY or time.monotonic() > deadline:
            return code
        bench.surroundings.settle()
    return _UNDER_WAY


def _connect(
    bench: SocketsBench,
    endpoint: Endpoint,
    kind: int = socket.SOCK_STREAM,
    options: SocketOptions = _OPTIONS,
) -> int:
    """Connects, or fails with a sentence."""
    fd, code = _begin(bench, endpoint, kind, options)
    require(fd >= 0, f"connect() to {endpoint.name!r} fails with {code}.")
    for _ in range(2):
        code = _outcome(bench, fd)
        require(code == 0, f"connected() gives {code} for a socket that is connected to {endpoint.name!r}.")
    return fd


def _close(bench: SocketsBench, fd: int, what: str) -> None:
    bench.sockets.close([fd])
    bench.released(fd)
    require(not is_open(fd), f"close() does not close a socket that {what}.")


def _connects_streams(bench: SocketsBench) -> None:
    with _listeners(bench) as listeners:
        for listener, endpoint in listeners:
            fd = _connect(bench, endpoint)
            peer = bench.keep(listener.accept()[0])
            require(not bench.send([(fd, b"ping")]), "a socket that has connected does not send.")
            got = receive_exactly(peer, 4, "what a socket that has connected sends is lost.")
            require(got == b"ping", "bytes change.")
            peer.sendall(b"pong")
            bench.arrival(fd)
            require(bench.receive([fd]) == [(4, b"pong")], "a socket that has connected does not receive.")
            _close(bench, fd, "has connected")


def _connects_sockets_that_do_not_block(bench: SocketsBench) -> None:
    with _listeners(bench) as listeners:
        fd = _connect(bench, listeners[0][1])
    if not current().facts.sockets_are_handles:  # which tell nobody whether they block
        require(not current().is_blocking(fd), "connect() returns a socket that blocks.")
    is_inheritable: Callable[[int], bool] = getattr(os, "get_handle_inheritable", os.get_inheritable)
    require(not is_inheritable(fd), "connect() returns a socket that is not close-on-exec.")


def _connects_datagrams(bench: SocketsBench) -> None:
    if not hasattr(bench.sockets, "receive_datagrams"):
        return
    peer = bench.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    peer.bind(("127.0.0.1", 0))
    fd = _connect(bench, Endpoint(socket.AF_INET, peer.getsockname()), socket.SOCK_DGRAM)
    failures = bench.sockets.send_datagrams(fd, [b"ping"], [CONNECTED])
    require(not failures, f"a datagram socket that has connected reports {list(failures)} in sending.")
    require(wait_ready(peer.fileno()), "what a datagram socket that has connected sends is lost.")
    data, name = peer.recvfrom(100)
    require(data == b"ping", "a datagram socket that has connected does not send datagrams.")
    peer.sendto(b"pong", name)
    bench.arrival(fd)
    received, _ = bench.sockets.receive_datagrams(fd, 8)
    require([data for data, _ in received] == [b"pong"], "after connect() a datagram is not received.")


def _sets_the_options(bench: SocketsBench) -> None:
    _, endpoint = _listen(bench, socket.AF_INET, ("127.0.0.1", 0))
    options = SocketOptions(no_delay=True, receive_buffer=_BUFFER)
    plain = bench.keep(socket.socket(socket.AF_INET))
    options.apply(plain)
    plain.connect(endpoint.name)  # by which BSD rounds the buffer up to whole segments
    fd = _connect(bench, endpoint, options=options)
    with bench.sockets.borrow(fd) as sock:
        for level, option in (
            (socket.SOL_SOCKET, socket.SO_RCVBUF),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY),
        ):
            got, wanted = sock.getsockopt(level, option), plain.getsockopt(level, option)
            require(got == wanted, f"connect() leaves socket option {option} at {got}, not at {wanted}.")


def _tells_the_peer(bench: SocketsBench) -> None:
    with _listeners(bench) as listeners:
        for listener, endpoint in listeners:
            fd = _connect(bench, endpoint)
            name = pack_name(endpoint.family, endpoint.name)
            got = bench.sockets.remote_name(fd)
            require(
                got == name, f"remote_name() of the peer {endpoint.name!r} is {got!r} instead of {name!r}."
            )
            with bench.sockets.borrow(fd) as sock:
                own = pack_name(endpoint.family, sock.getsockname())
            got = bench.sockets.remote_name(bench.adopt(listener.accept()[0]))
            require(got == own, f"remote_name() of an accepted socket is {got!r} instead of {own!r}.")
    alone = bench.adopt(socket.socket(socket.AF_INET))
    expect_raises(OSError, lambda: bench.sockets.remote_name(alone), "remote_name() of a socket without peer")


def _tells_a_refusal(bench: SocketsBench) -> None:
    endpoint = Endpoint(socket.AF_INET, wires.refusing_name())
    fd, code = _begin(bench, endpoint)
    if fd >= 0:
        code = _outcome(bench, fd)
        _close(bench, fd, "could not connect")
    require(code == -errno.ECONNREFUSED, f"where nobody listens, connecting gives {code}, not -ECONNREFUSED.")


def _fill(bench: SocketsBench, endpoint: Endpoint) -> int:
    """Connects more often than a backlog for none has room; returns what the last attempt has given."""
    code = 0
    for _ in range(_FILLERS):
        filler = bench.keep(socket.socket(endpoint.family))
        filler.setblocking(False)
        code = filler.connect_ex(endpoint.name)
        bench.surroundings.settle()
    return code


def _tells_what_is_under_way(bench: SocketsBench) -> None:
    _, endpoint = _listen(bench, socket.AF_INET, ("127.0.0.1", 0), 0)
    _fill(bench, endpoint)
    fd, code = _begin(bench, endpoint)
    if fd < 0 or wait_ready(fd, selectors.EVENT_WRITE, _SOON):
        return  # Linux holds a connection up when the backlog is full; others refuse it, or take it
    require(code == _UNDER_WAY, f"connect() gives {code} instead of -EINPROGRESS for what is under way.")
    code = bench.sockets.connected(fd)
    require(code == _UNDER_WAY, f"connected() gives {code} instead of -EINPROGRESS for what is under way.")
    _close(bench, fd, "is being connected")


def _tells_a_full_backlog_of_a_unix_listener(bench: SocketsBench) -> None:
    if not current().facts.unix_sockets:
        return
    with tempfile.TemporaryDirectory(prefix="nc") as directory:
        _, endpoint = _listen(bench, AF_UNIX, f"{directory}/s", 0)
        if _fill(bench, endpoint) != errno.EAGAIN:
            return  # BSD refuses
        fd, code = bench.sockets.connect(endpoint, socket.SOCK_STREAM, _OPTIONS)
    require(
        (fd, code) == (-1, -errno.EAGAIN),
        f"connect() to a Unix listener with a full backlog gives {(fd, code)} instead of -1 and -EAGAIN.",
    )


def _leaves_nothing_open_that_failed(bench: SocketsBench) -> None:
    if not current().facts.unix_sockets or current().facts.sockets_are_handles:  # whose numbers tell nothing
        return
    before = lowest_free()
    with tempfile.TemporaryDirectory(prefix="nc") as directory:
        code = _begin(bench, Endpoint(AF_UNIX, f"{directory}/nobody"))[1]
    require(code == -errno.ENOENT, f"connect() to a path that does not exist gives {code}, not -ENOENT.")
    require(lowest_free() == before, "connect() leaves a descriptor open when it fails.")
    impossible = Endpoint(socket.AF_INET, ("127.0.0.1", 1 << 16))
    expect_raises(
        OverflowError, lambda: _begin(bench, impossible), "connecting to a port that there cannot be"
    )
    require(lowest_free() == before, "connect() leaves a descriptor open when it raises.")


def _tells_that_descriptors_are_out(bench: SocketsBench) -> None:
    with _listeners(bench) as listeners:
        endpoint = listeners[0][1]
        with bench.surroundings.descriptors_left(0) as limited:
            fd, code = _begin(bench, endpoint) if limited else (-1, -errno.EMFILE)
        require(
            (fd, code) == (-1, -errno.EMFILE),
            f"connect() out of descriptors gives {(fd, code)} instead of -1 and -EMFILE.",
        )


CONNECT_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _connects_streams,
    _connects_sockets_that_do_not_block,
    _connects_datagrams,
    _sets_the_options,
    _tells_the_peer,
    _tells_a_refusal,
    _tells_what_is_under_way,
    _tells_a_full_backlog_of_a_unix_listener,
    _leaves_nothing_open_that_failed,
    _tells_that_descriptors_are_out,
)
