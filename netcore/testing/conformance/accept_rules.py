"""What batched accepting must do."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from netcore._machine import current
from netcore._platform import AF_UNIX
from netcore.address import Address
from netcore.sockets import pack_name, unpack_name
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.sockets_bench import SocketsBench, receive_exactly
from netcore.testing.conformance.wires import has_ipv6

__all__ = ["ACCEPT_RULES"]

Accepted = list[tuple[int, bytes]]
SocketName = tuple[str | int, ...] | str


def _listen(
    bench: SocketsBench, family: int = socket.AF_INET, host: str = "127.0.0.1"
) -> tuple[int, SocketName]:
    """Listens on a free port; returns the descriptor and where to connect to."""
    listener = socket.create_server((host, 0), family=family)
    name = listener.getsockname()
    return bench.adopt(listener), name


def _connect(
    bench: SocketsBench, name: SocketName, family: int = socket.AF_INET, own_name: str = ""
) -> socket.socket:
    client = bench.keep(socket.socket(family))
    if own_name:
        client.bind(own_name)
    client.connect(name)
    return client


def _accept(bench: SocketsBench, listener: int, count: int, limit: int = 64) -> Accepted:
    """Accepts so many connections in as many batches as it takes."""
    accepted: Accepted = []
    while len(accepted) < count:
        bench.arrival(listener)
        batch, error = bench.sockets.accept(listener, limit)
        for fd, _ in batch:
            bench.attach(fd)
        require(error == 0, f"accept() reports the error {error} with connections waiting.")
        require(len(batch) <= limit, f"accept() with a limit of {limit} returns {len(batch)} connections.")
        accepted += batch
    require(len(accepted) == count, f"accept() returns {len(accepted)} connections where {count} were made.")
    return accepted


def _accepts_in_batches_up_to_the_limit(bench: SocketsBench) -> None:
    listener, name = _listen(bench)
    require(bench.sockets.accept(listener, 8) == ([], 0), "accept() without connections is not ([], 0).")
    clients = [_connect(bench, name) for _ in range(5)]
    accepted = _accept(bench, listener, 3, limit=3) if clients else []
    accepted += _accept(bench, listener, 2, limit=100)
    require(len({fd for fd, _ in accepted}) == 5, "accept() returns a descriptor twice.")
    require(
        bench.sockets.accept(listener, 8) == ([], 0), "accept() after the last connection is not ([], 0)."
    )


def _accepts_nothing_with_a_limit_of_zero(bench: SocketsBench) -> None:
    listener, name = _listen(bench)
    _connect(bench, name)
    bench.arrival(listener)
    require(bench.sockets.accept(listener, 0) == ([], 0), "accept() with a limit of 0 is not ([], 0).")
    _accept(bench, listener, 1)


def _accepts_more_than_a_batch(bench: SocketsBench) -> None:
    listener, name = _listen(bench)
    names = {_connect(bench, name).getsockname() for _ in range(40)}
    accepted = _accept(bench, listener, 40, limit=1000)
    peers = {(address.host, address.port) for address in (unpack_name(packed) for _, packed in accepted)}
    require(peers == names, "accept() does not give each connection the name of its own peer.")


def _accepted_sockets_work_and_do_not_block(bench: SocketsBench) -> None:
    listener, name = _listen(bench)
    client = _connect(bench, name)
    bench.arrival(listener)
    batch, error = bench.sockets.accept(listener, 1)
    require(len(batch) == 1 and not error, f"accept() is {(batch, error)!r} with a connection waiting.")
    fd = batch[0][0]
    if not current().facts.sockets_are_handles:  # which tell nobody whether they block
        require(not current().is_blocking(fd), "accept() returns a socket that blocks.")
    is_inheritable: Callable[[int], bool] = getattr(os, "get_handle_inheritable", os.get_inheritable)
    require(not is_inheritable(fd), "accept() returns a socket that is not close-on-exec.")
    bench.attach(fd)
    client.sendall(b"ping")
    bench.arrival(fd)
    require(bench.receive([fd]) == [(4, b"ping")], "an accepted socket does not receive.")
    require(not bench.send([(fd, b"pong")]), "an accepted socket does not send.")
    require(receive_exactly(client, 4, "an accepted socket does not send.") == b"pong", "bytes change.")


def _names_internet_peers(bench: SocketsBench) -> None:
    families = [(socket.AF_INET, "127.0.0.1")] + ([(socket.AF_INET6, "::1")] if has_ipv6() else [])
    for family, host in families:
        listener, name = _listen(bench, family, host)
        own = _connect(bench, name, family).getsockname()
        ((_, packed),) = _accept(bench, listener, 1)
        require(isinstance(packed, bytes), f"accept() gives a name of type {type(packed).__name__}.")
        require(packed == pack_name(family, own), f"accept() packs the peer {own!r} as {packed!r}.")
        address = unpack_name(packed)
        require(address == Address("tcp", host, own[1]), f"the peer {own!r} is named {address}.")


def _names_ipv4_peers_of_a_dual_stack_listener(bench: SocketsBench) -> None:
    if not has_ipv6() or not socket.has_dualstack_ipv6():
        return
    server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = server.getsockname()[1]
    listener = bench.adopt(server)
    own = _connect(bench, ("127.0.0.1", port)).getsockname()
    ((_, packed),) = _accept(bench, listener, 1)
    address = unpack_name(packed)
    require(address == Address("tcp", *own), f"the IPv4 peer {own!r} of an IPv6 listener is named {address}.")


def _names_unix_peers(bench: SocketsBench) -> None:
    if not current().facts.unix_sockets:
        return
    with tempfile.TemporaryDirectory(prefix="nc") as directory:
        path = f"{directory}/s"
        server = socket.socket(AF_UNIX)
        server.bind(path)
        server.listen(8)
        listener = bench.adopt(server)
        own_names = {"": "", f"{directory}/client": f"{directory}/client"}
        if current().facts.abstract_names:
            abstract = f"netcore.check.{os.getpid()}"
            own_names[f"\0{abstract}"] = f"@{abstract}"
        for own_name, shown in own_names.items():
            _connect(bench, path, AF_UNIX, own_name)
            ((_, packed),) = _accept(bench, listener, 1)
            address = unpack_name(packed)
            require(
                address == Address("unix", path=shown),
                f"a Unix peer bound to {own_name!r} is named {address!r}.",
            )
        longest = directory + "/" + "n" * (_longest_path(directory) - len(directory) - 1)
        _connect(bench, path, AF_UNIX, longest)
        ((_, packed),) = _accept(bench, listener, 1)
        require(unpack_name(packed).path == longest, "accept() cuts the longest name of a Unix peer.")


def _longest_path(directory: str) -> int:
    """Finds how long a Unix socket's path may be: 108 bytes on Linux, 104 elsewhere, less a NUL or not."""
    for length in range(108, 90, -1):
        path = directory + "/" + "p" * (length - len(directory) - 1)
        with socket.socket(AF_UNIX) as sock, suppress(OSError):
            sock.bind(path)
            return length
    return 90


