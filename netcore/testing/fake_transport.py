"""A transport without a kernel: the test says what the peer takes."""

from __future__ import annotations

import errno
import socket
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager

from netcore._platform import read_at
from netcore.address import Address
from netcore.errors import UnsupportedOperationError
from netcore.sockets import Chunk, pack_name

__all__ = ["FakeTransport"]

_WOULD_BLOCK = -errno.EAGAIN


class FakeTransport:
    """Implements ``Transport``: takes everything that is sent, unless the script says otherwise.

    Attributes:
        sent: What each socket has been given, in order.
        sends: How many times each socket was offered something.
        closed: Descriptors closed with FIN, and those released.
        released: Descriptors closed without a word to the peer.
        resets: Descriptors closed with RST.
        shut: Descriptors whose writing half was shut down.
        datagrams: The datagrams that each socket has sent, with the packed names of the receivers.
    """

    def __init__(self) -> None:
        self.sent: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.sends: defaultdict[int, int] = defaultdict(int)
        self.closed: list[int] = []
        self.released: list[int] = []
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

    def release(self, fds: list[int]) -> None:
        """See ``Transport.release``."""
        self.released += fds
        self.close(fds)

    def reset(self, fd: int) -> None:
        """See ``Transport.reset``."""
        self.resets.append(fd)

    def local_address(self, fd: int) -> Address:
        """See ``Transport.local_address``."""
        return Address("tcp", "192.0.2.1", 9000)

    def remote_name(self, fd: int) -> bytes:
        """See ``Transport.remote_name``."""
        return pack_name(socket.AF_INET, ("192.0.2.7", 40000))

    def borrow(self, fd: int) -> AbstractContextManager[socket.socket]:
        """See ``Transport.borrow``; there is no socket to lend."""
        raise UnsupportedOperationError("a fake transport has no socket to lend")
