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

import hiredis

from .errors import ProtocolError
from .strict import StrictParser

Request = list[bytes]

_STAR, _RETURN = b"*\r"
_SHORTEST = len(b"*1\r\n")
# Starts of what hiredis returns as if it were a bulk string or an array. (After an argument that does not end
# with a line end, which Redis puts up with, they go unnoticed and are taken for what they look like.)
_PLUS, _EQUALS, _TILDE = b"+=~"
# An announced length that must not reach hiredis.
_find_huge_count = re.compile(rb"\*[0-9]{7}").search
# Follows several requests. hiredis does not tell whether, with all input used up, it is in the middle of
# something; when it gives back this number and has nothing left, it was not.
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
        if (
            self._strict.busy
            or len(data) < _SHORTEST
            or data[0] != _STAR
            # No need to search a single request whose count has one or two digits.
            or ((data.rfind(b"*") or data[2] != _RETURN != data[3]) and _find_huge_count(data))
            or (_PLUS in data and b"\n+" in data)
            or (_EQUALS in data and b"\n=" in data)
            or (_TILDE in data and b"\n~" in data)
        ):
            return self._feed_strictly(data)
        requests: list[Request] = []
        reader = self._reader
        gets = reader.gets
        reader.feed(data)
        try:
            request = gets()
            if not reader.has_data():
                if type(request) is list and request:
                    b"".join(request)  # a TypeError unless all arguments are bytes
                    return [request]
            else:
                reader.feed(_END)
                while type(request) is list and request:
                    b"".join(request)  # a TypeError unless all arguments are bytes
                    requests.append(request)
                    request = gets()
                if request == _END_VALUE and not reader.has_data():
                    return requests
        except (hiredis.HiredisError, TypeError):
            pass
        self._reader = hiredis.Reader()
        used = sum(map(_encoded_size, requests))
        if used > len(data):
            # The end mark itself has completed the last one, as its last argument.
            used -= _encoded_size(requests.pop())
        return requests + self._feed_strictly(data[used:])

    def _feed_strictly(self, data: bytes) -> list[Request]:
        """The same without hiredis, which gets another chance once the request under way is complete."""
        requests: list[Request] = []
        try:
            rest = self._strict.take(data, requests, only_first=self._strict.busy)
        except ProtocolError as error:
            self.error = error
            return requests
        return requests + self.feed(rest) if rest else requests


def _encoded_size(request: Request) -> int:
    """How many bytes the request was. There is one way only to write a length, so this is exact."""
    arguments = sum(len(b"$%d\r\n" % len(argument)) + len(argument) + 2 for argument in request)
    return len(b"*%d\r\n" % len(request)) + arguments