def _reports_errors_of_the_listener(bench: SocketsBench) -> None:
    fd, _ = bench.pair(tcp=True)
    accepted, error = bench.sockets.accept(fd, 4)
    require(not accepted, "accept() on a socket that does not listen returns connections.")
    require(
        error < 0, f"accept() on a socket that does not listen gives {error} instead of a negative errno."
    )


def _reports_that_descriptors_are_out(bench: SocketsBench) -> None:
    listener, name = _listen(bench)
    for _ in range(3):
        _connect(bench, name)
    bench.arrival(listener)
    for room in (0, 1):
        with bench.surroundings.descriptors_left(room) as limited:
            batch, error = bench.sockets.accept(listener, 8) if limited else ([], -errno.EMFILE)
        for fd, _ in batch:
            bench.attach(fd)
        require(error == -errno.EMFILE, f"accept() out of descriptors gives {error} instead of -EMFILE.")
        got = len(batch)
        require(
            got == room or not limited, f"accept() with {room} descriptors left returns {got} connections."
        )
    if limited:
        _accept(bench, listener, 2)


ACCEPT_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _accepts_in_batches_up_to_the_limit,
    _accepts_nothing_with_a_limit_of_zero,
    _accepts_more_than_a_batch,
    _accepted_sockets_work_and_do_not_block,
    _names_internet_peers,
    _names_ipv4_peers_of_a_dual_stack_listener,
    _names_unix_peers,
    _reports_errors_of_the_listener,
    _reports_that_descriptors_are_out,
)
