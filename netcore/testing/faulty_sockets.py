"""Sockets that go wrong as planned, over some that work."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import cast

from netcore.address import Address
from netcore.poll import Readiness
from netcore.sockets import Arena, Chunk, Endpoint, Releasing, SocketOptions, Sockets
from netcore.testing.fault_plan import FaultPlan, Short
from netcore.testing.faulty_poller import FaultyPoller

__all__ = ["FaultySockets"]

_PASSING = frozenset({errno.EAGAIN, errno.EINTR})
_BACKED_UP = _PASSING | {errno.ENOBUFS}
"""What a send reports as nothing sent, so that it is tried again: see ``Transport.send``."""


class FaultySockets:
    """Implements ``Sockets`` over other ones, with the faults of a plan.

    "receive" and "send" fail with an errno or move few bytes (``Short``); "accept" fails, takes few, or loses
    a connection before it is accepted (ECONNABORTED); "connect" fails, or claims to be under way for longer
    than it is (EINPROGRESS). After an error that is more than passing the socket is dead for who uses it. No
    byte is lost or doubled before that; an error in sending costs one datagram.

    Args:
        sockets: What does the work.
        plan: What goes wrong.
        poller: The poller of the same loop: it reports again what an injected fault has used up, which
            edge-triggered readiness and bytes held back depend on.

    Attributes:
        open: The descriptors that are attached.
        dead: Those of them that an injected error has cut off.
        closed_twice: Descriptors that were closed although they were not attached.
    """

    def __init__(self, sockets: Sockets, plan: FaultPlan, poller: FaultyPoller | None = None) -> None:
        self.name: str = f"faulty {sockets.name}"
        self.open: set[int] = set()
        self.dead: set[int] = set()
        self.closed_twice: list[int] = []
        self._sockets = sockets
        self._plan = plan
        self._poller = poller
        self._held: dict[int, bytes] = {}

    @property
    def arena(self) -> Arena:
        """See ``Sockets.arena``."""
        return self._sockets.arena

    def renew_arena(self) -> None:
        """See ``Sockets.renew_arena``."""
        self._sockets.renew_arena()

    def attach(self, fd: int) -> None:
        """See ``Sockets.attach``."""
        self._forget(fd)
        self.open.add(fd)  # first: it is to be closed, whether or not this works
        self._sockets.attach(fd)
        self._plan.strike("attach")

    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        """See ``Sockets.accept``."""
        self._plan.strike("accepting")
        fault = self._plan.draw("accept")
        if isinstance(fault, Short):
            return self._sockets.accept(fd, min(limit, fault.size))
        if fault is None:
            return self._sockets.accept(fd, limit)
        if fault == errno.ECONNABORTED:
            accepted, code = self._sockets.accept(fd, 1)
            for stillborn, _ in accepted:
                self._sockets.attach(stillborn)
                self._sockets.reset(stillborn)
            return [], code
        return [], 0 if fault in _PASSING else -fault

    def connect(self, endpoint: Endpoint, kind: int, options: SocketOptions) -> tuple[int, int]:
        """See ``Sockets.connect``."""
        fault = self._plan.draw("connect")
        if isinstance(fault, int) and fault != errno.EINPROGRESS:
            return -1, -fault
        fd, code = self._sockets.connect(endpoint, kind, options)
        if fd >= 0:
            self._forget(fd)
            self.open.add(fd)
            code = code if fault is None else -errno.EINPROGRESS  # it is reported writable all the same
        return fd, code

    def connected(self, fd: int) -> int:
        """See ``Sockets.connected``."""
        fault = self._plan.draw("connect")
        if fault == errno.EINPROGRESS:
            self._remind(fd, Readiness.WRITABLE)
            return -fault
        if isinstance(fault, int):
            self.dead.add(fd)
            return -fault
        return self._sockets.connected(fd)

    def receive(self, fds: list[int]) -> list[int]:
        """See ``Sockets.receive``."""
        if self._plan.idle and not self.dead and not self._held:
            return self._sockets.receive(fds)
        self._plan.strike("receiving")
        pieces: list[bytes] = []
        results: list[int] = []
        room = len(self.arena)
        for fd in fds:
            piece = self._receive(fd)
            if isinstance(piece, int):
                results.append(piece)
                continue
            if len(piece) > room:
                self._hold(fd, piece)
                break
            room -= len(piece)
            pieces.append(piece)
            results.append(len(piece))
        data = b"".join(pieces)
        self.arena[: len(data)] = data
        return results

    def _receive(self, fd: int) -> bytes | int:
        fault = self._plan.draw("receive")
        if fd in self.dead:
            return 0
        if isinstance(fault, int):
            if fault in _PASSING:
                self._remind(fd, Readiness.READABLE)
            else:
                self.dead.add(fd)
                self._held.pop(fd, None)
            return -fault
        data = self._held.pop(fd, b"")
        if not data:
            n = self._sockets.receive([fd])[0]
            if n <= 0:
                return n
            data = self.arena[:n]
        if fault is not None and fault.size < len(data):
            self._hold(fd, data[fault.size :])
            data = data[: fault.size]
        return data

    def _hold(self, fd: int, data: bytes) -> None:
        self._held[fd] = data + self._held.get(fd, b"")
        self._remind(fd, Readiness.READABLE)

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send``."""
        if self._plan.idle and not self.dead:
            return self._sockets.send(fds, chunks)
        self._plan.strike("sending")
        left: list[tuple[int, int]] = []
        troubled: set[int] = set()
        for i, (fd, chunk) in enumerate(zip(fds, chunks, strict=True)):
            if len(chunk) == 0:
                continue
            n = len(chunk) if fd in troubled else self._send(fd, chunk)
            if n:
                troubled.add(fd)
                left.append((i, n))
        return left

    def _send(self, fd: int, chunk: Chunk) -> int:
        """Returns how much was not sent, or a negative errno."""
        fault = self._plan.draw("send")
        if fd in self.dead:
            return -errno.EPIPE
        if isinstance(fault, int):
            if fault in _BACKED_UP:
                self._remind(fd, Readiness.WRITABLE)
                return len(chunk)
            self.dead.add(fd)
            return -fault
        offered = chunk if fault is None else chunk[: fault.size]
        left = self._sockets.send([fd], [offered])
        unsent = left[0][1] if left else 0
        if unsent < 0:
            return unsent
        if fault is not None:
            self._remind(fd, Readiness.WRITABLE)
        return unsent + len(chunk) - len(offered)

    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        """See ``Transport.sendfile``; its faults are those of "send"."""
        fault = self._plan.draw("send")
        if fd in self.dead:
            return -errno.EPIPE
        if isinstance(fault, int):
            if fault in _BACKED_UP:
                self._remind(fd, Readiness.WRITABLE)
                return -errno.EAGAIN
            self.dead.add(fd)
            return -fault
        if fault is not None:
            count = min(count, fault.size)
            self._remind(fd, Readiness.WRITABLE)
        return self._sockets.sendfile(fd, file, offset, count)

    def receive_datagrams(self, fd: int, limit: int) -> tuple[list[tuple[bytes | None, bytes]], int]:
        """See ``Sockets.receive_datagrams``; an error costs no datagram, as one of ICMP does not."""
        fault = self._plan.draw("receive")
        if isinstance(fault, Short):
            return self._sockets.receive_datagrams(fd, min(limit, fault.size))
        if fault is None:
            return self._sockets.receive_datagrams(fd, limit)
        self._remind(fd, Readiness.READABLE)
        return [], 0 if fault in _PASSING else -fault

    def send_datagrams(self, fd: int, chunks: list[Chunk], names: list[bytes]) -> Sequence[tuple[int, int]]:
        """See ``Transport.send_datagrams``; few are sent, or the first fails."""
        fault = self._plan.draw("send")
        if fault is None or not chunks:
            return self._sockets.send_datagrams(fd, chunks, names)
        if isinstance(fault, Short) or fault in _BACKED_UP:
            self._remind(fd, Readiness.WRITABLE)
            taken = min(fault.size, len(chunks)) if isinstance(fault, Short) else 0
            failures = self._sockets.send_datagrams(fd, chunks[:taken], names[:taken])
            return [*failures, *((i, -errno.EAGAIN) for i in range(taken, len(chunks)))]
        behind = self._sockets.send_datagrams(fd, chunks[1:], names[1:])
        return [(0, -fault), *((i + 1, code) for i, code in behind)]

    def shutdown_write(self, fd: int) -> None:
        """See ``Transport.shutdown_write``."""
        self._plan.strike("shutdown_write")
        self._sockets.shutdown_write(fd)

    @property
    def detaches(self) -> bool:
        """See ``Releasing.detaches``; as long as nothing is going wrong."""
        calm = self._plan.idle and not self.dead and not self._held
        return calm and getattr(self._sockets, "detaches", False)

    def detach(self, fd: int) -> None:
        """See ``Releasing.detach``."""
        self.open.discard(fd)
        cast("Releasing", self._sockets).detach(fd)

    def close(self, fds: list[int]) -> None:
        """See ``Transport.close``."""
        for fd in fds:
            self._let_go(fd)
        self._sockets.close(fds)

    def release(self, fds: list[int]) -> None:
        """See ``Transport.release``."""
        for fd in fds:
            self._let_go(fd)
        self._sockets.release(fds)

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        self._let_go(fd)
        self._sockets.reset(fd)

    def local_address(self, fd: int) -> Address:
        """See ``Transport.local_address``."""
        return self._sockets.local_address(fd)

    def remote_name(self, fd: int) -> bytes:
        """See ``Transport.remote_name``."""
        return self._sockets.remote_name(fd)

    def borrow(self, fd: int) -> AbstractContextManager[socket.socket]:
        """See ``Transport.borrow``."""
        return self._sockets.borrow(fd)

    def _let_go(self, fd: int) -> None:
        if fd not in self.open:
            self.closed_twice.append(fd)
        self.open.discard(fd)
        self._forget(fd)

    def _forget(self, fd: int) -> None:
        self.dead.discard(fd)
        self._held.pop(fd, None)

    def _remind(self, fd: int, readiness: int) -> None:
        if self._poller is not None:
            self._poller.remind(fd, int(readiness))
