"""A UDP port that passes datagrams on to a server and back, as badly as a line does, by a seed."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import selectors
import socket
import threading
import time

from kcp_net import Line

__all__ = ["Relay"]

_LONGEST_WAIT = 0.05
_BATCH = 64
_BUFFER = 1 << 20


class Relay:
    """Stands before a server of 127.0.0.1, for the length of a block.

    Attributes:
        port: Where clients send to. Each has a socket towards the server, which tells them apart as if they
            were there.
        lost: Datagrams that arrived nowhere.
    """

    def __init__(self, server: int, line: Line, seed: int = 0) -> None:
        self.lost = 0
        self._server = ("127.0.0.1", server)
        self._line = line
        self._random = random.Random(seed)
        self._selector = selectors.DefaultSelector()
        self._front = self._socket(None)
        self.port: int = self._front.getsockname()[1]
        self._behind: dict[object, socket.socket] = {}  # by the address of the client
        self._number = itertools.count()
        self._under_way: list[tuple[float, int, socket.socket, object, bytes]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay")

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        for sock in (self._front, *self._behind.values()):
            sock.close()
        self._selector.close()

    def _socket(self, client: object) -> socket.socket:
        """Makes one: behind the relay for a client, or the one in front."""
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        self._selector.register(sock, selectors.EVENT_READ, client)
        return sock

    def _run(self) -> None:
        while not self._ended.is_set():
            wait = self._under_way[0][0] - time.monotonic() if self._under_way else _LONGEST_WAIT
            for key, _ in self._selector.select(min(max(wait, 0), _LONGEST_WAIT)):
                assert isinstance(key.fileobj, socket.socket)
                # Nobody to be sent to is told of by an error of the next receive, on some systems.
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    for _ in range(_BATCH):
                        self._take(*key.fileobj.recvfrom(65535), client=key.data)
            self._deliver()

    def _take(self, datagram: bytes, sender: object, client: object) -> None:
        if client is None:
            if sender not in self._behind:
                self._behind[sender] = self._socket(sender)
            way, to = self._behind[sender], self._server
        else:
            way, to = self._front, client
        copies = list(self._line.carry(datagram, self._random))
        self.lost += not copies
        for takes, copy in copies:
            arrives = time.monotonic() + takes
            heapq.heappush(self._under_way, (arrives, next(self._number), way, to, copy))

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, _, way, to, datagram = heapq.heappop(self._under_way)
            with contextlib.suppress(OSError):  # no room for it, or nobody is there: it is lost
                way.sendto(datagram, to)
