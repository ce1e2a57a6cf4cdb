"""What a server's memory grows by for each connection."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import process
from bench.figures import MEMORY, MEMORY_USED, Sample
from bench.peer import Peer
from bench.process import RunError, Server
from bench.workloads.base import Window

Connect = Callable[[int], socket.socket]
"""Makes a connection to a port of 127.0.0.1."""

_MESSAGE = b"m" * 64
_FIRST_CLIENTS = 10
_TIMEOUT = 30.0
_INTERVAL = 0.02
_REST = 0.5


@dataclass(frozen=True)
class IdleMemory:
    """The difference in Pss, once after all have connected and once after each has had one echo.

    Pss is what a process has in memory, pages shared with others divided among them: proc(5). What the
    kernel keeps for a socket is the same for all servers and not part of it.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    connections: int
    compared: tuple[str, ...] = (MEMORY, MEMORY_USED)

    def settings(self) -> Mapping[str, float]:
        return {"connections": self.connections, "size": len(_MESSAGE)}

    def missing(self) -> str | None:
        return process.too_few_descriptors(self.connections)

    def values(self) -> Mapping[str, object]:
        """What a peer is told beside its port."""
        return {}

    def connect(self, port: int) -> socket.socket:
        """Makes one connection."""
        return connect_plainly(port)

    def measure(self, peer: Peer, window: Window) -> Sample:
        values = self.values()
        with process.serving(lambda port: peer.command(port=port, **values), window.cpus.server) as server:
            before = memory_at_rest(server, self.connect)
            with _connected(server, self.connections, self.connect) as clients:
                idle = _pss(server)
                _echo(clients)
                used = _pss(server)
        return {
            MEMORY: (idle - before) / self.connections,
            MEMORY_USED: (used - before) / self.connections,
        }


def connect_plainly(port: int) -> socket.socket:
    """Makes a connection without TLS."""
    return socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)


def memory_at_rest(server: Server, connect: Connect = connect_plainly) -> int:
    """Returns the Pss, in bytes, of a stream echo server that has had its first clients, and lost them.

    What a server loads or sets up on first use belongs to no connection.
    """
    with _connected(server, _FIRST_CLIENTS, connect) as clients:
        _echo(clients)
    _descriptors_at_rest(server)
    return _pss(server)


@contextmanager
def _connected(server: Server, count: int, connect: Connect) -> Iterator[list[socket.socket]]:
    expected = _descriptors_at_rest(server) + count
    clients: list[socket.socket] = []
    try:
        while len(clients) < count:
            clients.append(connect(server.port))
        _await_descriptors(server, at_least=expected)
        yield clients
    except OSError as error:
        raise RunError(f"with {len(clients)} connections: {error}") from error
    finally:
        for client in clients:
            client.close()


def _echo(clients: list[socket.socket]) -> None:
    for client in clients:
        client.sendall(_MESSAGE)
        if _receive(client) != _MESSAGE:
            raise RunError("other bytes came back than were sent")


def _receive(client: socket.socket) -> bytes:
    received = b""
    while len(received) < len(_MESSAGE) and (data := client.recv(len(_MESSAGE))):
        received += data
    return received


def _await_descriptors(server: Server, at_least: int) -> None:
    give_up = time.monotonic() + _TIMEOUT
    while (count := _descriptors(server)) < at_least:
        if time.monotonic() > give_up:
            raise RunError(f"the server has {count} descriptors after {_TIMEOUT:g} s")
        time.sleep(_INTERVAL)


def _descriptors_at_rest(server: Server) -> int:
    """Counts them once the number stays: what was closed is gone, what is opened on first use is there."""
    count, since = _descriptors(server), time.monotonic()
    while time.monotonic() < since + _REST:
        time.sleep(_INTERVAL)
        if (now := _descriptors(server)) != count:
            count, since = now, time.monotonic()
    return count


def _descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def _pss(server: Server) -> int:
    for line in Path(f"/proc/{server.pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) * 1024
    raise RunError("this kernel does not tell the Pss of a process")
