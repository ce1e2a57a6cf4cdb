"""Sockets without a kernel: the test says what arrives and what the peer takes."""

from __future__ import annotations

import errno
import itertools
import socket
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager

from netcore._platform import allocate_arena, read_at
from netcore.address import Address
from netcore.errors import UnsupportedOperationError
from netcore.poll import Readiness
from netcore.sockets import Arena, Chunk, pack_name
from netcore.testing.fake_poller import FakePoller

__all__ = ["FakeSockets", "FakeTransport"]

_WOULD_BLOCK = -errno.EAGAIN


class FakeTransport:
    """Implements ``Transport``: takes everything that is sent, unless the script says otherwise.

    Attributes:
        sent: What each socket has been given, in order.
        sends: How many times each socket was offered something.
        closed: Descriptors closed with FIN.
        resets: Descriptors closed with RST.
        shut: Descriptors whose writing half was shut down.
        datagrams: The datagrams that each socket has sent, with the packed names of the receivers.
    """

    def __init__(self) -> None:
        self.sent: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.sends: defaultdict[int, int] = defaultdict(int)
        self.closed: list[int] = []
        self.resets: list[int] = []
        self.shut: list[int] = []
        self.datagrams: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        self._scripts: defaultdict[int, deque[int]] = defaultdict(deque)
        self._limits: dict[int, int] = {}

    def script_sends(self, fd: int, *results: int) -> None:
        """Says what the next sends of a socket do.

        Args:
            fd: The socket.
            results: For each send the bytes it takes at most, 0 to block, or a negative errno. A datagram
                is taken as a whole by any number above 0.
        """
        self._scripts[fd].extend(results)

    def block(self, fd: int, after: int = 0) -> None:
        """Makes a socket's peer take no more than so many bytes, until ``unblock``."""
        self._limits[fd] = after

    def unblock(self, fd: int) -> None:
        """Makes a socket's peer take everything again."""
        self._limits.pop(fd, None)

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send``."""
        left: list[tuple[int, int]] = []
        troubled: set[int] = set()
        for i, (fd, chunk) in enumerate(zip(fds, chunks, strict=True)):
            if not chunk:
                continue
            n = 0 if fd in troubled else self._send(fd, chunk)
            if n < len(chunk):
                troubled.add(fd)
                left.append((i, n if n < 0 else len(chunk) - n))
        return left

    def _send(self, fd: int, chunk: Chunk) -> int:
        self.sends[fd] += 1
        n = len(chunk)
        if self._scripts[fd]:
            n = min(n, self._scripts[fd].popleft())
        if n > 0 and fd in self._limits:
            n = min(n, self._limits[fd])
            self._limits[fd] -= n
        if n > 0:
            self.sent[fd] += chunk[:n]
        return n

    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        """See ``Transport.sendfile``; the file is a real one."""
        data = read_at(file, count, offset)
        return (self._send(fd, data) or _WOULD_BLOCK) if data else 0

    def send_datagrams(self, fd: int, chunks: list[Chunk], names: list[bytes]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send_datagrams``."""
        failures: list[tuple[int, int]] = []
        for i, (chunk, name) in enumerate(zip(chunks, names, strict=True)):
            self.sends[fd] += 1
            scripted = self._scripts[fd].popleft() if self._scripts[fd] else 1
            if scripted == 0 or fd in self._limits:
                return failures + [(j, _WOULD_BLOCK) for j in range(i, len(chunks))]
            if scripted < 0:
                failures.append((i, scripted))
            else:
                self.datagrams[fd].append((bytes(chunk), name))
        return failures

    def shutdown_write(self, fd: int) -> None:
        """See ``Transport.shutdown_write``."""
        self.shut.append(fd)

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``."""
        self.closed += fds

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        self.resets.append(fd)

    def local_address(self, fd: int) -> Address:
        """See ``Transport.local_address``."""
        return Address("tcp", "192.0.2.1", 9000)

    def borrow(self, fd: int) -> AbstractContextManager[socket.socket]:
        """See ``Transport.borrow``; there is no socket to lend."""
        raise UnsupportedOperationError("a fake transport has no socket to lend")


class FakeSockets(FakeTransport):
    """Implements ``Sockets``, and keeps a fake poller informed of what is ready.

    Args:
        poller: The poller of the same loop.
        receive_cap: Bytes taken from one socket in one receive.
        arena_size: Bytes of the arena.
    """

    name = "fake"

    def __init__(self, poller: FakePoller, receive_cap: int = 65536, arena_size: int = 262144) -> None:
        super().__init__()
        self._poller = poller
        self._receive_cap = receive_cap
        self._arena_size = arena_size
        self._inbound: defaultdict[int, deque[bytes | int]] = defaultdict(deque)
        self._backlogs: defaultdict[int, deque[tuple[int, bytes] | int]] = defaultdict(deque)
        self._letters: defaultdict[int, deque[tuple[bytes | None, bytes] | int]] = defaultdict(deque)
        self._next_fd = itertools.count(100)
        self.arena: Arena
        self.renew_arena()

    # What the test does.

    def connect(self, listener: int, remote: str = "192.0.2.7", port: int = 40000) -> int:
        """Lets a peer connect to a listener; returns the descriptor that ``accept`` will give."""
        fd = next(self._next_fd)
        self._backlogs[listener].append((fd, pack_name(socket.AF_INET, (remote, port))))
        self._poller.set_ready(listener, Readiness.READABLE)
        self._poller.set_ready(fd, Readiness.WRITABLE)
        return fd

    def fail_accept(self, listener: int, code: int) -> None:
        """Makes the next accept fail with an errno."""
        self._backlogs[listener].append(-code)
        self._poller.set_ready(listener, Readiness.READABLE)

    def feed(self, fd: int, data: bytes) -> None:
        """Lets the peer send bytes."""
        self._arrive(fd, data)

    def feed_eof(self, fd: int) -> None:
        """Lets the peer send FIN."""
        self._arrive(fd, 0)

    def feed_error(self, fd: int, code: int) -> None:
        """Makes receiving fail with an errno, such as ECONNRESET."""
        self._arrive(fd, -code)

    def feed_datagram(
        self, fd: int, data: bytes | None, remote: str = "192.0.2.7", port: int = 40000
    ) -> None:
        """Lets a datagram arrive; None for one that is too long."""
        self._letters[fd].append((data, pack_name(socket.AF_INET, (remote, port))))
        self._poller.set_ready(fd, Readiness.READABLE)

    def fail_datagrams(self, fd: int, code: int) -> None:
        """Makes receiving datagrams fail with an errno, such as ECONNREFUSED, behind those that wait."""
        self._letters[fd].append(-code)
        self._poller.set_ready(fd, Readiness.READABLE | Readiness.ERROR)

    def block(self, fd: int, after: int = 0) -> None:
        """See ``FakeTransport.block``; the poller reports it as not writable."""
        super().block(fd, after)
        self._poller.clear_ready(fd, Readiness.WRITABLE)

    def unblock(self, fd: int) -> None:
        """See ``FakeTransport.unblock``; the poller reports it as writable."""
        super().unblock(fd)
        self._poller.set_ready(fd, Readiness.WRITABLE)

    def _arrive(self, fd: int, item: bytes | int) -> None:
        self._inbound[fd].append(item)
        self._poller.set_ready(fd, Readiness.READABLE)

    # What the loop does.

    def renew_arena(self) -> None:
        """See ``Sockets.renew_arena``."""
        arena = allocate_arena(self._arena_size)
        self._memory = memoryview(arena)
        self.arena = arena

    def attach(self, fd: int) -> None:
        """See ``Sockets.attach``."""

    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        """See ``Sockets.accept``."""
        accepted: list[tuple[int, bytes]] = []
        backlog = self._backlogs[fd]
        code = 0
        while backlog and len(accepted) < limit and not code:
            item = backlog.popleft()
            if isinstance(item, int):
                code = item
            else:
                accepted.append(item)
        if not backlog:
            self._poller.clear_ready(fd, Readiness.READABLE)
        return accepted, code

    def receive(self, fds: list[int]) -> list[int]:
        """See ``Sockets.receive``."""
        results: list[int] = []
        used = 0
        for fd in fds:
            if self._arena_size - used < self._receive_cap:
                break
            data = self._take(fd)
            if isinstance(data, bytes):
                self._memory[used : used + len(data)] = data
                used += len(data)
            results.append(data if isinstance(data, int) else len(data))
        return results

    def receive_datagrams(self, fd: int, limit: int) -> tuple[list[tuple[bytes | None, bytes]], int]:
        """See ``Sockets.receive_datagrams``."""
        received: list[tuple[bytes | None, bytes]] = []
        letters = self._letters[fd]
        code = 0
        while letters and len(received) < limit and not code:
            item = letters.popleft()
            if isinstance(item, int):
                code = item
                self._poller.clear_ready(fd, Readiness.ERROR)
            else:
                received.append(item)
        if not letters:
            self._poller.clear_ready(fd, Readiness.READABLE)
        return received, code

    def _take(self, fd: int) -> bytes | int:
        inbound = self._inbound[fd]
        if not inbound:
            return _WOULD_BLOCK
        item = inbound.popleft()
        if item == 0:
            inbound.append(0)  # the end of a stream stays the end
        elif isinstance(item, bytes) and len(item) > self._receive_cap:
            inbound.appendleft(item[self._receive_cap :])
            item = item[: self._receive_cap]
        if not inbound:
            self._poller.clear_ready(fd, Readiness.READABLE)
        return item

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``."""
        super().close(fds)
        for fd in fds:
            self._poller.forget(fd)

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        super().reset(fd)
        self._poller.forget(fd)
