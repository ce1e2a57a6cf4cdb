"""An asyncio event loop that waits with a poller of netcore, and receives and sends in batches."""

from __future__ import annotations

import asyncio
import heapq
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from netcore._machine import current
from netcore.aio.accepting import accept
from netcore.aio.batch import Channel
from netcore.aio.datagrams import (
    PACKERS,
    DatagramBatch,
    DatagramTransport,
    SingleDatagramTransport,
    open_datagrams,
)
from netcore.aio.halves import open_batch
from netcore.aio.handles import FAST, open_handles
from netcore.aio.selector import PollerSelector
from netcore.aio.standard import LoopHandle
from netcore.aio.transport import StreamTransport
from netcore.aio.wakeup import woken_by_signals
from netcore.poll import Poller, open_poller, open_with

if TYPE_CHECKING:
    from netcore._native._hot import Handles

if sys.platform == "win32":
    from netcore.aio.windows import WindowsLoop as SystemLoop
elif sys.version_info < (3, 14):
    from netcore.aio.children import ChildrenLoop as SystemLoop
else:
    from netcore.aio.standard import SelectorLoop as SystemLoop

__all__ = ["EventLoop", "OpensPoller", "new_event_loop"]

OpensPoller = str | Poller | Callable[[], Poller] | None
"""A poller, its name, or a function that opens one; None for the best that this machine has."""


