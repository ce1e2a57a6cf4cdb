"""One client, from its first request to its last message."""

from __future__ import annotations

from wsproto.utilities import RemoteProtocolError

from examples.websocket_service.http_front import HttpFront
from examples.websocket_service.membership import Membership

__all__ = ["Session"]


class Session:
    """Bytes in, bytes and messages out."""

    def __init__(self) -> None:
        self._front = HttpFront()
        self._membership: Membership | None = None

    @property
    def chatting(self) -> bool:
        """Whether the client is a member of the chat."""
        return self._membership is not None and not self._membership.leaving

    def is_over(self) -> bool:
        """Whether the connection is to be closed, once everything is sent."""
        return self._front.over if self._membership is None else self._membership.over

    def receive(self, data: bytes) -> bytes:
        """Takes what has come and returns what to answer. Nothing is to come after it is over."""
        if self._membership is not None:
            return self._membership.receive(data)
        answer = self._front.receive(data)
        request = self._front.upgrade
        if request is None:
            return answer
        try:
            membership = Membership(request)
        except RemoteProtocolError as error:
            hint = error.event_hint
            headers = [(name.decode(), value.decode()) for name, value in getattr(hint, "headers", ())]
            return answer + self._front.refuse_upgrade(getattr(hint, "status_code", 400), str(error), headers)
        except UnicodeError:
            return answer + self._front.refuse_upgrade(400, "the request is not in ASCII", [])
        self._membership = membership
        return answer + membership.greeting + membership.receive(self._front.unread)

    def take_messages(self) -> list[str]:
        """Returns what the client has said since the last call."""
        if self._membership is None:
            return []
        messages, self._membership.messages = self._membership.messages, []
        return messages

    def ping(self) -> bytes:
        """Returns what makes a live member answer."""
        return b"" if self._membership is None else self._membership.ping()
