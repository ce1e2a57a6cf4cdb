"""Reading one datagram: it is here as a whole, and gone after its callback."""

from __future__ import annotations

import abc
from operator import index
from typing import TYPE_CHECKING, BinaryIO

from netcore._arguments import ALL, check_method, taken_of
from netcore.buffer import writable_view
from netcore.connection.core import Host, SocketSettings
from netcore.errors import ShortBufferError, UnsupportedOperationError
from netcore.handler import Callback

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer

__all__ = ["DatagramReading"]


class DatagramReading(SocketSettings):
    """Reads from ``data``: bytes at first, and a view of what is left once some of it has been read."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def data(self) -> bytes | memoryview:
        """What is left to read; a slot of each class."""

    @data.setter
    def data(self, left: bytes | memoryview) -> None: ...

    @property
    @abc.abstractmethod
    def loop(self) -> Host:
        """See ``Conn.loop``."""

    @property
    def inbound_buffered(self) -> int:
        """See ``Conn.inbound_buffered``."""
        return len(self.data)

    def read(self, n: int = ALL) -> bytes:
        """See ``Conn.read``."""
        if n is not ALL:
            n = index(n)
        data = self.data
        if 0 <= n < len(data):
            whole = memoryview(data)
            self.data = whole[n:]
            data = whole[:n]
        else:
            self.data = b""
        return data if type(data) is bytes else bytes(data)

    def read_into(self, buffer: Buffer) -> int:
        """See ``Conn.read_into``."""
        with writable_view(buffer) as target:
            data = self.read(len(target))
            target[: len(data)] = data
            return len(data)

    def peek(self, n: int = ALL) -> memoryview:
        """See ``Conn.peek``."""
        if n is not ALL:
            n = index(n)
        here = len(self.data)
        if n > here:
            raise ShortBufferError(f"{n} bytes were asked for, {here} are here")
        view = memoryview(self.data)[: n if n >= 0 else here]
        self.loop.inbox.views.append(view)
        return view

    def next(self, n: int = ALL) -> memoryview:
        """See ``Conn.next``."""
        view = self.peek(n)
        self.discard(len(view))
        return view

    def discard(self, n: int = ALL) -> int:
        """See ``Conn.discard``."""
        if n is not ALL:
            n = index(n)
        here = len(self.data)
        if not 0 <= n < here:
            n = here
        self.data = memoryview(self.data)[n:]
        return n

    def write_to(self, file: BinaryIO) -> int:
        """See ``Conn.write_to``."""
        check_method(file, "write")
        total = 0
        while data := self.data:
            taken = taken_of(file.write(data), len(data))
            if not taken:  # a file that does not block, and takes nothing now
                break
            total += self.discard(taken)
        return total

    def shutdown_write(self) -> None:
        """See ``Conn.shutdown_write``; UnsupportedOperationError, since datagrams know no FIN."""
        raise UnsupportedOperationError("shutdown_write needs a stream connection, and this one is udp")

    def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool | None = None,
        server_hostname: str | None = None,
        callback: Callback | None = None,
    ) -> None:
        """See ``Conn.start_tls``; UnsupportedOperationError, since TLS needs a stream."""
        raise UnsupportedOperationError("start_tls needs a stream connection, and this one is udp")

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """See ``Conn.sendfile``; UnsupportedOperationError, since a file is longer than a datagram."""
        raise UnsupportedOperationError("sendfile needs a stream connection, and this one is udp")
