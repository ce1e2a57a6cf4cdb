"""The HTTP side: a page for browsers, and requests to become a WebSocket."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import h11

__all__ = ["HttpFront"]

PAGE = (Path(__file__).parent / "page.html").read_bytes()

MAX_HEAD = 16384
"""Bytes of the longest request head."""

_Headers = list[tuple[str, str]]


class HttpFront:
    """Answers requests, until one asks for the chat.

    Attributes:
        upgrade: The request that did.
        over: Whether the connection is to be closed.
    """

    def __init__(self) -> None:
        self.upgrade: h11.Request | None = None
        self.over = False
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._wish: h11.Request | None = None
        self._bodiless = False

    @property
    def unread(self) -> bytes:
        """What has come behind the upgrade."""
        return self._http.trailing_data[0]

    def receive(self, data: bytes) -> bytes:
        """Takes what has come and returns what to answer."""
        answers = []
        try:
            self._http.receive_data(data)
            while not self.over and self.upgrade is None:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    answers.append(self._respond(event))
                elif isinstance(event, h11.EndOfMessage):
                    self._end_request()
                elif event is h11.NEED_DATA or event is h11.PAUSED:
                    break
        except h11.RemoteProtocolError as error:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._bodiless = False  # of the request before this one
                answers.append(self._refuse(error.error_status_hint, str(error)))
            self.over = True
        return b"".join(answers)

    def refuse_upgrade(self, status: int, reason: str, headers: _Headers) -> bytes:
        """Answers the request for an upgrade after all."""
        return self._refuse(status, reason, headers)

    def _respond(self, request: h11.Request) -> bytes:
        self._bodiless = request.method == b"HEAD"
        path = request.target.partition(b"?")[0]
        if path not in (b"/", b"/chat"):
            return self._refuse(404, "there is / and /chat", close=False)
        if request.method not in ((b"GET", b"HEAD") if path == b"/" else (b"GET",)):
            return self._refuse(405, "only GET is possible here", [("allow", "GET")])
        if path == b"/":
            return self._send(200, PAGE, "text/html; charset=utf-8", [("cache-control", "no-cache")])
        headers = dict(request.headers)
        if headers.get(b"upgrade", b"").lower() != b"websocket":
            return self._refuse(426, "this is a WebSocket", [("upgrade", "websocket")])
        if request.http_version < b"1.1":  # RFC 6455, 4.1; and it need not have a Host
            return self._refuse(400, "a WebSocket takes HTTP/1.1")
        origin, host = headers.get(b"origin"), headers.get(b"host", b"")
        if origin is not None and _authority(origin) != host.lower():
            # Browsers let any page open a WebSocket anywhere, with the user's cookies (RFC 6455, 10.2).
            return self._refuse(403, "only for the page that is served here")
        self._wish = request
        return b""

    def _end_request(self) -> None:
        if self._wish is not None:
            self.upgrade = self._wish
        elif self._http.our_state is h11.MUST_CLOSE:
            self.over = True
        else:
            self._http.start_next_cycle()

    def _refuse(self, status: int, reason: str, headers: _Headers | None = None, close: bool = True) -> bytes:
        fields = [*(headers or []), *([("connection", "close")] if close else [])]
        self.over = self.over or close
        return self._send(status, f"{reason}\n".encode(), "text/plain; charset=utf-8", fields)

    def _send(self, status: int, body: bytes, kind: str, headers: _Headers) -> bytes:
        fields = [("content-type", kind), ("content-length", str(len(body))), *headers]
        events = [h11.Response(status_code=status, headers=fields), h11.Data(body), h11.EndOfMessage()]
        if self._bodiless:
            del events[1]
        return b"".join(self._http.send(event) or b"" for event in events)


def _authority(origin: bytes) -> bytes | None:
    """Returns the host and port of an origin; None for what is none, such as ``http://[x``."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # UnicodeError too
        return None