class _BatchSelector(PollerSelector):
    """A selector that leaves channels, which it is not told of, to a batch."""

    def __init__(self, poller: Poller) -> None:
        super().__init__(poller)
        self.wait: Callable[[float | None], Sequence[tuple[int, int]]] = poller.wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See ``selectors.BaseSelector.select``."""
        found = self.wait(timeout if timeout is None or timeout > 0.0 else 0.0)
        return self.events_of(found) if found else []


class EventLoop(SystemLoop):
    """An asyncio event loop on a poller of netcore; see the documentation of asyncio for what it can do.

    Args:
        poller: What waits, its name, or a function that opens it; None for the best that this machine has. It
            belongs to the loop, which closes it.
    """

    _csock: socket.socket | None = None
    """What wakes the loop when a signal comes; None if none can, or it is closed."""
    _ssock: socket.socket | None = None
    _stopped = False
    """Whether somebody has called ``stop`` since the last turn."""
    _closed = True
    """Until it is made: one that could not be has nothing that asyncio would have to complain of."""

    def __new__(cls, *args: Any, **named: Any) -> EventLoop:
        """Makes one as the machine needs it."""
        return super().__new__(current().variant(cls))

    def __init__(self, poller: OpensPoller = None) -> None:
        waiting = poller if _is_poller(poller) else current().make(open_with, partial(_poller_of, poller))
        self._channels: dict[int, Channel] = {}
        self._datagrams: DatagramBatch | None = None
        self._handles: Handles | None = None  # before set_debug, which asyncio calls, asks for them
        self._poller = waiting
        self._selecting = selector = _BatchSelector(waiting)
        try:
            super().__init__(selector)
        except BaseException:
            self._closed = True
            for sock in (self._ssock, self._csock):
                if sock is not None:
                    sock.close()
            selector.close()
            raise
        self._batch, self._channel_class = open_batch(waiting, self._ready, self._complain)
        selector.wait = self._wait
        self._deliver: LoopHandle | None = LoopHandle(self._batch.deliver, (), self, Context())
        self._handles = open_handles(self)
        self._choose()

    @property
    def poller(self) -> Poller:
        """What the loop waits with."""
        return self._poller

    # Channels, as their transports see them.

    def open_channel(self, owner: StreamTransport, sock: socket.socket) -> Channel:
        """Opens the hot half of a transport.

        :meta private:
        """
        channel = self._channels[sock.fileno()] = self._channel_class(self._batch, owner, sock)
        return channel

    def close_channel(self, channel: Channel) -> None:
        """Ends what ``open_channel`` began, before the socket is closed.

        :meta private:
        """
        self._batch.neglect(channel)
        if self._channels.get(channel.fd) is channel:
            del self._channels[channel.fd]

    def sort(self, fd: int) -> None:
        """Sees whether what arrives at a descriptor is received with the batch.

        It is while the transport does nothing but read. In debug mode each transport has a callback of its
        own, so that a slow one is told by its name.

        :meta private:
        """
        channel = self._channels.get(fd)
        if channel is None or self._selector is None:
            return
        key = self._selecting.key_of(fd)
        if key is None:
            channel.handle = None
            self._batch.neglect(channel)
            return
        channel.handle = key.data[0]
        if key.events == selectors.EVENT_READ and channel.receive is not None and not self._debug:
            self._batch.watch(channel)
        else:
            self._batch.neglect(channel)

    def set_debug(self, enabled: bool) -> None:
        """See ``asyncio.loop.set_debug``."""
        super().set_debug(enabled)
        self._choose()
        for fd in list(self._channels):
            self.sort(fd)

    def call_next(self, callback: Callable[[], object]) -> None:
        """Has something called before all that is ready, for an exit has broken it off.

        :meta private:
        """
        self._ready.appendleft(LoopHandle(callback, (), self))

    # What asyncio's own loop over a selector does, and where it differs.

    def run_forever(self) -> None:
        """See ``asyncio.loop.run_forever``."""
        self._check_closed()
        self._check_running()  # CPython 3.13.0 leaves the loop that runs in pieces when it refuses
        self._batch.thread = threading.get_ident()
        self._batch.stopping = self._stopping
        try:
            with woken_by_signals(self._csock, lambda: self._signal_handlers):
                super().run_forever()
        finally:
            self._batch.thread = 0
            self._flush()

    def turn(self) -> bool:
        """Runs one iteration without waiting, for who embeds the loop, on a thread where no other one runs.

        See ``next_deadline`` for when.

        Returns:
            Whether it goes on: not if somebody has called ``stop``.

        Raises:
            RuntimeError: The loop runs, or another one, or it is closed.
            BaseException: What ``run_forever`` does, such as SystemExit.
        """
        super().stop()  # behind this iteration, which is no wish of anybody's
        try:
            self.run_forever()
        finally:
            stopped, self._stopped = self._stopped, False
        return not stopped

    def next_deadline(self) -> float | None:
        """Returns when a turn is due even if its poller finds nothing. The loop's thread.

        Returns:
            The loop's time (``time``), the present one for at once; None if nothing is planned.
        """
        if self._ready or self._batch.pending:
            return self.time()
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        return scheduled[0].when() if scheduled else None

    def close(self) -> None:
        """See ``asyncio.loop.close``; what knows the loop lets go of it, so that no circle keeps it alive."""
        super().close()
        for channel in list(self._channels.values()):  # of transports that nobody has closed
            self.close_channel(channel)
        self._choose()
        self._handles = self._deliver = None
        self._selecting.wait = self._poller.wait
        self._batch.let_go()

    def _choose(self) -> None:
        """Has C do what it can, unless debug mode asks for more, or the loop is closed."""
        fast = self._handles is not None and not self._debug and not self.is_closed()
        for name in FAST:
            if fast:
                self.__dict__[name] = getattr(self._handles, name)
            else:
                self.__dict__.pop(name, None)

    def _run_once(self) -> None:
        handles = self._handles
        if handles is None or self._debug:
            super()._run_once()
            return
        if self._datagrams is None:
            found = self._batch.wait(handles.timeout(), self._scheduled)
        else:
            found = self._wait_with_datagrams(self._datagrams, handles)
        self._process_events(self._selecting.events_of(found) if found else [])
        handles.run()

    def stop(self) -> None:
        """See ``asyncio.loop.stop``."""
        super().stop()
        self._stopped = True
        self._batch.stopping = True

    def _wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        if self._datagrams is not None:
            planned = len(self._scheduled)
            self._datagrams.flush()
            if self._ready or len(self._scheduled) != planned:  # the timeout is none that counts this
                timeout = 0.0
        return self._batch.wait(timeout, self._scheduled)

    def _wait_with_datagrams(self, datagrams: DatagramBatch, handles: Handles) -> Sequence[tuple[int, int]]:
        datagrams.flush()
        # C takes whole iterations by itself as long as nothing else is to be done.
        datagrams.interrupting(self._come_by)
        try:
            return self._batch.wait(handles.timeout(), self._scheduled)
        finally:
            datagrams.interrupting(None)

    def _come_by(self) -> None:
        self._ready.append(LoopHandle(_do_nothing, (), self, Context()))

    def _flush(self) -> None:
        """Sends all that was noted down."""
        self._batch.flush()
        if self._datagrams is not None:
            self._datagrams.flush()

    def _complain(self, error: BaseException) -> None:
        self.call_exception_handler({"message": "Exception in a transport", "exception": error})

    def _process_events(self, event_list: list[tuple[selectors.SelectorKey, int]]) -> None:
        if event_list:
            super()._process_events(event_list)
        if self._deliver is not None and self._batch.pending:
            self._ready.append(self._deliver)

    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: object) -> LoopHandle:
        handle = super()._add_reader(fd, callback, *args)
        if fd in self._channels:
            self.sort(fd)
        return handle

    def _remove_reader(self, fd: Any) -> bool:
        removed = super()._remove_reader(fd)
        if removed and fd in self._channels:
            self.sort(fd)
        return removed

    def _add_writer(self, fd: Any, callback: Callable[..., object], *args: object) -> LoopHandle:
        handle = super()._add_writer(fd, callback, *args)
        if fd in self._channels:
            self.sort(fd)
        return handle

    def _remove_writer(self, fd: Any) -> bool:
        removed = super()._remove_writer(fd)
        if removed and fd in self._channels:
            self.sort(fd)
        return removed

    def _write_to_self(self) -> None:
        with suppress(ValueError):  # closed in the meantime
            self._poller.wake()

    def _accept_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        *rest: Any,
    ) -> None:
        # With a handshake there is something to wait for; and when the system is out of something, asyncio,
        # which finds the same, has a way to complain and to wait.
        if sslcontext is not None or not accept(self, protocol_factory, sock, server, backlog):
            super()._accept_connection(protocol_factory, sock, sslcontext, server, backlog, *rest)

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> StreamTransport:
        self._ensure_fd_no_transport(sock)
        return StreamTransport(self, sock, protocol, waiter, extra, server)

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> SingleDatagramTransport:
        self._ensure_fd_no_transport(sock)
        if sock.family in PACKERS and self._datagrams is None:
            self._datagrams = open_datagrams()
        if sock.family not in PACKERS or self._datagrams is None:
            return SingleDatagramTransport(self, sock, protocol, address, waiter, extra)
        return DatagramTransport(self._datagrams, self, sock, protocol, address, waiter, extra)


def _do_nothing() -> None:
    """Is run where the loop is to come by."""


def _is_poller(poller: object) -> TypeGuard[Poller]:
    return hasattr(poller, "wait") and not isinstance(poller, type)


def _poller_of(poller: OpensPoller) -> Poller:
    if poller is None or isinstance(poller, str):
        return open_poller(poller)
    opened: object = poller() if callable(poller) else poller
    if not _is_poller(opened):
        raise TypeError(f"{opened!r} is no poller: give one, its name, or a function that opens it")
    return opened


def new_event_loop(poller: OpensPoller = None) -> EventLoop:
    """Makes an event loop; for ``asyncio.Runner(loop_factory=new_event_loop)``.

    Args:
        poller: See ``EventLoop``.
    """
    return EventLoop(poller)
