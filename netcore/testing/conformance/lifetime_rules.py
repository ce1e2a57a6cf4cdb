"""What socket I/O must do besides moving bytes: names, options, and the several ways to end."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from typing import Final

from netcore._machine import current
from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.sockets import Sockets
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.sockets_bench import SocketsBench, is_open, receive_all, receive_exactly
from netcore.testing.conformance.wires import has_ipv6, reset

__all__ = ["LIFETIME_RULES"]


def _tells_its_name(bench: SocketsBench) -> None:
    name = bench.sockets.name
    require(name and type(name) is str, f"the name of the sockets is {name!r} instead of a text.")


def _shuts_down_writing(bench: SocketsBench) -> None:
    for tcp in (False, True):
        fd, peer = bench.pair(tcp)
        bench.send([(fd, b"last words")])
        bench.sockets.shutdown_write(fd)
        got = receive_all(peer, "shutdown_write() does not end the stream.")
        require(got == b"last words", "shutdown_write() loses what was sent before it.")
        peer.sendall(b"answer")
        bench.arrival(fd)
        require(bench.receive([fd]) == [(6, b"answer")], "after shutdown_write() a socket does not receive.")


def _shuts_down_dead_connections(bench: SocketsBench) -> None:
    fd, peer = bench.pair(tcp=True)
    reset(peer)
    bench.arrival(fd)
    bench.receive([fd])
    for _ in range(2):
        bench.sockets.shutdown_write(fd)  # an exception is reported as such


def _close(bench: SocketsBench, fds: list[int], close: Callable[[], None], what: str) -> None:
    close()
    for fd in fds:
        require(not is_open(fd), f"{what} does not close the descriptor.")
        bench.released(fd)


def _closes_in_order(bench: SocketsBench) -> None:
    for tcp in (False, True):
        pairs = [bench.pair(tcp) for _ in range(3)]
        fds = [fd for fd, _ in pairs]
        bench.send([(fd, b"bye") for fd in fds])
        _close(bench, fds[1:], lambda fds=fds: bench.sockets.close(fds[1:]), "close()")  # type: ignore[misc]
        for _, peer in pairs[1:]:
            got = receive_all(peer, "close() does not end the stream.")
            require(got == b"bye", "close() loses what was sent before it.")
        require(not bench.send([(fds[0], b"!")]), "close() of two sockets closes a third.")
        require(receive_exactly(pairs[0][1], 4, "close() closes another socket.") == b"bye!", "bytes change.")
    bench.sockets.close([])


def _resets(bench: SocketsBench) -> None:
    fd, peer = bench.pair(tcp=True)
    _close(bench, [fd], lambda: bench.sockets.reset(fd), "reset()")
    try:
        got = peer.recv(1)
    except ConnectionResetError:
        return
    raise AssertionError(f"reset() shows the peer {got!r} instead of ECONNRESET.")


def _resets_what_cannot_be_reset(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    _close(bench, [fd], lambda: bench.sockets.reset(fd), "reset() of a socket pair")
    receive_all(peer, "reset() of a socket pair does not end it.")
    dead, dead_peer = bench.pair(tcp=True)
    reset(dead_peer)
    bench.arrival(dead)
    _close(
        bench, [dead], lambda: bench.sockets.reset(dead), "reset() of a connection that the peer has reset"
    )


def _takes_reused_numbers(bench: SocketsBench) -> None:
    for end in (lambda fd: bench.sockets.close([fd]), bench.sockets.reset):
        for i in range(5):
            fd, peer = bench.pair(tcp=i % 2 == 1)
            bench.send([(fd, b"%d" % i)])
            got = receive_exactly(peer, 1, "a socket under a reused number does not send.")
            require(got == b"%d" % i, "a socket under a reused number sends other bytes.")
            end(fd)
            bench.released(fd)


def _tells_the_local_address(bench: SocketsBench) -> None:
    for family, host in [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]:
        if family == socket.AF_INET6 and not has_ipv6():
            continue
        sock = socket.socket(family)
        sock.bind((host, 0))
        port = sock.getsockname()[1]
        address = bench.sockets.local_address(bench.adopt(sock))
        require(
            address == Address("tcp", host, port), f"local_address() of {host}, port {port}, is {address}."
        )
    if current().facts.unix_sockets:
        with tempfile.TemporaryDirectory(prefix="nc") as directory:
            sock = socket.socket(AF_UNIX)
            sock.bind(f"{directory}/s")
            address = bench.sockets.local_address(bench.adopt(sock))
        require(
            address == Address("unix", path=f"{directory}/s"),
            f"local_address() of a Unix socket is {address}.",
        )


def _lends_a_socket(bench: SocketsBench) -> None:
    fd, peer = bench.pair(tcp=True)
    with bench.sockets.borrow(fd) as sock:
        require(sock.fileno() == fd, "borrow() lends another descriptor.")
        require(sock.family == socket.AF_INET, f"borrow() lends a socket of the family {sock.family!r}.")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _lend_and_fail(bench.sockets, fd)
    with bench.sockets.borrow(fd) as sock:
        kept = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    require(kept, "an option set on a borrowed socket is lost.")
    require(not bench.send([(fd, b"still here")]), "after borrow() a socket does not send.")
    require(receive_exactly(peer, 10, "after borrow() a socket is closed.") == b"still here", "bytes change.")
    peer.sendall(b"blocking?")
    bench.arrival(fd)
    require(bench.receive([fd]) == [(9, b"blocking?")], "after borrow() a socket does not receive.")
    require(bench.receive([fd])[0][0] < 0, "after borrow() a socket blocks.")


def _lend_and_fail(sockets: Sockets, fd: int) -> None:
    failure = LookupError("in the body")
    try:
        with sockets.borrow(fd):
            raise failure
    except LookupError as error:
        require(error is failure, f"borrow() replaces an exception of the body by {error!r}.")
    else:
        raise AssertionError("borrow() swallows an exception of the body.")


LIFETIME_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _tells_its_name,
    _shuts_down_writing,
    _shuts_down_dead_connections,
    _closes_in_order,
    _resets,
    _resets_what_cannot_be_reset,
    _takes_reused_numbers,
    _tells_the_local_address,
    _lends_a_socket,
)
