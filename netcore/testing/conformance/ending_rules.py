"""How sockets end a connection: at once, whatever the socket's options say, and for every duplicate."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from netcore._machine import current
from netcore._platform import pack_linger, socket_over
from netcore.sockets import duplicate
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.sockets_bench import SocketsBench, is_open, receive_all, receive_exactly
from netcore.testing.conformance.wires import lowest_free, tcp_pair, wait_ready

__all__ = ["ENDING_RULES"]

_LINGER: Final = 5
"""Seconds that close(2) would wait for a peer that does not read."""

_MORE_THAN_FITS: Final = 500
"""Sends that fill the buffers of a connection; a sender that does not say so must not hold up the check."""

_A_WHILE: Final = 0.1
"""Seconds after which a connection on loopback has acknowledged what it will."""

_SIGPIPE: Final[int | None] = getattr(signal, "SIGPIPE", None)
_signal: Any = signal  # whose functions differ between the platforms


def _fill(bench: SocketsBench, fd: int) -> None:
    """Sends until the kernel takes no more, not even when what is under way has been acknowledged."""
    for _ in range(_MORE_THAN_FITS):
        if bench.send([(fd, bytes(1 << 16))]) and not wait_ready(fd, selectors.EVENT_WRITE, _A_WHILE):
            return


def _duplicate(bench: SocketsBench, fd: int) -> socket.socket:
    with bench.sockets.borrow(fd) as sock:
        return bench.keep(socket_over(duplicate(sock), sock.family, sock.type))


def _closes_without_waiting(bench: SocketsBench) -> None:
    for end in (lambda fd: bench.sockets.close([fd]), bench.sockets.reset):
        fd, _ = bench.pair(tcp=True)
        with bench.sockets.borrow(fd) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(_LINGER))
        _fill(bench, fd)
        began = time.monotonic()
        end(fd)
        took = time.monotonic() - began
        require(not is_open(fd), "a socket with SO_LINGER stays open.")
        bench.released(fd)
        require(took < _LINGER - 1, f"closing a socket with SO_LINGER of {_LINGER} s waits for {took:.1f} s.")


def _resets_where_the_linger_time_is_zero(bench: SocketsBench) -> None:
    fd, peer = bench.pair(tcp=True)
    with bench.sockets.borrow(fd) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
    bench.sockets.close([fd])
    bench.released(fd)
    _expect_reset(peer, "close() of a socket with SO_LINGER of zero seconds")


def _expect_reset(peer: socket.socket, what: str) -> None:
    try:
        got = peer.recv(1)
    except ConnectionResetError:
        return
    except TimeoutError:
        got = b"nothing"
    raise AssertionError(f"{what} shows the peer {got!r} instead of ECONNRESET.")


def _ends_in_spite_of_a_duplicate(bench: SocketsBench) -> None:
    for tcp in (False, True):
        fd, peer = bench.pair(tcp)
        _duplicate(bench, fd)
        bench.send([(fd, b"bye")])
        bench.sockets.close([fd])
        bench.released(fd)
        got = receive_all(peer, "close() tells the peer nothing while a duplicate is open.")
        require(got == b"bye", "close() of a socket with a duplicate loses what was sent before it.")


def _resets_in_spite_of_a_duplicate(bench: SocketsBench) -> None:
    if current().facts.disconnect_resets:
        fd, peer = bench.pair(tcp=True)
        _duplicate(bench, fd)
        bench.sockets.reset(fd)
        bench.released(fd)
        _expect_reset(peer, "reset() of a socket with a duplicate")
    if current().facts.unix_sockets:
        fd, peer = bench.pair()
        _duplicate(bench, fd)
        bench.sockets.reset(fd)
        bench.released(fd)
        receive_all(peer, "reset() of a Unix socket tells the peer nothing while a duplicate is open.")


def _releases(bench: SocketsBench) -> None:
    for tcp in (False, True):
        fd, peer = bench.pair(tcp)
        copy = _duplicate(bench, fd)
        bench.sockets.release([fd])
        require(not is_open(fd), "release() does not close the descriptor.")
        bench.released(fd)
        copy.setblocking(True)
        copy.sendall(b"on")
        require(receive_exactly(peer, 2, "release() ends a connection.") == b"on", "bytes change.")
        peer.sendall(b"back")
        require(receive_exactly(copy, 4, "release() ends a connection.") == b"back", "bytes change.")
    listener = bench.adopt(socket.create_server(("127.0.0.1", 0)))
    other = _duplicate(bench, listener)
    bench.sockets.release([listener])
    bench.released(listener)
    bench.keep(socket.create_connection(other.getsockname()))
    other.setblocking(True)
    bench.keep(other.accept()[0])
    bench.sockets.release([])


def _raises_no_sigpipe(bench: SocketsBench) -> None:
    """The signal is at its default and blocked meanwhile, so that it is seen rather than felt."""
    if _SIGPIPE is None or not bench.surroundings.signals:
        return
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_SIGPIPE,))
    former = signal.signal(_SIGPIPE, signal.SIG_DFL)
    try:
        for tcp in (False, True):
            for what, write in _ways_to_write(bench):
                near, far = tcp_pair() if tcp else socket.socketpair()
                near.shutdown(socket.SHUT_WR)  # by which a write fails as it does without a peer
                fd = bench.adopt(near)
                bench.keep(far)
                write(fd)
                raised = _SIGPIPE in _signal.sigpending()
                if raised:
                    _signal.sigwait((_SIGPIPE,))
                require(not raised, f"{what} on a dead connection raises SIGPIPE.")
    finally:
        signal.signal(_SIGPIPE, former)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _ways_to_write(bench: SocketsBench) -> list[tuple[str, Callable[[int], object]]]:
    def send_file(fd: int) -> object:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(1000))
            file.flush()
            return bench.sockets.sendfile(fd, file.fileno(), 0, 1000)

    return [
        ("send()", lambda fd: bench.send([(fd, b"x")])),
        ("send() of several chunks", lambda fd: bench.send([(fd, b"x"), (fd, bytes(20000))])),
        ("sendfile()", send_file),
    ]


def _installs_no_descriptors(bench: SocketsBench) -> None:
    """A peer of a Unix socket may pass descriptors, which nobody here asks for."""
    if not hasattr(socket, "send_fds"):
        return
    fd, peer = bench.pair()
    with open(os.devnull, "rb") as file, suppress(PermissionError):  # where the socket forbids it
        before = lowest_free()
        socket.send_fds(peer, [b"x"], [file.fileno()] * 3)
        bench.arrival(fd)
        require(bench.receive([fd]) == [(1, b"x")], "bytes that come with descriptors are not received.")
        require(lowest_free() == before, "receive() leaves descriptors open that a peer has passed.")


ENDING_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _closes_without_waiting,
    _resets_where_the_linger_time_is_zero,
    _ends_in_spite_of_a_duplicate,
    _resets_in_spite_of_a_duplicate,
    _releases,
    _raises_no_sigpipe,
    _installs_no_descriptors,
)
