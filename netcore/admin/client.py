"""Asking an admin server, over TCP or a Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from typing import cast
from urllib.parse import urlsplit

from netcore._complaints import plain
from netcore._platform import AF_UNIX, FACTS
from netcore.address import Address
from netcore.admin.rates import Stats, rows
from netcore.errors import NetcoreError

__all__ = ["AdminClient", "AdminError"]

_MOST = 64 << 20
"""Bytes of an answer; whoever sends more is no admin server."""

_DEFAULT_PORT = 80


class AdminError(NetcoreError):
    """An admin server cannot be asked, or does not answer as one; the text is one line."""


class AdminClient:
    """Asks one admin server, on a connection that it keeps. On one thread.

    Args:
        address: ``tcp://HOST:PORT``, ``unix://PATH`` or ``http://HOST[:PORT]``.
        timeout: Seconds for each step of an answer.

    Attributes:
        name: The address as it was given.

    Raises:
        NetcoreError: It is none of these.
    """

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self.name = address
        self._prefix = ""
        if address.lower().startswith("http://"):
            self._at, self._prefix = _from_url(address)
        else:
            self._at = _from_address(address)
        self._http = _Connection(self._at, timeout)

    def stats(self) -> Stats:
        """Asks for the numbers of all processes.

        Raises:
            AdminError: There is no answer, or it is not an admin server's.
        """
        try:
            found = cast("Stats", json.loads(self._get("/stats.json")))
            rows(found, found)  # it has whatever is asked of it later
        except (ValueError, LookupError, TypeError, AttributeError):
            raise AdminError(f"{self.name} answers, but not as an admin server of netcore") from None
        return found

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _get(self, path: str) -> bytes:
        try:
            try:
                return self._ask(path)
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
                self._http.close()  # it was kept too long for the server: once more
                return self._ask(path)
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            if type(error) is http.client.BadStatusLine:
                raise AdminError(f"{self.name} answers, but not by HTTP") from None
            reason = getattr(error, "strerror", None) or plain(error) or type(error).__name__
            raise AdminError(f"cannot ask {self.name}: {reason}") from None

    def _ask(self, path: str) -> bytes:
        self._http.request("GET", self._prefix + path, headers={"Accept": "application/json"})
        with self._http.getresponse() as response:
            body = response.read(_MOST + 1)
        if response.status != http.client.OK or len(body) > _MOST:
            self._http.close()
            raise AdminError(f"{self.name} answers {response.status} {plain(response.reason)}")
        return body


class _Connection(http.client.HTTPConnection):
    """HTTP to an ``Address``."""

    def __init__(self, address: Address, timeout: float) -> None:
        # By a Unix socket no name is of any use but this.
        host = f"[{address.host}]" if ":" in address.host else address.host or "localhost"
        super().__init__(host, address.port or _DEFAULT_PORT, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        address = self._address
        if address.network != "unix":
            host = f"{address.host}%{address.zone}" if address.zone else address.host or "localhost"
            self.sock = socket.create_connection((host, address.port), self.timeout)
            return
        if not FACTS.unix_sockets:
            raise OSError("this platform has no Unix sockets")
        sock = socket.socket(AF_UNIX)
        try:
            sock.settimeout(self.timeout)
            sock.connect(f"\0{address.path[1:]}" if address.path.startswith("@") else address.path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def _from_address(text: str) -> Address:
    address = (
        Address.parse(text) if "://" in text else None
    )  # whose complaint would name schemes of no use here
    if address is None or address.network not in ("tcp", "tcp4", "tcp6", "unix"):
        raise AdminError(f"{text!r} is no address of an admin server: use tcp://, unix:// or http://")
    return address


def _from_url(text: str) -> tuple[Address, str]:
    """Reads a URL; returns where to connect, and the path to put before those of the server."""
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not host:
        raise AdminError(f"{text!r} is no address of an admin server: use http://HOST:PORT")
    shown = f"[{host}]" if ":" in host else host
    return Address.parse(f"tcp://{shown}:{_DEFAULT_PORT if port is None else port}"), url.path.rstrip("/")
