"""HTTP/1.1 with netcore, parsed by httptools. Usage: http_netcore.py PORT.

The same work as http_protocol.py: GET /hello only, with the same headers.
"""

import sys
import time
from email.utils import formatdate

import httptools

import netcore

_HEAD = "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n"
_HEAD += "Connection: keep-alive\r\n\r\n"


class Exchange:
    """Answers the requests of one connection."""

    def __init__(self, conn: netcore.Conn, clock: "Http") -> None:
        self._conn = conn
        self._clock = clock
        self._url = b""
        self.feed = httptools.HttpRequestParser(self).feed_data

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        status, body = ("200 OK", b"hello\n") if self._url == b"/hello" else ("404 Not Found", b"")
        self._url = b""
        head = _HEAD.format(status, self._clock.text(), len(body))
        self._conn.write(head.encode() + body)


class Http(netcore.EventHandler):
    """Makes the Date header anew once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def text(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True)
        return self._text

    def on_open(self, conn: netcore.Conn) -> None:
        conn.context = Exchange(conn, self)

    def on_traffic(self, conn: netcore.Conn) -> netcore.Action | None:
        try:
            conn.context.feed(conn.read())
        except httptools.HttpParserError:
            return netcore.Action.CLOSE
        return None

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        conn.context = None  # the two refer to each other


if __name__ == "__main__":
    netcore.run(Http(), f"tcp://127.0.0.1:{sys.argv[1]}")
