"""Closing a socket whose peer is still sending, so that the last response reaches it.

close(2) with unread input, or input after it, answers with RST instead of FIN, and a peer that gets an RST
throws away what it has not read yet (RFC 1122 4.2.2.13, RFC 9112 9.6). So the writing half is shut down
first, and what still comes is received and thrown away, until the peer has ended too or has had its time.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from netcore.poll import Interest

if TYPE_CHECKING:
    from netcore.eventloop.loop import Loop
    from netcore.handler import Timer

__all__ = ["Linger"]

_PARTING = 1.0
"""Seconds for a peer that still sends when the loop stops, which should not take long."""

_WOULD_BLOCK = (-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR)


class Linger:
    """What is left of a connection after its ``on_close``: a descriptor, and a limit in time.

    Args:
        loop: The loop of the connection, whose thread does all of this.
        fd: The descriptor, attached and not registered.
    """

    __slots__ = ("_fd", "_idle", "_loop", "_timer")

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._idle = True
        self._timer: Timer | None = None

    def begin(self, idle: bool) -> None:
        """Sends FIN and begins to throw away what comes.

        Args:
            idle: Whether nothing has been thrown away so far. A silent peer is given ``Limits.linger``
                seconds, one that goes on sending ``Limits.close_timeout``.
        """
        self._idle = idle
        self._loop.sockets.shutdown_write(self._fd)
        self._loop.lingering[self._fd] = self
        self._timer = self._loop.schedule(self._loop.limits.linger if idle else self._patience(), self.end)
        try:
            self._loop.attend(self._fd, self, Interest.READ)
        except OSError:
            self.end()

    def ready(self, readiness: int) -> None:
        """Throws away what has come; ends if that is all."""
        n = self._loop.receive_aside([self._fd])[0]
        if n > 0:
            if self._idle:
                self._idle = False
                self._give(self._patience())
        elif n not in _WOULD_BLOCK:
            self.end()

    def hurry(self) -> None:
        """Ends at once, or soon if the peer has been seen sending: the loop stops."""
        self._give(0 if self._idle else self._patience())

    def _give(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.schedule(seconds, self.end)

    def _patience(self) -> float:
        timeout = self._loop.limits.close_timeout
        return min(timeout, _PARTING) if self._loop.stopping else timeout

    def end(self) -> None:
        """Closes the descriptor; what still comes is answered with RST."""
        loop = self._loop
        if loop.lingering.pop(self._fd, None) is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        loop.neglect(self._fd)
        with loop.descriptor_lock:
            loop.sockets.close([self._fd])
