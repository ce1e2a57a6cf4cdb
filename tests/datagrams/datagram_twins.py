"""A datagram server in each of the two halves, over the same script of a kernel, and what is seen of it."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence

from fakes_in_c import DatagramsInC, let_raise

from netcore import Address, EventHandler
from netcore._native import COLD, MISSING
from netcore.connection import Limits
from netcore.eventloop import Loop, Shared, halves
from netcore.poll import open_poller
from netcore.sockets import NativeSockets, pack_name
from netcore.testing import ManualClock

__all__ = ["LONGEST", "PythonScriptedSockets", "ScriptedSockets", "Twin", "known", "name_of", "why_single"]

LONGEST = 5000
"""Bytes of a datagram that are received at most."""


def name_of(number: int) -> bytes:
    """The packed name of one of several senders."""
    return pack_name(socket.AF_INET, (f"192.0.2.{number}", 40000 + number))


def known(name: bytes, number: int) -> bytes:
    """A name with the address of this side's that the datagram was sent to."""
    return bytes((name[0] | 0x40,)) + name[1:] + bytes((198, 51, 100, number))


def why_single() -> str:
    """Why there is only one half here; empty if there are both."""
    if MISSING or COLD:
        return MISSING or COLD
    with contextlib.closing(open_poller()) as poller:
        return "" if hasattr(poller, "hot_wait") else f"C cannot wait with the poller {poller.name}"


class PythonScriptedSockets(NativeSockets):
    """Native sockets whose datagrams are a script's, and which C does not know.

    Attributes:
        arriving: What comes next: the bytes, or None for a datagram that is too long, and the sender's name.
        ended_by: The errno that ends the next receive, if there is one.
        outcomes: What becomes of the datagrams that are sent next, each: 0, or an errno.
        batches: What was taken of each batch that was offered: bytes and names.
    """

    def __init__(self) -> None:
        super().__init__(LONGEST)
        self.receive_cap = LONGEST
        self.arriving: deque[tuple[bytes | None, bytes]] = deque()
        self.ended_by = 0
        self.outcomes: deque[int] = deque()
        self.batches: list[list[tuple[bytes, bytes]]] = []

    def receive_datagrams(self, fd: int, limit: int) -> tuple[list[tuple[bytes | None, bytes]], int]:
        taken = [self.arriving.popleft() for _ in range(min(limit, 256, len(self.arriving)))]
        code, self.ended_by = -self.ended_by, 0
        return taken, code

    def send_datagrams(self, fd: int, chunks: Sequence[object], names: list[bytes]) -> list[tuple[int, int]]:
        failures: list[tuple[int, int]] = []
        batch: list[tuple[bytes, bytes]] = []
        full = 0
        for i, (chunk, name) in enumerate(zip(chunks, names, strict=True)):
            code = full or (-self.outcomes.popleft() if self.outcomes else 0)
            if code in (-errno.EAGAIN, -errno.ENOBUFS):
                full = code
            if code:
                failures.append((i, code))
            else:
                batch.append((bytes(chunk), name))  # type: ignore[call-overload]
        self.batches.append(batch)
        return failures


class ScriptedSockets(DatagramsInC, PythonScriptedSockets):
    """The same for C."""


class Twin:
    """One loop with a datagram server.

    Args:
        handler: Of its events.
        limits: Of its loop.
        hot: Whether its hot half is in C.
        sockets: What makes its sockets.
    """

    def __init__(
        self,
        handler: EventHandler,
        limits: Limits,
        hot: bool,
        sockets: Callable[[], PythonScriptedSockets] = ScriptedSockets,
    ) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sockets = sockets()
        self.clock = ManualClock()
        poller = open_poller()
        cold = halves.COLD
        try:
            halves.COLD = cold if hot else "a test compares"
            self.loop = Loop(0, Shared(handler, limits), poller, self.sockets, self.clock)
        finally:
            halves.COLD = cold
        let_raise(self.loop)
        self.loop.claim()
        self.listener = self.loop.listen_for_datagrams(
            self.sock.detach(), socket.AF_INET, Address("udp", "0.0.0.0", 9000)
        )
        self.loop.start_accepting()

    @property
    def is_hot(self) -> bool:
        """Whether it is in C."""
        return type(self.listener._port).__name__ == "HotDatagramPort"

    def turn(self, readiness: int = 0) -> None:
        """Has one turn of the loop, in which the poller reports the socket."""
        if readiness:
            self.loop.execute(self.listener._reader.ready, readiness)
        else:
            self.loop.execute(int)
        self.loop.turn(0)

    def look(self) -> dict[str, object]:
        """What can be seen of it from outside."""
        outbox = self.listener._port.outbox
        return {
            "metrics": self.loop.metrics(),
            "buffered": self.listener.outbound_buffered,
            "sizes": (outbox.size, outbox.cost, outbox.limit, outbox.waiting, len(outbox)),
            "marks": (outbox.open, outbox.congested, outbox.writable, outbox.backed_up, outbox.is_empty),
            "wants_write": self.listener._wants_write,
            "batches": self.sockets.batches,
            "left": len(self.sockets.arriving),
        }

    def close(self) -> None:
        """Ends the loop and its socket."""
        self.loop.close()
