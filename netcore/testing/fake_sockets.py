"""Sockets without a kernel: the test says what arrives and what the peer takes."""

from __future__ import annotations

import errno
import itertools
import socket
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn, cast, overload

from netcore._platform import allocate_arena
from netcore.address import Address
from netcore.errors import UnsupportedOperationError
from netcore.poll import Readiness
from netcore.sockets import Arena, Endpoint, SocketOptions, pack_name, unpack_name, with_destination
from netcore.testing.fake_poller import FakePoller
from netcore.testing.fake_transport import FakeTransport

__all__ = ["FakeDial", "FakeSockets"]

_WOULD_BLOCK = -errno.EAGAIN
_UNDER_WAY = -errno.EINPROGRESS


class FakeDial(NamedTuple):
    """One call of ``FakeSockets.connect`` with an endpoint.

    Attributes:
        endpoint: Where to.
        kind: SOCK_STREAM or SOCK_DGRAM.
        fd: The new descriptor; -1 if it has failed at once.
    """

    endpoint: Endpoint
    kind: int
    fd: int


class FakeSockets(FakeTransport):
    """Implements ``Sockets``, and keeps a fake poller informed of what is ready.

    Args:
        poller: The poller of the same loop.
        receive_cap: Bytes taken from one socket in one receive.
        arena_size: Bytes of the arena.

    Attributes:
        dials: What was connected from this side, in order.
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
        self.dials: list[FakeDial] = []
        self._connect_script: deque[int] = deque()
        self._outcomes: dict[int, int] = {}
        self._peers: dict[int, bytes] = {}
        self._locals: dict[int, Address] = {}
        self.arena: Arena
        self.renew_arena()

    # What the test does.

    @overload
    def connect(self, listener: int, remote: str = "192.0.2.7", port: int = 40000) -> int: ...

    @overload
    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]: ...

    def connect(self, *arguments: Any, **named: Any) -> int | tuple[int, int]:
        """Lets a peer connect to a listener; returns the descriptor that ``accept`` will give.

        With an endpoint it is the other way round, see ``Sockets.connect``: a datagram socket is connected at
        once and a stream when ``finish_connect`` says so, unless ``script_connects`` says otherwise.
        """
        if "endpoint" in named or (arguments and isinstance(arguments[0], Endpoint)):
            return self._dial(*arguments, **named)
        return self._arrive_at(*arguments, **named)

    def _arrive_at(self, listener: int, remote: str = "192.0.2.7", port: int = 40000) -> int:
        fd = next(self._next_fd)
        self._backlogs[listener].append((fd, pack_name(socket.AF_INET, (remote, port))))
        self._poller.set_ready(listener, Readiness.READABLE)
        self._poller.set_ready(fd, Readiness.WRITABLE)
        return fd

    def script_connects(self, *codes: int) -> None:
        """Says what the next calls of ``connect`` with an endpoint give at once.

        Args:
            codes: For each 0 if it is connected, EINPROGRESS if that is under way, or the errno with which it
                fails, such as ECONNREFUSED.
        """
        self._connect_script.extend(codes)

    def finish_connect(self, fd: int, code: int = 0, to_itself: bool = False) -> None:
        """Ends what is under way: connected, or failed with an errno. The poller reports either.

        Args:
            fd: The descriptor.
            code: The errno; 0 for success.
            to_itself: Whether it has met itself: its local address is the remote one, as may happen on
                loopback where nobody listens.

        Raises:
            ValueError: The descriptor is not being connected.
        """
        if self._outcomes.get(fd) != _UNDER_WAY:
            raise ValueError(f"descriptor {fd} is not being connected")
        self._outcomes[fd] = -code
        if to_itself:
            self._locals[fd] = unpack_name(self._peers[fd])
        failed = Readiness.ERROR | Readiness.HANGUP if code else 0
        self._poller.set_ready(fd, Readiness.WRITABLE | failed)

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
        self,
        fd: int,
        data: bytes | None,
        remote: str = "192.0.2.7",
        port: int = 40000,
        destination: str = "",
    ) -> None:
        """Lets a datagram arrive; None for one that is too long.

        Args:
            fd: Where.
            data: The payload.
            remote: The sender's IPv4 address.
            port: The sender's port.
            destination: The address it was sent to, as a socket on every interface is told; empty for none.
        """
        name = pack_name(socket.AF_INET, (remote, port))
        if destination:
            name = with_destination(name, socket.inet_aton(destination))
        self._letters[fd].append((data, name))
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
                self._peers[item[0]] = item[1]
        if not backlog:
            self._poller.clear_ready(fd, Readiness.READABLE)
        return accepted, code

    def _dial(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        if self._connect_script:
            code = -self._connect_script.popleft()
        else:
            code = 0 if kind == socket.SOCK_DGRAM else _UNDER_WAY
        fd = next(self._next_fd) if code in (0, _UNDER_WAY) else -1
        self.dials.append(FakeDial(endpoint, kind, fd))
        if fd >= 0:
            self._peers[fd] = pack_name(endpoint.family, endpoint.name)
            self._locals[fd] = _ephemeral(fd)
            self._outcomes[fd] = code
        if code == 0:
            self._poller.set_ready(fd, Readiness.WRITABLE)
        return fd, code

    def connected(self, fd: int) -> int:
        """See ``Sockets.connected``."""
        code = self._outcomes.get(fd, 0)
        if code:
            self._outcomes[fd] = _UNDER_WAY  # as SO_ERROR, which is told once
        return code

    def remote_name(self, fd: int) -> bytes:
        """See ``Transport.remote_name``."""
        if self._outcomes.get(fd, 0):
            raise OSError(errno.ENOTCONN, f"descriptor {fd} is not connected")
        return self._peers.get(fd) or super().remote_name(fd)

    def local_address(self, fd: int) -> Address:
        """See ``Transport.local_address``; a port of its own for each socket that was dialled."""
        return self._locals.get(fd) or super().local_address(fd)

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

    @contextmanager
    def borrow(self, fd: int) -> Iterator[socket.socket]:
        """See ``Transport.borrow``; what is lent can be looked into with MSG_PEEK, and no more."""
        yield cast("socket.socket", _Borrowed(self, fd))

    def peek(self, fd: int) -> bytes:
        """What the next receive of a socket will bring.

        Raises:
            BlockingIOError: Nothing.
            OSError: It will fail.
        """
        items = self._letters.get(fd) or self._inbound.get(fd)
        if not items:
            raise BlockingIOError(errno.EAGAIN, "nothing has arrived")
        item = items[0][0] if isinstance(items[0], tuple) else items[0]
        if isinstance(item, int) and item:
            raise OSError(-item, "a receive would fail")
        return item or b""

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``."""
        super().close(fds)
        for fd in fds:
            self._forget(fd)

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        super().reset(fd)
        self._forget(fd)

    def _forget(self, fd: int) -> None:
        self._outcomes.pop(fd, None)
        self._peers.pop(fd, None)
        self._locals.pop(fd, None)
        self._poller.forget(fd)


def _ephemeral(fd: int) -> Address:
    return Address("tcp", "192.0.2.1", 49152 + fd % 16384)


class _Borrowed:
    """The little that a fake socket can do by itself."""

    def __init__(self, sockets: FakeSockets, fd: int) -> None:
        self._sockets = sockets
        self._fd = fd

    def recv(self, size: int, flags: int = 0) -> bytes:
        """See ``socket.socket.recv``; with MSG_PEEK only."""
        if flags != socket.MSG_PEEK:
            raise UnsupportedOperationError("a fake socket can only be looked into")
        return self._sockets.peek(self._fd)[:size]

    def __getattr__(self, name: str) -> NoReturn:
        raise UnsupportedOperationError(f"a fake transport has no socket to lend, for {name}")
