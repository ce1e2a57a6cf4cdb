"""A stream transport: the standard library's, whose bytes go through a batch while all is as usual."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from netcore._native import check
from netcore.aio.batch import LARGE, Channel
from netcore.aio.exchange import AGAIN
from netcore.aio.feeding import hand_over
from netcore.aio.holding import hold, let_go
from netcore.aio.standard import SelectorTransport

__all__ = ["StreamTransport"]


class _Ended:
    """What a transport has for a channel at the end."""

    usual = False
    handle = None
    receive: Callable[[bytes], object] | None = None

    def flush(self) -> None:
        """Does nothing: nothing is noted down."""


class StreamTransport(SelectorTransport):
    """See ``asyncio.Transport``.

    What is written leaves at the end of the loop's iteration, with what all others have written, or sooner if
    it is much. Whoever asks how much waits, or ends the stream, finds it sent, as far as the kernel takes it.
    What another thread writes or ends, which it must not, is left to the loop's.
    """

    _held: deque[bytes | int] | None = None
    """What was received when the protocol had paused. Most never need one, and it is as large as the rest."""
    _received: bytes | int | None = None
    """What was received and is just being handed over."""

    def __init__(
        self,
        loop: Any,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: object = None,
    ) -> None:
        self.channel: Channel | _Ended = loop.open_channel(self, sock)
        super().__init__(loop, sock, protocol, waiter, extra, server)
        hold(sock)
        self.write = self.channel.write  # type: ignore[method-assign]

    # What the channel leaves to its transport; see ``Owner``.

    def write_slowly(self, data: Any) -> None:
        """See ``Owner.write_slowly``."""
        if self._is_elsewhere():
            if not isinstance(data, (bytes, bytearray, memoryview)):
                super().write(data)  # which raises
            self._loop.call_soon_threadsafe(self.write, bytes(data))
            return
        self.channel.flush()
        super().write(data)
        self._look()

    def unsent(self, chunk: bytes, left: int) -> None:
        """See ``Owner.unsent``."""
        self.channel.usual = False
        if self._conn_lost:
            return
        if left in AGAIN:
            left = len(chunk)
        if left < 0:
            return
        rest = memoryview(chunk)[len(chunk) - left :]
        if isinstance(self._buffer, bytearray):  # before Python 3.12
            self._buffer += rest
        else:
            self._buffer.append(rest)
        self._loop._add_writer(self._sock_fd, self._write_ready)

    def hampered(self, left: int) -> None:
        """See ``Owner.hampered``."""
        if self._conn_lost:
            return
        if left < 0 and left not in AGAIN:
            try:
                check(left)
            except OSError as error:
                self._fatal_error(error, "Fatal write error on socket transport")
        else:
            self._maybe_pause_protocol()

    def received(self, what: bytes | int) -> None:
        """See ``Owner.received``."""
        if self._closing:
            return
        handle = self.channel.handle
        if self._paused or handle is None:
            self._held = self._held or deque()
            self._held.append(what)
        else:
            self._received = what
            handle._run()  # in its context, and with its way of failing

    def failed(self, error: BaseException) -> None:
        """See ``Owner.failed``."""
        self._fatal_error(error, "Fatal error: protocol.data_received() call failed.")

    def _read_ready(self) -> None:
        what, self._received = self._received, None
        if what is None:
            super()._read_ready()
        elif not self._conn_lost:
            self._take(what)

    def _take(self, what: bytes | int) -> None:
        """Tells the protocol of what was received already."""
        if what == 0:
            self._read_ready__on_eof()
        elif isinstance(what, bytes):
            self._take_bytes(what)
        elif what not in AGAIN:
            try:
                check(what)
            except OSError as error:
                self._fatal_error(error, "Fatal read error on socket transport")

    def _take_bytes(self, data: bytes) -> None:
        hand_over(self, data)

    def keep(self, rest: bytes) -> None:
        """See ``Fed.keep``."""
        if not self._closing:
            self._held = self._held or deque()
            self._held.appendleft(rest)
            if not self._paused:
                self._loop.call_next(self._take_held)

    if sys.version_info >= (3, 12):

        def _write_sendmsg(self) -> None:
            super()._write_sendmsg()
            self._look()

        def _write_send(self) -> None:
            super()._write_send()
            self._look()

    else:

        def _write_ready(self) -> None:
            super()._write_ready()
            self._look()

    def _take_held(self) -> None:
        """Hands over what had been received when reading was paused."""
        try:
            while self._held and self.is_reading():
                self._take(self._held.popleft())
        finally:
            if self._held and self.is_reading():  # left by an exit
                self._loop.call_next(self._take_held)

    def _look(self) -> None:
        """Sees whether what is written may go through the batch."""
        self.channel.usual = not (
            self._buffer or self._eof or self._conn_lost or self._empty_waiter is not None
        )

    # What the standard library's does, with what was noted down sent before.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See ``asyncio.BaseTransport.set_protocol``."""
        super().set_protocol(protocol)
        buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self.channel.receive = self._take_bytes if buffered else getattr(protocol, "data_received", None)
        if self._loop is not None:
            self._loop.sort(self._sock_fd)

    def resume_reading(self) -> None:
        """See ``asyncio.ReadTransport.resume_reading``."""
        super().resume_reading()
        if self._held and self.is_reading():
            self._loop.call_soon(self._take_held)

    def get_write_buffer_size(self) -> int:
        """See ``asyncio.WriteTransport.get_write_buffer_size``; bytes that the kernel has not taken."""
        if not self._is_elsewhere():
            self.channel.flush()
        return super().get_write_buffer_size()

    def writelines(self, list_of_data: Any) -> None:
        """See ``asyncio.WriteTransport.writelines``."""
        if self._is_elsewhere():
            self.write(b"".join(list_of_data))
            return
        chunks = [chunk for chunk in list_of_data if len(chunk)]  # CPython 3.12 keeps empty ones for ever
        if not chunks or (self.channel.usual and sum(map(len, chunks)) < LARGE):
            self.write(b"".join(chunks))
            return
        self.channel.flush()
        super().writelines(chunks)
        self._look()

    def write_eof(self) -> None:
        """See ``asyncio.WriteTransport.write_eof``; shutdown(2)."""
        if self._is_elsewhere():
            self._loop.call_soon_threadsafe(self.write_eof)
            return
        self.channel.flush()
        super().write_eof()
        self._look()

    def close(self) -> None:
        """See ``asyncio.BaseTransport.close``."""
        if self._is_elsewhere():
            self._refuse_in_debug_mode()
            self._loop.call_soon_threadsafe(self.close)
            return
        self.channel.flush()
        super().close()
        self._look()

    def _force_close(self, exc: BaseException | None) -> None:
        if self._is_elsewhere():
            self._refuse_in_debug_mode()
            self._loop.call_soon_threadsafe(self._force_close, exc)
            return
        self.channel.flush()
        super()._force_close(exc)
        self._look()

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        if self._loop is not None:
            self._loop.close_channel(self.channel)
            self.channel = _Ended()  # with its method, which would keep both alive until the next collection
            del self.write
            let_go(self._sock)
        super()._call_connection_lost(exc)

    def __del__(self, _warn: Callable[..., object] = warnings.warn) -> None:
        """Closes what was never closed; see ``asyncio.BaseTransport``."""
        if self._sock is not None:
            let_go(self._sock)
        super().__del__(_warn)

    def _is_elsewhere(self) -> bool:
        """Whether the loop runs, and on another thread than this is called on."""
        running = None if self._loop is None else self._loop._thread_id
        return running is not None and running != threading.get_ident()

    def _refuse_in_debug_mode(self) -> None:
        """Raises what asyncio raises when a transport is ended on another thread."""
        if self._loop.get_debug():
            self._loop._check_thread()

    def _make_empty_waiter(self) -> asyncio.Future[None]:
        self.channel.flush()
        waiter = super()._make_empty_waiter()
        self._look()
        return waiter

    def _reset_empty_waiter(self) -> None:
        super()._reset_empty_waiter()
        self._look()
