"""Messages between a supervisor and a process of its: lines of JSON, some of them with descriptors."""

from __future__ import annotations

import array
import json
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from netcore._platform import MSG_CMSG_CLOEXEC
from netcore.supervisor._posix import select, sockets

__all__ = ["Channel", "Message"]

Message = dict[str, Any]
"""What is said; the value of its key ``fds`` is descriptors, which the receiver owns."""

_AT_ONCE = 65536
_MOST_FDS = 64
"""Descriptors that go with one line; the kernel takes 253 (SCM_MAX_FD of unix(7))."""

_LONGEST = 64 << 20
"""Bytes of a line: what a process says of a hundred thousand connections."""


class Channel:
    """One end of a pair of connected Unix sockets. One thread may send while another receives.

    Args:
        sock: The socket, which belongs to the channel.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pieces: list[bytes] = []
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._fds: deque[int] = deque()
        self._lost_some = False

    @staticmethod
    def pair() -> tuple[Channel, socket.socket]:
        """Makes a channel and the socket for its other end."""
        ours, theirs = socket.socketpair()
        return Channel(ours), theirs

    def fileno(self) -> int:
        """Returns the descriptor of the socket."""
        return self._sock.fileno()

    def set_blocking(self, flag: bool) -> None:
        """See ``socket.setblocking``."""
        self._sock.setblocking(flag)

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Sends a message, with duplicates of these descriptors.

        Returns:
            False if nobody reads it any more, or, without blocking, not fast enough.
        """
        line = json.dumps({**message, "fds": len(fds)} if fds else message).encode() + b"\n"
        left = memoryview(line)
        try:
            for i in range(0, len(fds), _MOST_FDS):
                # Each lot needs a byte to go with; spaces in front of a line mean nothing.
                packed = array.array("i", fds[i : i + _MOST_FDS])
                sockets.socket.sendmsg(self._sock, [b" "], [(socket.SOL_SOCKET, sockets.SCM_RIGHTS, packed)])
            while left:
                left = left[self._sock.send(left) :]
        except OSError:
            if left and len(left) < len(line):  # half a line: nothing that follows would be understood
                with suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)
            return False
        return True

    def receive(self) -> Iterator[Message]:
        """Receives once, and yields what is complete; what the caller does not take is there the next time.

        A message whose descriptors there was no room for has none of them.

        Raises:
            EOFError: The other end is closed, or has sent what is no message.
        """
        if not self._lines:
            self._receive()
        while self._lines:
            yield self._read(self._lines.popleft())

    def _receive(self) -> None:
        try:
            data, fds, flags, _ = sockets.recv_fds(self._sock, _AT_ONCE, _MOST_FDS, MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise EOFError from error
        for fd in fds:
            os.set_inheritable(fd, False)  # as all others of Python, also where there is no flag for it
        self._fds.extend(fds)
        self._lost_some |= bool(flags & getattr(socket, "MSG_CTRUNC", 0))
        if not data:
            raise EOFError
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._lines.append(b"".join([*self._pieces, line]))
            self._pieces, self._size = [], 0
        self._pieces.append(rest)
        self._size += len(rest)
        if self._size > _LONGEST:
            raise EOFError

    def _read(self, line: bytes) -> Message:
        try:
            message = json.loads(line)
            count = message.pop("fds", 0)
            if count:
                message["fds"] = self._take(count)
        except (ValueError, AttributeError, IndexError, TypeError, RecursionError) as error:
            raise EOFError from error
        return dict(message)

    def _take(self, count: int) -> list[int]:
        if self._lost_some:
            self._lost_some = False
            while self._fds:
                socket.close(self._fds.popleft())
            return []
        return [self._fds.popleft() for _ in range(count)]

    def has_something(self) -> bool:
        """Whether ``receive`` would find something, be it the end."""
        return self.await_something(0)

    def await_something(self, timeout: float | None) -> bool:
        """Waits for so many seconds for that, None for ever; returns whether it has come."""
        if self._lines:
            return True
        poll = select.poll()  # select(2) knows no descriptor beyond 1023
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def close(self) -> None:
        """Closes it, with the descriptors that have come and nobody has taken."""
        self._sock.close()
        while self._fds:
            socket.close(self._fds.popleft())
