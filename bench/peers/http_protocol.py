"""HTTP/1.1 as a Protocol on asyncio or uvloop, parsed by httptools. Usage: http_protocol.py LOOP PORT.

GET /hello only, with the headers of the example that it is compared with.
"""

import asyncio
import sys
import time
from email.utils import formatdate
from typing import cast

import httptools

_HEAD = "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n"
_HEAD += "Connection: keep-alive\r\n\r\n"


class Clock:
    """The Date header, made anew once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def text(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True)
        return self._text


class Http(asyncio.Protocol):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        status, body = ("200 OK", b"hello\n") if self._url == b"/hello" else ("404 Not Found", b"")
        self._url = b""
        head = _HEAD.format(status, self._clock.text(), len(body))
        self.transport.write(head.encode() + body)


async def serve(port: int) -> None:
    clock = Clock()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Http(clock), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(serve(int(sys.argv[2])))
