"""HTTP/1.1 of one connection, by h11, without I/O (RFC 9112)."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

import h11

from netcore.admin.answers import Answer, Request

__all__ = ["Exchange"]

_BAD_REQUEST = 400
_VERSION_NOT_SUPPORTED = 505


class Exchange:
    """Turns bytes into requests, one after the other, and answers into bytes.

    Args:
        respond: Makes an answer; it does not raise.
        head: Bytes that a request may have.

    Attributes:
        over: Whether nothing more is to be received, and nothing follows what ``advance`` has returned.
        begun: Whether a part of a request is here, and not all of it.
    """

    def __init__(self, respond: Callable[[Request], Answer], head: int) -> None:
        self._respond = respond
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=head)
        self._fed = False
        self.over = False

    @property
    def begun(self) -> bool:
        """Whether bytes are here that make no request yet."""
        return not self.over and bool(self._http.trailing_data[0])

    def feed(self, data: bytes) -> None:
        """Takes what was received; nothing at its end."""
        self._http.receive_data(data)

    def advance(self) -> bytes:
        """Returns the answer to the next request; nothing until all of that is here, or when it is over."""
        if self.over:
            return b""
        try:
            if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                self._http.start_next_cycle()
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                if not event.http_version.startswith(b"1."):
                    return self._refuse(_VERSION_NOT_SUPPORTED)
                return self._answer(_request(event))
            if isinstance(event, h11.ConnectionClosed):
                self.over = True
            return b""
        except h11.RemoteProtocolError as error:
            return self._refuse(error.error_status_hint or _BAD_REQUEST)

    def _answer(self, request: Request) -> bytes:
        answer = self._respond(request)
        last = answer.last or request.has_body
        if not last:
            self._http.next_event()  # its end, which follows at once
        return self._send(answer, request.method == "HEAD", last)

    def _refuse(self, status: int) -> bytes:
        """Answers what is no HTTP, if that is possible still."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.over = True
            return b""
        return self._send(Answer.text(status), head=False, last=True)

    def _send(self, answer: Answer, head: bool, last: bool) -> bytes:
        headers = [("Date", formatdate(usegmt=True)), *answer.headers]
        if last:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(answer.status).phrase.encode()
        response = h11.Response(status_code=answer.status, headers=headers, reason=reason)
        pieces = [self._http.send(response)]
        if not head:
            pieces.append(self._http.send(h11.Data(data=answer.body)))
        pieces.append(self._http.send(h11.EndOfMessage()))
        self.over = self._http.our_state is not h11.DONE
        return b"".join(piece for piece in pieces if piece)


def _request(event: h11.Request) -> Request:
    headers = {bytes(name): bytes(value).decode("latin-1") for name, value in event.headers}
    length = headers.get(b"content-length", "0")
    return Request(
        method=event.method.decode("ascii"),
        target=event.target.decode("latin-1"),
        host=headers.get(b"host"),
        accept=headers.get(b"accept", ""),
        has_body=b"transfer-encoding" in headers or length.strip("0") != "",
    )
