"""The WebSocket side (RFC 6455): messages, pings, and the closing handshake."""

from __future__ import annotations

import h11
import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason, FrameProtocol

__all__ = ["Membership", "text_frame"]

MAX_MESSAGE = 4096
"""Bytes of the longest message, in UTF-8."""


def text_frame(text: str) -> bytes:
    """Makes the frame that tells a client something; a server's frames are the same for all clients."""
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))


class Membership:
    """A WebSocket from the upgrade on.

    Attributes:
        greeting: What to send first: the end of the handshake.
        messages: What the member has said, as far as nobody has taken it away yet.
        leaving: Whether a side has begun to close: there will be no more messages.
        over: Whether the connection is to be closed.
    """

    def __init__(self, request: h11.Request) -> None:
        """Accepts the upgrade.

        Raises:
            wsproto.RemoteProtocolError: The request is not the beginning of a WebSocket.
            UnicodeError: Nor is it in ASCII.
        """
        self.messages: list[str] = []
        self.leaving = False
        self.over = False
        self._parts: list[str] = []
        self._size = 0
        self._ws = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self._ws.initiate_upgrade_connection(list(request.headers), request.target.decode("ascii"))
        for _ in self._ws.events():  # the request, once more
            pass
        self.greeting = self._ws.send(AcceptConnection())

    def receive(self, data: bytes) -> bytes:
        """Takes what has come and returns what to answer."""
        answers = []
        self._ws.receive_data(data)
        for event in self._ws.events():
            answers.append(self._handle(event))
            if self.over:
                break
        return b"".join(answers)

    def ping(self) -> bytes:
        """Asks whether the member is still there."""
        return b"" if self.leaving else self._ws.send(Ping())

    def close(self, code: int, reason: str) -> bytes:
        """Begins to close; the member's answer is what remains to come."""
        if self.leaving:
            return b""
        self.leaving = True
        return self._ws.send(CloseConnection(code=code, reason=reason))

    def _handle(self, event: Event) -> bytes:
        if isinstance(event, CloseConnection):
            # Also when the member has broken the rules; the event's code then tells which.
            self.over = True
            told, self.leaving = self.leaving, True
            closed = self._ws.state is wsproto.connection.ConnectionState.CLOSED
            return b"" if told or closed else self._ws.send(event.response())
        if self.leaving or isinstance(event, Pong):
            return b""
        if isinstance(event, Ping):
            return self._ws.send(event.response())
        if isinstance(event, TextMessage):
            return self._hear(event)
        assert isinstance(event, BytesMessage)
        return self.close(CloseReason.UNSUPPORTED_DATA, "only text is understood")

    def _hear(self, event: TextMessage) -> bytes:
        self._size += len(event.data.encode())
        if self._size > MAX_MESSAGE:
            self._parts.clear()
            return self.close(CloseReason.MESSAGE_TOO_BIG, f"a message has up to {MAX_MESSAGE} bytes")
        self._parts.append(event.data)
        if event.message_finished:
            self.messages.append("".join(self._parts))
            self._parts.clear()
            self._size = 0
        return b""
