"""Somebody with a connection of their own, who is to be served whatever others do."""

from __future__ import annotations

import socket
import threading
import time

from bench.attack.base import Figures
from netcore.tls import client_context

_PAUSE = 0.01
_PATIENCE = 15.0
"""Seconds after which an answer counts as lost."""


class Neighbour:
    """Asks again and again on a thread of its own, for the length of a block.

    Args:
        port: Of 127.0.0.1.
        request: What is asked.
        answer: What is in the answer.
        ahead: What is said first, before TLS, too.
        secured: Whether TLS is spoken.
    """

    def __init__(
        self, port: int, request: bytes, answer: bytes, ahead: bytes = b"", secured: bool = False
    ) -> None:
        self._port = port
        self._request = request
        self._answer = answer
        self._ahead = ahead
        self._secured = secured
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self.pings = 0
        self.lost = 0
        self.worst = 0.0

    def __enter__(self) -> Neighbour:
        self._sock = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE)
        self._sock.sendall(self._ahead)
        if self._secured:
            self._sock = client_context(verify=False).wrap_socket(self._sock)
        self._ask()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sock.close()

    def _live(self) -> None:
        while not self._ended.wait(_PAUSE) and not self.lost:
            self._ask()

    def _ask(self) -> None:
        begun = time.monotonic()
        try:
            self._sock.sendall(self._request)
            came = b""
            while self._answer not in came:
                piece = self._sock.recv(65536)
                if not piece:
                    raise ConnectionError("the server has closed")
                came += piece
        except OSError:
            self.lost += 1
        else:
            self.pings += 1
        self.worst = max(self.worst, time.monotonic() - begun)

    def figures(self) -> Figures:
        """How it was served."""
        return {"pings": self.pings, "worst ping, s": round(self.worst, 3), "pings lost": self.lost}
