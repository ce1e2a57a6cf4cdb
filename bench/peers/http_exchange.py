"""The protocol of the HTTP servers that are written here: HTTP/1.1 by httptools, no I/O.

As TechEmpower's plaintext test asks: GET /plaintext is answered by "Hello, World!" with the headers Server,
Date, Content-Type and Content-Length. Each response is composed anew; only the date is kept, for a second.
The responses to all requests of one piece of input are handed out together.
"""

import time
from email.utils import formatdate

import httptools

MalformedRequest = httptools.HttpParserError

_PATH = b"/plaintext"
_BODY = b"Hello, World!"
_HEAD = (
    b"HTTP/1.1 %b\r\nServer: %b\r\nDate: %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)


class Site:
    """What there is to be had, and from whom; one for all connections."""

    def __init__(self, server: str) -> None:
        self._server = server.encode()
        self._second = 0
        self._date = b""

    def response(self, path: bytes) -> bytes:
        status, body = (b"200 OK", _BODY) if path == _PATH else (b"404 Not Found", b"")
        return _HEAD % (status, self._server, self._date, len(body), body)

    def look_at_the_clock(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = formatdate(second, usegmt=True).encode()


class Exchange:
    """The requests of one connection."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._path = b""
        self._responses: list[bytes] = []
        self._feed = httptools.HttpRequestParser(self).feed_data

    def answer(self, data: bytes) -> bytes:
        """Returns the responses to the requests that are complete with this piece of input.

        Raises:
            MalformedRequest: this is not HTTP.
        """
        self._site.look_at_the_clock()
        self._feed(data)
        if len(self._responses) == 1:
            return self._responses.pop()
        answer = b"".join(self._responses)
        self._responses.clear()
        return answer

    # Called by the parser.

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_message_complete(self) -> None:
        self._responses.append(self._site.response(self._path))
        self._path = b""
