"""The batched turn for asyncio's transports: all that is ready is received, all that was written sent.

A channel is the hot half of a transport: as long as nothing unusual happens to it, its bytes go this way.
Anything else is done by the transport, which is the standard library's: a large write, one that the kernel
does not take whole, the end of the stream.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from netcore.aio.exchange import AGAIN, Exchange
from netcore.poll import Poller

if TYPE_CHECKING:
    import socket

    from netcore.aio.standard import LoopHandle

__all__ = ["LARGE", "Batch", "Channel", "Owner"]

LARGE = 16384
"""Bytes of a write, or of what waits to leave, that are offered to the kernel at once."""


def _ignore(error: BaseException) -> None:
    """Is told in the place of a loop that is closed."""


class Owner(Protocol):
    """The transport that a channel belongs to."""

    def write_slowly(self, data: Any) -> None:
        """Writes what the channel must not, or cannot: see ``Channel.write``."""

    def unsent(self, chunk: bytes, left: int) -> None:
        """The kernel did not take the last ``left`` bytes of a chunk, which are to be kept.

        Or it has failed, with a negative errno. Nobody else is called within this: that is for ``hampered``.
        """

    def hampered(self, left: int) -> None:
        """What ``unsent`` was called with may be told; -ENOMEM also if that could not keep it."""

    def received(self, what: bytes | int) -> None:
        """What was received is not to be delivered at once: it is paused, or closed; or it was no bytes."""

    def failed(self, error: BaseException) -> None:
        """``data_received`` has raised."""


class Channel:
    """What a batch knows of a transport. The loop's thread.

    Args:
        batch: That of the loop.
        owner: The transport.
        sock: Its socket.

    Attributes:
        usual: Whether what is written may be noted down, and leave with the batch.
        watched: Whether what arrives is received with the batch.
        waiting: Bytes that were noted down and have not left.
    """

    __slots__ = (
        "_chunks",
        "batch",
        "fd",
        "handle",
        "owner",
        "receive",
        "sock",
        "usual",
        "waiting",
        "watched",
    )

    def __init__(self, batch: Batch, owner: Owner, sock: socket.socket) -> None:
        self.batch: Batch = batch
        self.owner: Owner = owner
        self.sock: socket.socket = sock
        self.fd: int = sock.fileno()
        self.usual: bool = True
        self.watched: bool = False
        self.waiting: int = 0
        self.receive: Callable[[bytes], object] | None = None
        self.handle: LoopHandle | None = None
        self._chunks: list[bytes] = []

    def write(self, data: Any) -> None:
        """Notes bytes down for the end of the iteration; see ``asyncio.WriteTransport.write``."""
        batch = self.batch
        here = type(data) is bytes and batch.thread == threading.get_ident()
        if here and self.usual and len(data) >= LARGE:
            batch.flush()
        if not here or not self.usual:
            self.owner.write_slowly(data)
            return
        if data:
            if not self._chunks:
                batch.writers.append(self)
            self._chunks.append(data)
            self.waiting += len(data)
            if self.waiting >= LARGE:
                batch.flush()

    def flush(self) -> None:
        """Sends what was noted down."""
        if self._chunks:
            self.batch.flush()

    def take(self) -> bytes:
        """Takes what was noted down."""
        chunks, self._chunks = self._chunks, []
        self.waiting = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def deliver(self, what: bytes | int) -> None:
        """Hands over what was received, to ``data_received``, or to the transport for all else."""
        if self.watched and type(what) is bytes and self.receive is not None and self.handle is not None:
            try:
                self.handle._context.run(self.receive, what)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.owner.failed(error)
        else:
            self.owner.received(what)


class Batch:
    """Waits, receives for all channels that are ready, and sends what they have written. The loop's thread.

    Args:
        poller: What waits; also for what is no channel.
        exchange: What receives and sends.
        complain: Told of what a transport has raised that it should not.

    Attributes:
        stopping: Whether the loop ends with this iteration.
        thread: The loop's while it runs: on another, or between two runs, what is written leaves at once.
        writers: Channels with something noted down.
    """

    def __init__(
        self, poller: Poller, exchange: Exchange, complain: Callable[[BaseException], object]
    ) -> None:
        self.thread = 0
        self.stopping = False
        self.writers: list[Channel] = []
        self._poller = poller
        self._exchange = exchange
        self._complain = complain
        self._channels: dict[int, Channel] = {}
        self._ready: list[Channel] = []
        self._undelivered: deque[tuple[Channel, bytes | int]] = deque()

    def watch(self, channel: Channel) -> None:
        """Receives with the batch from now on; the descriptor is registered, for reading alone."""
        self._channels[channel.fd] = channel
        channel.watched = True

    def neglect(self, channel: Channel) -> None:
        """Ends what ``watch`` began; no error if it did not."""
        if channel.watched:
            channel.watched = False
            del self._channels[channel.fd]

    def wait(self, timeout: float | None, timers: list[Any]) -> Sequence[tuple[int, int]]:
        """Sends what was written, and waits; see ``Poller.wait``.

        The half in C takes whole turns here, as long as messages are all there is to do: nothing else is
        ready to run, no timer comes or is due.

        Args:
            timeout: See ``Poller.wait``.
            timers: What the loop has planned.

        Returns:
            What is ready and no channel. Those that are ready are kept for ``deliver``.
        """
        if self.writers and self._send():
            timeout = 0.0  # those that were told may have planned what the time-out knows nothing of
        if self.pending:  # a delivery was broken off: what is left comes first
            return ()
        others = []
        for event in self._poller.wait(timeout):
            channel = self._channels.get(event[0])
            if channel is None:
                others.append(event)
            else:
                self._ready.append(channel)
        return others

    @property
    def pending(self) -> bool:
        """Whether there is something to deliver."""
        return bool(self._ready or self._undelivered)

    def deliver(self) -> None:
        """Receives from the channels that are ready, and hands over what has come, in their order."""
        undelivered = self._undelivered
        if self._ready:
            ready = [channel for channel in self._ready if channel.watched]
            self._ready.clear()
            undelivered.extend(zip(ready, self._exchange.receive(ready), strict=True))
        while undelivered:
            channel, what = undelivered.popleft()
            try:
                if what not in AGAIN:
                    channel.deliver(what)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._complain(error)

    def let_go(self) -> None:
        """Forgets whom to complain to: the loop is closed."""
        self._complain = _ignore

    def flush(self) -> None:
        """Sends all that was noted down."""
        self._send()

    def _send(self) -> bool:
        """Sends what was noted down; returns whether some was not sent, of which its transport was told."""
        writers, self.writers = self.writers, []
        chunks = [writer.take() for writer in writers]
        left = self._exchange.send(writers, chunks)
        unsent = [(writer, chunk, n) for writer, chunk, n in zip(writers, chunks, left, strict=True) if n]
        if unsent:
            self._take_back(unsent)
        return bool(unsent)

    def _take_back(self, unsent: list[tuple[Channel, bytes, int]]) -> None:
        """Tells transports of what was not sent.

        All have kept theirs before a protocol is called, which may write to any of them, and all are told,
        whatever one of them raises.
        """
        leaving: BaseException | None = None
        kept = []
        for writer, chunk, n in unsent:
            writer.usual = False
            try:
                writer.owner.unsent(chunk, n)
                kept.append((writer, n))
            except BaseException as error:
                leaving = leaving or _exit_of(error)
                kept.append((writer, -errno.ENOMEM))
        for writer, n in kept:
            try:
                try:
                    writer.owner.hampered(n)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self._complain(error)
            except BaseException as error:
                leaving = leaving or error
        if leaving is not None:
            raise leaving


def _exit_of(error: BaseException) -> BaseException | None:
    """Returns what ends the loop; None for anything else."""
    return error if isinstance(error, (SystemExit, KeyboardInterrupt)) else None
