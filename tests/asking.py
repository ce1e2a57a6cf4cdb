"""Asking an admin server."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple

from netcore import Address

TIMEOUT = 30


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(address: Address) -> socket.socket:
    """Connects to where an admin server is, by the system's own means."""
    if address.network == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        path = address.path
        sock.connect(f"\0{path[1:]}" if path.startswith("@") else path)
        return sock
    return socket.create_connection((address.host or "127.0.0.1", address.port), TIMEOUT)


def ask(address: Address | None, path: str, method: str = "GET", **headers: str) -> Reply:
    """Asks for one thing, on a connection of its own."""
    assert address is not None
    link = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
    link.sock = connect(address)
    try:
        link.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = link.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        link.close()


def said(sock: socket.socket) -> bytes:
    """Reads all that a server says until it closes."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)
