"""KCP without I/O over plain UDP sockets: as little as can be between the protocol and others' peers."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kcp_net import Kind

from netcore.kcp import Kcp, KcpOptions

__all__ = ["Port", "echoing", "exchange"]

_LONGEST_WAIT = 0.05
_TIMEOUT = 90.0
_WAITING = 512
"""Segments that are handed to a session before some are acknowledged."""


class Port:
    """A UDP socket of 127.0.0.1, and the sessions on it. One thread at a time.

    Args:
        options: Of all sessions.
        taken: Is told what a session has received: of a stream, or a message.
        kind: The half that sessions are of.
        accepts: Whether whoever sends something has a session from then on.
    """

    def __init__(
        self,
        options: KcpOptions,
        taken: Callable[[Kcp, bytes], None],
        kind: Kind,
        accepts: bool = False,
    ) -> None:
        self._kind = kind
        self._options = options
        self._taken = taken
        self._accepts = accepts
        self._sessions: dict[tuple[object, int], Kcp] = {}
        self._sock = socket.socket(type=socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._sock.setblocking(False)
        self._sock.bind(("127.0.0.1", 0))
        self.number: int = self._sock.getsockname()[1]

    def close(self) -> None:
        self._sock.close()

    def open(self, peer: object, conversation: int) -> Kcp:
        """Begins a session with an address."""

        def send(datagram: bytes) -> None:
            with contextlib.suppress(OSError):  # no room for it: it is lost
                self._sock.sendto(datagram, peer)  # type: ignore[arg-type]

        self._sessions[peer, conversation] = kcp = self._kind(conversation, send, self._options)
        return kcp

    def turn(self) -> None:
        """Waits for what comes or is due, a while at most, takes what has come, and sends what is due."""
        now = time.monotonic()
        due = min((kcp.next_update(now) for kcp in self._sessions.values()), default=now + _LONGEST_WAIT)
        select.select([self._sock], [], [], min(due - now, _LONGEST_WAIT))
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(64):
                self._take(*self._sock.recvfrom(65535))
        now = time.monotonic()
        for kcp in self._sessions.values():
            kcp.update(now)

    def _take(self, datagram: bytes, sender: object) -> None:
        conversation = int.from_bytes(datagram[:4], "little")
        kcp = self._sessions.get((sender, conversation))
        if kcp is None:
            if not self._accepts:
                return
            kcp = self.open(sender, conversation)
        now = time.monotonic()
        kcp.input(datagram, now)
        for data in iter(kcp.receive, None):
            self._taken(kcp, data)
        kcp.flush(now)


@contextmanager
def echoing(options: KcpOptions, reply: Callable[[bytes], bytes] = bytes, kind: Kind = Kcp) -> Iterator[int]:
    """Sends back what comes, or what `reply` makes of it, on a thread; gives the number of the port."""
    port = Port(options, lambda kcp, data: kcp.send(reply(data)), kind, accepts=True)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            port.turn()

    thread = threading.Thread(target=serve, name="echo")
    thread.start()
    try:
        yield port.number
    finally:
        ended.set()
        thread.join()
        port.close()


def exchange(
    server: int,
    pieces: Sequence[bytes],
    options: KcpOptions,
    back: int | None = None,
    kind: Kind = Kcp,
) -> bytes:
    """Sends something to a server of 127.0.0.1, and returns what comes back.

    Args:
        server: Its port.
        pieces: What is sent, each by a call of its own.
        options: Of the session.
        back: So many bytes are waited for; as many as are sent by default.
        kind: The half that the session is of.
    """
    got = bytearray()
    port = Port(options, lambda kcp, data: got.extend(data), kind)
    with contextlib.closing(port):
        kcp = port.open(("127.0.0.1", server), 7)
        wanted = sum(map(len, pieces)) if back is None else back
        left = list(reversed(pieces))
        end = time.monotonic() + _TIMEOUT
        while len(got) < wanted or kcp.waiting:
            while left and kcp.waiting < _WAITING:
                kcp.send(left.pop())
            port.turn()
            assert not kcp.dead
            assert time.monotonic() < end, f"{len(got)} of {wanted} bytes have come back"
    return bytes(got)
