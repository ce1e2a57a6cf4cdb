"""From bytes to requests, over httptools, with the limits that a parser alone does not have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

import httptools

__all__ = ["Continue", "Limits", "Refusal", "Request", "RequestReader"]

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?", re.ASCII)
"""What a Host may be: uri-host [ ":" port ] (RFC 9110, 7.2; RFC 3986, 3.2.2), or nothing."""

_FRAMING_PER_BYTE = 16
"""Bytes of chunk headers allowed for each byte of a body; chunks of one byte need five."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may be at most; sizes are bytes."""

    head: int = 16384
    body: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request.

    Attributes:
        method: Such as "GET".
        path: The path of the target, still percent-encoded.
        version: "1.0" or "1.1".
        keep_alive: Whether another request may follow on the connection.
        body: All of it, without its framing.
    """

    method: str
    path: str
    version: str
    keep_alive: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for ``100 Continue`` before it sends a body (RFC 9110, 10.1.1)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request cannot be read, or is not wanted; what follows it is not looked at.

    Attributes:
        status: What to tell the client.
    """

    status: HTTPStatus


class _Refused(Exception):
    """Ends the parser's work from inside one of its callbacks."""


class RequestReader:
    """Reads the requests of one connection, one after the other.

    httptools calls the ``on_`` methods. It bounds neither a head nor a body, and keeps an unfinished header
    whole, so the bytes are counted before it gets them. What of a piece belongs to the next head is not
    known then: an unfinished head is refused at twice the limit at the latest.

    Args:
        limits: Of each request.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._items: list[Request | Continue | Refusal] = []
        self._over = False
        self._overhead = 0  # bytes of the current request that are not its body
        self._begin()

    def feed(self, data: bytes) -> list[Request | Continue | Refusal]:
        """Takes bytes, and returns what has become complete by them; after a ``Refusal`` never anything."""
        with memoryview(data) as view:
            for start in range(0, len(view), self._limits.head):
                if self._over:
                    break
                with view[start : start + self._limits.head] as piece:
                    self._feed(piece)
        items, self._items = self._items, []
        return items

    def _feed(self, piece: memoryview) -> None:
        self._overhead += len(piece)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # No upgrade is offered, so the request has been answered as it is. But where a body would end
            # the parser has not looked: whatever follows must not be taken for a request.
            self._over = True
        except httptools.HttpParserCallbackError:
            if not self._over:
                raise
        except httptools.HttpParserError:
            if not self._over:
                self._items.append(Refusal(HTTPStatus.BAD_REQUEST))
                self._over = True
        allowed = self._limits.head + _FRAMING_PER_BYTE * len(self._body)
        if self._overhead > allowed and not self._over:
            self._items.append(Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
            self._over = True

    def _refuse(self, status: HTTPStatus) -> None:
        self._items.append(Refusal(status))
        self._over = True
        raise _Refused

    def _begin(self) -> None:
        self._target = b""
        self._head_size = 0
        self._in_head = True
        self._hosts: list[bytes] = []
        self._expectation = b""
        self._length = 0
        self._codings: list[bytes] = []  # as the body was encoded, the last one outermost
        self._body = bytearray()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()

    def on_url(self, part: bytes) -> None:
        """The target, or a part of it."""
        self._count_head(len(part))
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; after the last chunk, a trailer, of which nothing is made."""
        self._count_head(len(name) + len(value) + 4)
        if not self._in_head:
            return
        name = name.lower()
        if name == b"host":
            self._hosts.append(value.strip(b" \t"))
        elif name == b"expect":
            self._expectation = value.lower()
        elif name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._codings += [coding.strip(b" \t").lower() for coding in value.split(b",")]

    def on_headers_complete(self) -> None:
        """The head is complete: what can be refused is refused before the body comes."""
        self._in_head = False
        self._overhead = 0
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self._refuse(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if len(self._hosts) > 1 or (version == "1.1" and not self._hosts):
            self._refuse(HTTPStatus.BAD_REQUEST)  # RFC 9112, 3.2
        if self._hosts and not _HOST.fullmatch(self._hosts[0]):
            self._refuse(HTTPStatus.BAD_REQUEST)
        self._check_codings(version)
        if self._length > self._limits.body:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        has_body = self._length > 0 or bool(self._codings)
        if self._parser.should_upgrade() and has_body:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED)
        if self._expectation and version == "1.1":
            if self._expectation != b"100-continue":
                self._refuse(HTTPStatus.EXPECTATION_FAILED)
            if has_body:
                self._items.append(Continue())

    def _check_codings(self, version: str) -> None:
        """Refuses a body whose end cannot be found, and codings but chunked (RFC 9112, 6.1 and 6.3)."""
        codings = self._codings
        if codings and (version == "1.0" or codings.count(b"chunked") != 1 or codings[-1] != b"chunked"):
            self._refuse(HTTPStatus.BAD_REQUEST)
        if len(codings) > 1:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED)

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._overhead = max(0, self._overhead - len(part))
        self._body += part
        if len(self._body) > self._limits.body:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._overhead = 0
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._items.append(
            Request(
                method=self._parser.get_method().decode("ascii"),
                path=self._path(),
                version=self._parser.get_http_version(),
                keep_alive=keep_alive,
                body=bytes(self._body),
            )
        )
        self._over = not keep_alive
        self._begin()

    def _path(self) -> str:
        """Finds the path in any of the forms of a target (RFC 9112, 3.2); of CONNECT it is empty."""
        try:
            return (httptools.parse_url(self._target).path or b"/").decode("latin-1")
        except httptools.HttpParserInvalidURLError:
            return ""

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.head:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
