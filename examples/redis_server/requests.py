"""Turns received bytes into requests, without any I/O.

Two parsers share the work. hiredis, written in C, takes a chunk that starts with a request and holds
nothing but whole ones: nearly every chunk there is. Everything else is for `StrictParser`, in Python:
inline requests, requests that arrive in pieces, and malformed ones. hiredis is a reader of replies: it
accepts what is no request (numbers, nested arrays), gives other errors than Redis, and trusts an array's
announced length enough to allocate it at once. So a chunk goes to it only behind a check, and what it
returns is checked again; in doubt the strict parser decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import hiredis

from .errors import ProtocolError
from .strict import StrictParser

Request = list[bytes]

_STAR, _RETURN = b"*\r"
# What hiredis returns as bytes though it is no bulk string starts with one of these.
_PLUS, _EQUALS = b"+="
# An announced length that must not reach hiredis.
_find_huge_count = re.compile(rb"\*[0-9]{7}").search
# Follows each chunk. hiredis does not tell whether it is in the middle of something; when it gives back
# this number and has nothing left, it was not.
_END = b":7\r\n"
_END_VALUE = 7


class RequestParser:
    """One connection's stream of requests.

    Attributes:
        error: why the stream cannot be read any further; the requests before it are still valid.
    """

    __slots__ = ("_reader", "_strict", "error")

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._strict = StrictParser()
        self.error: ProtocolError | None = None

    @property
    def buffered(self) -> int:
        """Bytes held of a request that is not complete."""
        return self._strict.held

    def feed(self, data: bytes) -> list[Request]:
        """Take what was received, return the requests completed by it."""
        requests: list[Request] = []
        try:
            if self._strict.busy:
                data = self._strict.take(data, requests, only_first=True)
            if data:
                data = self._take_whole(data, requests)
            if data:
                self._strict.take(data, requests)
        except ProtocolError as error:
            self.error = error
        return requests

    def _take_whole(self, data: bytes, requests: list[Request]) -> bytes:
        """Append the requests that hiredis can read; return the bytes after them."""
        if (
            data[0] != _STAR
            # The search is not needed for a single request with a short count.
            or ((data.rfind(b"*") or _RETURN not in data[:8]) and _find_huge_count(data))
            or (_PLUS in data and b"\n+" in data)
            or (_EQUALS in data and b"\n=" in data)
        ):
            return data
        first = len(requests)
        reader = self._reader
        gets = reader.gets
        reader.feed(data)
        reader.feed(_END)
        try:
            while type(request := gets()) is list and request:
                b"".join(request)  # a TypeError unless each argument is bytes
                requests.append(request)
            if request == _END_VALUE and not reader.has_data():
                return b""
        except (hiredis.HiredisError, TypeError):
            pass
        self._reader = hiredis.Reader()
        return data[_encoded_size(requests[first:]) :]


def _encoded_size(requests: Iterable[Request]) -> int:
    """How many bytes the requests were. There is one way only to write a length, so this is exact."""
    size = 0
    for request in requests:
        size += len(b"*%d\r\n" % len(request))
        size += sum(len(b"$%d\r\n" % len(argument)) + len(argument) + 2 for argument in request)
    return size
