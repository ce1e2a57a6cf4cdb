"""From a response to the bytes in front of its body."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import BinaryIO

__all__ = ["Response"]


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer.

    Attributes:
        status: The status.
        body: The body; empty if there is a file.
        content_type: What the body is.
        headers: Further headers, as pairs.
        file: Whose content is the body; whoever sends it closes it.
        size: Bytes of that file.
    """

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    file: BinaryIO | None = None
    size: int = 0

    @classmethod
    def plain(cls, status: HTTPStatus, *headers: tuple[str, str]) -> Response:
        """Makes a response that says no more than its status does."""
        return cls(status, f"{status.value} {status.phrase}\n".encode(), headers=headers)

    def head(self, keep_alive: bool) -> bytes:
        """Returns the status line and the headers, up to the empty line.

        Args:
            keep_alive: Whether the connection stays open; said either way, since HTTP/1.0 and 1.1 differ in
                what they take for granted.
        """
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Date: {_date(int(time.time()))}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body) if self.file is None else self.size}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            *(f"{name}: {value}" for name, value in self.headers),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("latin-1")


@functools.lru_cache(maxsize=1)
def _date(second: int) -> str:
    """Formats a time; a busy server would spend a third of its own work on saying the same one again."""
    return formatdate(second, usegmt=True)
