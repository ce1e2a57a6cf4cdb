"""Receiving and sending by objects of the standard library's kind, over simulated sockets."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from typing import Any

from netcore._platform import AF_UNIX, NO_WAIT
from netcore.testing.simulation.net.addresses import canonical
from netcore.testing.simulation.net.endpoint import PEEK, Ancillary, Payload, Received
from netcore.testing.simulation.net.failures import failure
from netcore.testing.simulation.net.handles import TO_READ, TO_WRITE, Handle

__all__ = ["Transferring"]

_WAITALL: int = int(getattr(socket, "MSG_WAITALL", 0))
_PLAIN = (0, int(NO_WAIT))
"""Flags of a receive that are none, or mean nothing on a socket that does not block."""


class Transferring(Handle):
    """An object that receives and sends; see ``socket.socket`` for every method."""

    def _name(self, name: Any) -> Any:
        """Puts an address in the place of a host's name, as the standard library does."""
        if self._family == AF_UNIX or not isinstance(name, tuple) or not name:
            return name
        host = name[0]
        if not isinstance(host, str) or not host or host == "<broadcast>" or canonical(host) is not None:
            return name
        found = socket.getaddrinfo(host, None, self._family, self._kind, self._proto)
        return (found[0][4][0], *name[1:])

    # Receiving

    def _receive(self, size: int, flags: int) -> Received:
        file = self._file
        if self._table.get(self._fd) is not file:
            raise failure(errno.EBADF)
        if size < 0:
            raise ValueError("negative buffersize in recv")
        endpoint = file.endpoint
        try:
            received = endpoint.receive(size, flags)
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
            received = self._try(lambda: endpoint.receive(size, flags), TO_READ, "recv", flags)
        if flags & _WAITALL and self._kind == socket.SOCK_STREAM and self._waits(file, flags):
            return self._receive_all(received, size, flags)
        return received

    def _receive_all(self, received: Received, size: int, flags: int) -> Received:
        data = received.data
        peeking = flags & PEEK
        while len(data) < size and received.data and not peeking:
            left = size - len(data)
            received = self._try(
                lambda left=left: self._file.endpoint.receive(left, flags),  # type: ignore[misc]
                TO_READ,
                "recv",
            )
            data += received.data
        return received._replace(data=data)

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receives."""
        if not bufsize:  # for which the standard library asks nobody
            return b""
        if flags in _PLAIN and bufsize > 0:
            data = self._take_now(bufsize, flags)
            if data is not None:
                return data
        return self._receive(bufsize, flags).data

    def _take_now(self, size: int, flags: int) -> bytes | None:
        """Receives from a stream without all that makes other receives dear; None if it is to wait."""
        take, file = self._take, self._file
        if take is None or self._table.get(self._fd) is not file:
            return None
        try:
            return take(size)
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
        return None

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receives, and tells from whom."""
        received = self._receive(bufsize, flags)
        return received.data, received.name

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Receives into a buffer."""
        if flags in _PLAIN and type(buffer) is memoryview and 0 < nbytes <= len(buffer):
            data = self._take_now(nbytes, flags) if buffer.format == "B" else None
            if data is not None:
                size = len(data)
                buffer[:size] = data
                return size
        if not nbytes and not len(buffer):
            return 0
        return self._receive_into(buffer, nbytes, flags)[0]

    def recvfrom_into(
        self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Any]:
        """Receives into a buffer, and tells from whom."""
        n, received = self._receive_into(buffer, nbytes, flags)
        return n, received.name

    def _receive_into(self, buffer: bytearray | memoryview, nbytes: int, flags: int) -> tuple[int, Received]:
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        view = memoryview(buffer)
        if view.itemsize != 1 or view.ndim != 1 or view.format != "B":
            view = view.cast("B")
        if nbytes > view.nbytes:
            raise ValueError("nbytes is greater than the length of the buffer")
        received = self._receive(nbytes or view.nbytes, flags)
        data = received.data
        size = len(data)
        view[:size] = data
        return max(size, received.length), received

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, Any, int, Any]:
        """Receives, with control messages."""
        received = self._receive(bufsize, flags)
        return received.data, _fitting(received.ancillary, ancbufsize), received.flags, received.name

    def recvmsg_into(
        self, buffers: Iterable[bytearray | memoryview], ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, Any, int, Any]:
        """Receives into buffers, with control messages."""
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        received = self._receive(sum(map(len, views)), flags)
        at = 0
        for view in views:
            piece = received.data[at : at + len(view)]
            view[: len(piece)] = piece
            at += len(piece)
        size = max(len(received.data), received.length)
        return size, _fitting(received.ancillary, ancbufsize), received.flags, received.name

    # Sending

    def _send(self, data: Payload, flags: int, name: Any = None, ancillary: Ancillary = ()) -> int:
        file = self._file
        if self._table.get(self._fd) is not file:
            raise failure(errno.EBADF)
        endpoint = file.endpoint
        try:
            sent = endpoint.send(data, flags, name, ancillary)
        except BlockingIOError:
            if not self._waits(file, flags):
                raise
            sent = self._try(lambda: endpoint.send(data, flags, name, ancillary), TO_WRITE, "send", flags)
        if sent < len(data) and self._timeout is None and self._waits(file, flags):
            return self._send_rest(memoryview(bytes(data))[sent:], sent, flags)
        return sent

    def _send_rest(self, rest: memoryview, sent: int, flags: int) -> int:
        """What send(2) does on a socket that blocks: it takes everything."""
        endpoint = self._file.endpoint
        while rest:
            n = self._try(lambda rest=rest: endpoint.send(rest, flags), TO_WRITE, "send")  # type: ignore[misc]
            rest = rest[n:]
            sent += n
        return sent

    def send(self, data: Payload, flags: int = 0) -> int:
        """Sends, and returns how many bytes were taken."""
        if type(data) is bytes:
            return self._send(data, flags)
        with memoryview(data) as view, view.cast("B") as plain:
            return self._send(plain, flags)

    def sendall(self, data: Payload, flags: int = 0) -> None:
        """Sends all of it."""
        rest = memoryview(bytes(data))
        file = self._open()
        deadline = self._deadline()
        while True:
            try:
                rest = rest[file.endpoint.send(rest, flags) :]
                if not rest:
                    return
            except BlockingIOError:
                pass
            if not self._waits(file, flags):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._wait(file, TO_WRITE, deadline, "send")

    def sendto(self, data: Payload, *args: Any) -> int:
        """Sends to a name: ``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(args)} given)")
        flags, address = args if len(args) == 2 else (0, args[0])
        return self._send(bytes(data), flags, self._name(address))

    def sendmsg(
        self, buffers: Iterable[Payload], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None
    ) -> int:
        """Sends several buffers as one, with control messages."""
        data = b"".join(bytes(buffer) for buffer in buffers)
        name = None if address is None else self._name(address)
        ancillary = [(level, kind, bytes(value)) for level, kind, value in ancdata]
        return self._send(data, flags, name, ancillary)


def _space(size: int) -> int:
    """Returns how many bytes a control message takes; CMSG_SPACE of cmsg(3), where words have 64 bits."""
    return 16 + (size + 7) // 8 * 8


def _fitting(ancillary: Ancillary, size: int) -> list[tuple[int, int, bytes]]:
    """What of control messages a buffer of so many bytes has room for."""
    fitting: list[tuple[int, int, bytes]] = []
    for level, kind, data in ancillary:
        size -= _space(len(data))
        if size < 0:
            break
        fitting.append((level, kind, data))
    return fitting
