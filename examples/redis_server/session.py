"""One connection's side of the server: requests in, replies out, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import CommandError, Disconnect
from .requests import RequestParser
from .wire import RESP2

if TYPE_CHECKING:
    from .server import Server

# Once its replies have so many bytes, a session leaves the rest of its requests for later. Only large ones
# count: of the small ones, the requests in one chunk cannot cause enough to matter.
_MAX_REPLIES = 1 << 20
_LARGE_REPLY = 1 << 10


class Session:
    """A client's connection; `Server.connect` makes them.

    Args:
        server: what all sessions share.
        number: the connection's id.
        address: the client's address as ``host:port``.
        local_address: the server's.
        descriptor: the socket's number, for CLIENT LIST.

    Attributes:
        wire: the version of the protocol that the client has asked for.
        name: what the client calls itself.
        library: the name and version of the client's library.
        flags: the letters of CLIENT NO-EVICT and NO-TOUCH, if they are on.
        created, active: when it connected and when it last sent something, in seconds since the epoch.
        last_command: the name of the last command.
    """

    def __init__(
        self, server: Server, number: int, address: str, local_address: str, descriptor: int
    ) -> None:
        self.server = server
        self.keyspace = server.keyspace
        self.number = number
        self.address = address
        self.local_address = local_address
        self.descriptor = descriptor
        self.created = self.active = server.time
        self.last_command = b"NULL"
        self.library = {"lib-name": b"", "lib-ver": b""}
        self._parser = RequestParser()
        self._dispatch = server.table.dispatch
        self._backlog: list[list[bytes]] = []
        self._ended = False
        self.reset()

    def reset(self) -> None:
        """Undo what the client has set up, except for the name of its library."""
        self.wire = RESP2
        self.name = b""
        self.flags: set[str] = set()

    @property
    def buffered(self) -> int:
        """Bytes held of a request that is not complete."""
        return self._parser.buffered

    @property
    def behind(self) -> bool:
        """Whether requests wait to be executed; `receive`, even of nothing, goes on with them."""
        return bool(self._backlog)

    def end(self) -> None:
        """The client sends no more: once all it has sent is executed, the connection is to be closed."""
        self._ended = True

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Execute the requests which are completed by data.

        It stops when the replies have become large, for the caller to see whether the client takes them.

        Args:
            data: bytes as they came from the client, in pieces of any size.

        Returns:
            The replies, and whether the connection is to be closed after them; then the session is over.
        """
        parser = self._parser
        requests = parser.feed(data) if parser.error is None else []
        if self._backlog:
            requests = self._backlog + requests
            self._backlog = []
        replies: list[bytes] = []
        if requests:
            try:
                self._execute(requests, replies)
            except Disconnect as last:
                replies.append(last.reply)
                return b"".join(replies), True
        if self._backlog:
            return b"".join(replies), False
        if parser.error is not None:
            replies.append(parser.error.encode())
            return b"".join(replies), True
        return b"".join(replies), self._ended

    def _execute(self, requests: list[list[bytes]], replies: list[bytes]) -> None:
        """Append the replies; what is too much for one turn goes into the backlog."""
        server = self.server
        server.commands += len(requests)
        self.active = server.time
        self.last_command = requests[-1][0]
        dispatch, resolve = self._dispatch, server.table.resolve
        room = _MAX_REPLIES
        waiting = iter(requests)
        for request in waiting:
            try:
                try:
                    handler = dispatch[len(request)][request[0]]
                except (IndexError, KeyError):
                    handler = resolve(request)
                reply = handler(self, request)
            except CommandError as error:
                reply = error.encode()
            replies.append(reply)
            if len(reply) > _LARGE_REPLY:
                room -= len(reply)
                if room < 0:
                    self._backlog = list(waiting)
                    server.commands -= len(self._backlog)
                    return
