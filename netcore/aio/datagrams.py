"""A datagram transport: the standard library's, which receives and sends in batches.

Up to ``PER_TURN`` datagrams that have come are received at once, and those that are sent in an iteration
leave at its end, by recvmmsg(2) and sendmmsg(2). Whatever C does not do as the standard library does goes the
standard library's way: Unix sockets, names to be looked up, empty datagrams.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from netcore._machine import current
from netcore._native import MISSING, error, native
from netcore.aio.exchange import AGAIN
from netcore.aio.standard import SelectorDatagramTransport
from netcore.sockets import CONNECTED, NativeSockets, pack_name
from netcore.sockets.names import system_name

if TYPE_CHECKING:
    from netcore.sockets.protocol import Chunk

__all__ = [
    "PACKERS",
    "PER_TURN",
    "DatagramBatch",
    "DatagramTransport",
    "SingleDatagramTransport",
    "open_datagrams",
]

PER_TURN = 64
"""Datagrams that one socket hands over in an iteration, so that a busy one does not starve the others."""

_ENOUGH = 65536
"""Bytes noted down that leave without waiting for the end of the iteration."""

_CAP = 65536
"""The longest datagram that can come, in bytes, over IPv4 and IPv6."""

_sender_of = lru_cache(maxsize=1024)(system_name)


@lru_cache(maxsize=1024, typed=True)
def _ipv4(host: object, port: object) -> bytes:
    return pack_name(socket.AF_INET, (host, port))


@lru_cache(maxsize=1024, typed=True)
def _ipv6(host: str, port: object, flow: object, scope: object) -> bytes:
    if flow != 0 or "%" in host:
        raise ValueError("packed names have neither flows nor zones")
    return pack_name(socket.AF_INET6, (host, port, flow, scope))


PACKERS: dict[int, Callable[..., bytes]] = {socket.AF_INET: _ipv4, socket.AF_INET6: _ipv6}
"""What packs an address of each family that has batches, or raises something if it must be looked up."""


class DatagramBatch:
    """What the datagram transports of a loop share. The loop's thread.

    Attributes:
        sockets: What receives and sends.
        writers: Transports with something noted down.
    """

    def __init__(self) -> None:
        self.sockets: NativeSockets = NativeSockets(_CAP)
        self.writers: list[DatagramTransport] = []
        self._interrupt: Callable[[], object] | None = None

    def interrupting(self, interrupt: Callable[[], object] | None) -> None:
        """Says what the first datagram noted down calls, to have the loop come to the iteration's end."""
        self._interrupt = interrupt

    def add(self, writer: DatagramTransport) -> None:
        """Has a transport flushed at the end of the iteration."""
        if not self.writers and self._interrupt is not None:
            self._interrupt()
        self.writers.append(writer)

    def flush(self) -> None:
        """Sends all that was noted down."""
        writers, self.writers = self.writers, []
        for writer in writers:
            writer.flush()


class SingleDatagramTransport(SelectorDatagramTransport):
    """See ``asyncio.DatagramTransport``; for sockets of which a system call moves one datagram at a time."""

    def _sendto_ready(self) -> None:
        super()._sendto_ready()
        if not self._buffer and self._buffer_size:  # CPython 3.13.0 counts a header in, and none out
            self._buffer_size = 0
            self._maybe_resume_protocol()


