"""The connection that a server's datagram comes with: its write answers the sender.

There is one for every datagram, so it is made as light as can be: a number, an address object or a context
come into being when somebody asks for them, and no table knows it. ``hot.py`` has its twin in C.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NoReturn, Protocol

from netcore._arguments import check_callback
from netcore._locks import make_lock
from netcore.address import Address
from netcore.connection.core import (
    NO_FIELDS,
    OVERHEAD,
    Host,
    Pledges,
    Served,
    checking,
    next_id,
    notify,
    run,
)
from netcore.connection.datagram.outbox import BaseDatagramOutbox, DatagramOutbox, owned, read_whole
from netcore.connection.datagram.reading import DatagramReading
from netcore.errors import ConnectionClosedError, UnsupportedOperationError
from netcore.handler import Callback, CloseReason
from netcore.sockets import destination_of, unpack_name, with_destination_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BaseDatagramConn", "CheckedDatagramConn", "DatagramConn", "Port"]


class Port(Protocol):
    """What a datagram of a server needs of the socket that it came to.

    Attributes:
        host: The loop that serves it.
        fd: The descriptor.
        local: Where it is bound.
        pledges: What asynchronous writes are to write to it.
    """

    host: Host
    fd: int
    local: Address
    pledges: Pledges

    @property
    def outbox(self) -> BaseDatagramOutbox:
        """What has been written to it."""

    @property
    def outbound_buffered(self) -> int:
        """Bytes that have been written, or are promised to be, and have not been sent. Any thread."""

    def overflowed(self, waiting: int) -> None:
        """A datagram was dropped since so many bytes are waiting already."""

    def pack(self, address: Address | str) -> bytes:
        """Packs where a datagram is to go; see ``pack_receiver``."""

    def conn_to(self, name: bytes) -> Served:
        """Makes a connection that brings nothing, to a packed name."""

    def borrowed(self) -> AbstractContextManager[socket.socket]:
        """See ``SocketSettings.borrowed``."""


class PythonPort(Port, Protocol):
    """A port whose outbox is Python's."""

    @property
    def outbox(self) -> DatagramOutbox:
        """See ``Port.outbox``."""


_EVERY_INTERFACE = ("", "0.0.0.0", "::")

_making = make_lock()
"""Two threads that ask at the same time must get the same."""

_made: dict[int, _Rare] = {}
"""What is being made, by the identity of the datagram: who comes in between gets the same."""


class _Rare:
    """What few datagrams need."""

    __slots__ = ("asynchronous", "context", "id", "reason", "remote")

    def __init__(self) -> None:
        self.id = next_id()
        self.context: Any = None
        # Whether there was ever an asynchronous call: from then on a close has to come after such.
        self.asynchronous = False
        self.remote: Address | None = None
        self.reason = CloseReason.LOCAL  # once it is closed, unless the server is


