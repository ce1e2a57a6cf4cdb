"""Requests and answers, without the bytes that they travel as."""

from __future__ import annotations

import dataclasses
import json
from http import HTTPStatus

__all__ = ["HTML", "JSON", "NOTHING_ELSE", "Answer", "Request"]

JSON = "application/json"
HTML = "text/html; charset=utf-8"

NOTHING_ELSE = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is data."""

_SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for.

    Attributes:
        method: As it was sent.
        target: The path, or a whole URL (RFC 9112, section 3.2).
        host: The Host header; None if there is none, as HTTP/1.0 allows.
        accept: The Accept header, empty if there is none.
        has_body: Whether a body follows.
    """

    method: str
    target: str
    host: str | None = None
    accept: str = ""
    has_body: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What it gets.

    Attributes:
        status: The status code.
        body: All of it.
        kind: Its media type.
        policy: Its Content-Security-Policy.
        more: Further headers.
        last: Whether the connection ends with it.
    """

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"
    policy: str = NOTHING_ELSE
    more: tuple[tuple[str, str], ...] = ()
    last: bool = False

    @classmethod
    def text(cls, status: int, text: str = "", **others: object) -> Answer:
        """Makes an answer of a line; the name of the status if it is empty."""
        line = text or HTTPStatus(status).phrase
        return cls(status, f"{line}\n".encode(), **others)  # type: ignore[arg-type]

    @classmethod
    def data(cls, data: object) -> Answer:
        """Makes an answer of what JSON can say."""
        return cls(200, json.dumps(data, separators=(",", ":")).encode(), JSON)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers but Date and Connection."""
        return [
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Content-Security-Policy", self.policy),
            *_SECURITY,
            *self.more,
        ]