class DatagramTransport(SingleDatagramTransport):
    """See ``asyncio.DatagramTransport``.

    ``error_received`` tells of what could not be sent when the others have left, at the iteration's end.
    """

    _paused = False  # before Python 3.11 nothing pauses one

    def __init__(
        self,
        batch: DatagramBatch,
        loop: Any,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self._batch = batch
        self._held: deque[tuple[bytes, Any] | OSError] = deque()
        self._chunks: list[Chunk] = []
        self._receivers: list[Any] = []
        self._names: list[bytes] = []
        self._noted = 0
        self._pack = PACKERS[sock.family]
        super().__init__(loop, sock, protocol, address, waiter, extra)

    # Receiving.

    def _read_ready(self) -> None:
        if self._conn_lost:
            return
        if not self._held:
            received, code = self._batch.sockets.receive_datagrams(self._sock_fd, PER_TURN)
            self._held.extend((data, _sender_of(name)) for data, name in received if data is not None)
            if code and code not in AGAIN:
                self._held.append(error(code))
        self._hand_over()

    def _hand_over(self) -> None:
        """Tells the protocol of what was received, as long as it wants to hear."""
        held = self._held
        while held and not self._closing and not self._paused:
            what = held.popleft()
            try:
                if isinstance(what, OSError):
                    self._protocol.error_received(what)
                else:
                    self._protocol.datagram_received(*what)
            except BaseException:
                if held:
                    self._loop.call_soon(self._hand_over)
                raise  # as from any callback of a loop

    def resume_reading(self) -> None:
        """See ``asyncio.ReadTransport.resume_reading``."""
        super().resume_reading()
        if self._held:
            self._loop.call_soon(self._hand_over)

    # Sending.

    def sendto(self, data: Any, addr: Any = None) -> None:
        """See ``asyncio.DatagramTransport.sendto``."""
        if (
            not data
            or self._buffer
            or self._conn_lost
            or self._loop._thread_id != threading.get_ident()
            or not isinstance(data, (bytes, bytearray, memoryview))
            or (self._address and addr not in (None, self._address))
        ):
            self._send_slowly(data, addr)
            return
        if self._extra["peername"]:
            name = CONNECTED
        else:
            try:
                name = self._pack(*(self._address or addr))
            except (
                Exception
            ):  # nothing that is an address as it stands; the standard library knows what to do
                self._send_slowly(data, addr)
                return
        if not self._chunks:
            self._batch.add(self)
        self._chunks.append(bytes(data))
        self._receivers.append(addr)
        self._names.append(name)
        self._noted += len(data)
        if self._noted >= _ENOUGH:
            self.flush()

    def _send_slowly(self, data: Any, addr: Any) -> None:
        self.flush()
        super().sendto(data, addr)

    def flush(self) -> None:
        """Sends what was noted down."""
        chunks, receivers, names = self._chunks, self._receivers, self._names
        self._chunks, self._receivers, self._names, self._noted = [], [], [], 0
        while chunks:
            done = self._send(chunks, receivers, names)
            del chunks[:done], receivers[:done], names[:done]

    def _send(self, chunks: list[Chunk], receivers: list[Any], names: list[bytes]) -> int:
        """Sends a batch; returns how many datagrams of it are dealt with."""
        for at, code in self._batch.sockets.send_datagrams(self._sock_fd, chunks, names):
            if code in AGAIN:
                for data, addr in zip(chunks[at:], receivers[at:], strict=True):
                    super().sendto(data, addr)  # which keeps them until the kernel takes them
                break
            self._tell(error(code))
            if code == -errno.ENOBUFS:  # which ends a batch, and here is the error of one datagram
                return at + 1
        return len(chunks)

    def _tell(self, error: OSError) -> None:
        try:
            self._protocol.error_received(error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as raised:
            message = "Fatal error: protocol.error_received() call failed."
            self._loop.call_exception_handler(
                {"message": message, "exception": raised, "transport": self, "protocol": self._protocol}
            )

    # What the standard library's does, with what was noted down sent before.

    def get_write_buffer_size(self) -> int:
        """See ``asyncio.WriteTransport.get_write_buffer_size``; bytes that the kernel has not taken."""
        self.flush()
        return super().get_write_buffer_size()

    def close(self) -> None:
        """See ``asyncio.BaseTransport.close``."""
        self.flush()
        super().close()

    def _force_close(self, exc: BaseException | None) -> None:
        self.flush()
        super()._force_close(exc)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        self._held.clear()
        super()._call_connection_lost(exc)


def open_datagrams() -> DatagramBatch | None:
    """Opens what the datagram transports of a loop share; None where a system call moves but one."""
    if MISSING or current().simulated or (os.environ.get("NETCORE_SOCKETS") or "native") != "native":
        return None
    return DatagramBatch() if native()[1].nc_datagram_batches() else None