class BaseDatagramConn(DatagramReading):
    """One datagram of a server and the way back. It can be kept, to answer later from any thread.

    Attributes:
        data: What is left to read.
    """

    paused = False
    """See ``Conn.paused``: never."""

    __slots__ = NO_FIELDS

    FIELDS: ClassVar[tuple[str, ...]] = (
        "__weakref__",
        "_name",
        "_outbox",
        "_port",
        "_rare",
        "bytes_received",
        "bytes_sent",
        "data",
    )

    data: bytes | memoryview
    bytes_received: int
    """See ``Conn.bytes_received``: the length of the datagram."""
    bytes_sent: int
    """See ``Conn.bytes_sent``: what was written with this."""
    _name: bytes
    _outbox: BaseDatagramOutbox | None
    _port: Port
    _rare: _Rare | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.remote_address} {'closed' if self.closed else 'open'}>"

    def _rarely(self) -> _Rare:
        return self._rare or self._make_rare()

    def _make_rare(self) -> _Rare:
        with _making:
            try:
                made = _made.setdefault(id(self), _Rare())
                if self._rare is None:
                    self._rare = made
            finally:
                _made.pop(id(self), None)
            return self._rare

    # Facts.

    @property
    def id(self) -> int:
        """See ``Conn.id``."""
        return self._rarely().id

    @property
    def fd(self) -> int:
        """See ``Conn.fd``; the server's socket, which all its datagrams share."""
        return self._port.fd

    @property
    def network(self) -> str:
        """See ``Conn.network``."""
        return "udp"

    @property
    def context(self) -> Any:
        """See ``Conn.context``."""
        return None if self._rare is None else self._rare.context

    @context.setter
    def context(self, value: Any) -> None:
        self._rarely().context = value

    @property
    def loop(self) -> Host:
        """See ``Conn.loop``."""
        return self._port.host

    @property
    def age(self) -> float:
        """See ``Conn.age``: it has none."""
        return 0.0

    @property
    def local_address(self) -> Address:
        """See ``Conn.local_address``; of a server on every interface the one that the datagram came to.

        Answers come from there. Of a datagram that was sent to many, by broadcast, it is the interface's own;
        where the system does not tell (see ``Platform.destinations``) it is the wildcard.
        """
        local = self._port.local
        return (destination_of(self._name, local.port) or local) if local.host in _EVERY_INTERFACE else local

    @property
    def remote_address(self) -> Address:
        """See ``Conn.remote_address``."""
        rare = self._rarely()
        if rare.remote is None:
            rare.remote = unpack_name(self._name, "udp")
        return rare.remote

    @property
    def peer_address(self) -> Address:
        """See ``Conn.peer_address``."""
        return self.remote_address

    @property
    def proxy(self) -> None:
        """See ``Conn.proxy``; a datagram has none."""
        return None

    @property
    def tls(self) -> None:
        """See ``Conn.tls``; datagrams have none."""
        return None

    @property
    def tls_session(self) -> None:
        """See ``Conn.tls_session``."""
        return None

    @property
    def closed(self) -> bool:
        """See ``Conn.closed``; the end of the server closes them all."""
        outbox = self._outbox
        return outbox is None or not outbox.open

    @property
    def close_reason(self) -> CloseReason | None:
        """See ``Conn.close_reason``."""
        outbox = self._outbox
        if outbox is None:
            return CloseReason.LOCAL if self._rare is None else self._rare.reason
        return None if outbox.open else CloseReason.SHUTDOWN

    # Writing.

    @property
    def outbound_buffered(self) -> int:
        """See ``Conn.outbound_buffered``; of all that goes through this socket."""
        return self._port.outbound_buffered

    @property
    def writable(self) -> bool:
        """See ``Conn.writable``; of the socket, while this is open. No ``on_writable`` tells of a change."""
        outbox = self._outbox
        return outbox is not None and outbox.writable and not self._port.pledges.reached

    def write(self, data: Buffer) -> int:
        """See ``Conn.write``: one datagram to the sender, even if it is empty."""
        chunk = owned(data)
        self._open_outbox().add(chunk, self._name, self)
        self.bytes_sent += len(chunk)
        return len(chunk)

    def writev(self, chunks: Iterable[Buffer]) -> int:
        """See ``Conn``; the pieces make one datagram, as the system call does, and no pieces make none."""
        pieces = list(map(owned, chunks))
        outbox = self._open_outbox()
        data = b"".join(pieces)
        if pieces:
            outbox.add(data, self._name, self)
            self.bytes_sent += len(data)
        return len(data)

    def read_from(self, file: BinaryIO) -> int:
        """See ``Conn.read_from``: what the file has makes one datagram."""
        return read_whole(file, self.write)

    def send_to(self, data: Buffer, address: Address) -> int:
        """See ``Conn.send_to``. An error reaches ``on_error`` with a connection to that address."""
        outbox = self._open_outbox()
        chunk = owned(data)
        name = with_destination_of(self._port.pack(address), self._name)
        outbox.add(chunk, name, self if name == self._name else self._port.conn_to(name))
        self.bytes_sent += len(chunk)
        return len(chunk)

    def flush(self) -> None:
        """See ``Conn.flush``."""
        self._port.outbox.flush_early()

    def _open_outbox(self) -> BaseDatagramOutbox:
        outbox = self._outbox
        if outbox is None or not outbox.open:
            raise ConnectionClosedError(f"datagram connection to {self.remote_address} is closed")
        return outbox

    # Asynchronous calls, and the end.

    def async_write(self, data: Buffer, callback: Callback | None = None) -> None:
        """See ``Conn.async_write``."""
        check_callback(callback)
        self._write_later((owned(data),), callback)

    def async_writev(self, chunks: Iterable[Buffer], callback: Callback | None = None) -> None:
        """See ``Conn.async_writev``; the pieces make one datagram."""
        check_callback(callback)
        self._write_later(tuple(map(owned, chunks)), callback)

    def wake(self, callback: Callback | None = None) -> None:
        """See ``Conn.wake``."""
        check_callback(callback)
        self._post(self._wake_now, callback)

    def close(self, callback: Callback | None = None) -> None:
        """See ``Conn.close``: ends this connection, not the server's socket. What is written is sent."""
        check_callback(callback)
        if self._rare is not None and self._rare.asynchronous:
            self._port.host.post(self._close_now, callback)
        else:
            self._close_now(callback)

    def abort(self) -> None:
        """See ``Conn.abort``; there is nothing to reset."""
        self._outbox = None

    def fail(self, error: Exception) -> None:
        """See ``Served.fail``."""
        if self._outbox is not None:
            self._rarely().reason = CloseReason.ERROR
            self.close()

    def _post(self, function: Callable[..., object], *args: object) -> None:
        self._rarely().asynchronous = True
        self._port.host.post(function, *args)

    def _close_now(self, callback: Callback | None) -> None:
        self._outbox = None
        if callback is not None:
            self._port.host.post(notify, self._port.host, self, callback, None)

    def _write_later(self, chunks: tuple[bytes, ...], callback: Callback | None) -> None:
        if not chunks:
            self._post(self._write_now, chunks, callback)
            return
        port, limits = self._port, self._port.host.limits
        pledges, outbox = port.pledges, port.outbox
        size = sum(map(len, chunks))
        waiting = outbox.waiting + OVERHEAD * pledges.calls
        refused = pledges.promise(size, waiting, limits.max_outbound, limits.high_water)
        if not refused:
            self._post(self._write_now, chunks, callback)
        elif callback is not None or refused == 1:  # one task reports all drops until then
            self._post(self._drop, callback)

    def _drop(self, callback: Callback | None) -> None:
        port = self._port
        for _ in range(port.pledges.take_refused()):
            port.overflowed(port.outbound_buffered)
        if callback is not None:
            most = port.host.limits.max_outbound
            error: Exception = OSError(errno.ENOBUFS, f"more than {most} bytes wait to be sent")
            if self.closed:
                error = ConnectionClosedError(f"datagram connection to {self.remote_address} is closed")
            notify(port.host, self, callback, error)

    def _write_now(self, chunks: tuple[bytes, ...], callback: Callback | None) -> None:
        if chunks:
            self._port.pledges.redeem(sum(map(len, chunks)))
        error: Exception | None = None
        try:
            BaseDatagramConn.writev(self, chunks)  # not that of a class that checks the thread
        except ConnectionClosedError as closed:
            error = closed
        if callback is not None:
            notify(self._port.host, self, callback, error)

    def _wake_now(self, callback: Callback | None) -> None:
        host = self._port.host
        error: Exception | None = None
        if self.closed:
            error = ConnectionClosedError(f"datagram connection to {self.remote_address} is closed")
        else:
            run(host, self, host.handler.on_traffic)
        if callback is not None:
            notify(host, self, callback, error)

    def borrowed(self) -> AbstractContextManager[socket.socket]:
        """See ``SocketSettings.borrowed``; the server's socket, which all its datagrams share."""
        return self._port.borrowed()

    # What takes a connection with a life of its own.

    def pause_reading(self, reason: Hashable = None) -> None:
        """See ``Conn.pause_reading``; UnsupportedOperationError, since all senders share the socket."""
        self._refuse("pause_reading")

    def resume_reading(self, reason: Hashable = None) -> None:
        """See ``Conn.resume_reading``; UnsupportedOperationError."""
        self._refuse("resume_reading")

    def set_deadline(self, seconds: float | None) -> None:
        """See ``Conn.set_deadline``; UnsupportedOperationError."""
        self._refuse("set_deadline")

    def set_read_deadline(self, seconds: float | None) -> None:
        """See ``Conn.set_read_deadline``; UnsupportedOperationError."""
        self._refuse("set_read_deadline")

    def set_write_deadline(self, seconds: float | None) -> None:
        """See ``Conn.set_write_deadline``; UnsupportedOperationError."""
        self._refuse("set_write_deadline")

    def _refuse(self, method: str) -> NoReturn:
        raise UnsupportedOperationError(
            f"{method} needs a stream or a dialled datagram connection, and this is one datagram of a server"
        )


class DatagramConn(BaseDatagramConn):
    """The connection of a datagram in Python."""

    __slots__ = BaseDatagramConn.FIELDS

    _outbox: DatagramOutbox | None

    def __init__(self, port: PythonPort, data: bytes, name: bytes) -> None:
        """Is made for each datagram.

        Args:
            port: The socket it came to.
            data: The payload.
            name: The sender's packed name.
        """
        self._port = port
        self._outbox = port.outbox
        self._name = name
        self._rare = None
        self.data = data
        self.bytes_received = len(data)
        self.bytes_sent = 0

    def write(self, data: Buffer) -> int:
        """See ``Conn.write``: the short way for what most answers are, and behind the first of a turn."""
        outbox = self._outbox
        if type(data) is bytes and outbox is not None and outbox.open and outbox.entries:
            n = len(data)
            outbox.entries.append((data, self._name, self))
            outbox.cost = cost = outbox.cost + n + OVERHEAD
            if cost >= outbox.limit:
                outbox.flush_early()
            self.bytes_sent += n
            return n
        return super().write(data)


@checking
class CheckedDatagramConn(DatagramConn):
    """Raises ``WrongThreadError`` where a method of the loop's thread is called on another one."""

    __slots__ = ()
