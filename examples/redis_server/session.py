"""One connection's side of the server: requests in, replies out, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import CommandError, Disconnect
from .requests import RequestParser
from .wire import RESP2

if TYPE_CHECKING:
    from .server import Server


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
        self._find = server.table.dispatch.get
        self.reset()

    def reset(self) -> None:
        """Undo what the client has set up with RESET's exception, the library's name."""
        self.wire = RESP2
        self.name = b""
        self.flags: set[str] = set()

    @property
    def buffered(self) -> int:
        """Bytes held of a request that is not complete."""
        return self._parser.buffered

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Execute the requests which are completed by data.

        Args:
            data: bytes as they came from the client, in pieces of any size.

        Returns:
            All the replies, and whether the connection is to be closed after them; then the session is over.
        """
        parser = self._parser
        requests = parser.feed(data)
        replies: list[bytes] = []
        if requests:
            server = self.server
            server.commands += len(requests)
            self.active = server.time
            self.last_command = requests[-1][0]
            find = self._find
            try:
                for request in requests:
                    entry = find(request[0])
                    try:
                        if entry is not None and entry[1] <= len(request) <= entry[2]:
                            replies.append(entry[0](self, request))
                        else:
                            replies.append(server.table.resolve(request)(self, request))
                    except CommandError as error:
                        replies.append(error.encode())
            except Disconnect as last:
                replies.append(last.reply)
                return b"".join(replies), True
        if parser.error is not None:
            replies.append(parser.error.encode())
            return b"".join(replies), True
        return b"".join(replies), False
