"""Closing a socket whose peer is still sending, so that the last response reaches it.

close(2) with unread input, or input after it, answers with RST instead of FIN, and a peer that gets an RST
throws away what it has not read yet (RFC 1122 4.2.2.13, RFC 9112 9.6). So the writing half is shut down
first, and what still comes is received and thrown away, until the peer has ended too or has had its time.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from netcore.connection import STALL
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.poll import Interest, Readiness
from netcore.sockets import take_errors

__all__ = ["Linger"]

_ERROR = int(Readiness.ERROR)

_PARTING = 1.0
"""Seconds for a peer that still sends when the loop stops, which should not take long."""

_WOULD_BLOCK = (-errno.EAGAIN, -errno.EWOULDBLOCK, -errno.EINTR)


class Linger:
    """What is left of a connection after its ``on_close``: a descriptor, and a limit in time.

    Args:
        site: The loop of the connection, whose thread does all of this.
        fd: The descriptor, attached and not registered.
        over: Called with this before the descriptor is closed.
    """

    __slots__ = ("_began", "_due", "_gives_way", "_idle", "_over", "_site", "_timer", "fd")

    def __init__(self, site: Site, fd: int, over: Callable[[Linger], object]) -> None:
        self._site = site
        self.fd = fd
        self._over: Callable[[Linger], object] | None = over
        self._idle = True
        self._began = site.clock()
        self._gives_way = False
        self._timer: Timer | None = None
        self._due = 0.0

    def begin(self, idle: bool) -> None:
        """Sends FIN and begins to throw away what comes.

        Args:
            idle: Whether nothing has been thrown away so far. A silent peer is given ``Limits.linger``
                seconds, one that goes on sending ``Limits.close_timeout``.
        """
        self._idle = idle
        site = self._site
        try:
            site.sockets.shutdown_write(self.fd)
            self._give(site.limits.linger if idle else self._patience())
            site.watchers.attend(self.fd, self, Interest.READ)
            if site.shared.gate is not None:
                site.shared.gate.lodge(self)
        except BaseException as error:
            site.charge(self, error)

    def ready(self, readiness: int) -> None:
        """Throws away what has come; ends if that is all."""
        if readiness & _ERROR:
            take_errors(self._site.sockets, self.fd)
        n = self._site.receive_aside([self.fd])[0]
        if n > 0:
            if self._idle:
                self._idle = False
                if not self._gives_way:
                    self._give(self._patience())
        elif n not in _WOULD_BLOCK:
            self.end()

    def hurry(self) -> None:
        """Ends at once, or soon if the peer has been seen sending: the loop stops."""
        self._give(0 if self._idle else self._patience())

    def give_way(self, at_once: bool) -> None:
        """See ``Lodger.give_way``; who can wait lets it have as long as a silent peer has. Any thread."""
        if self._site.in_loop():
            self._give_way(at_once)
        else:
            self._site.post(self._give_way, at_once)

    def _give_way(self, at_once: bool) -> None:
        if at_once:
            self.end()
        elif self._over is not None:
            self._gives_way = True
            self._give(max(self._began + self._site.limits.linger - self._site.clock(), 0))

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``."""
        self.end()

    def _give(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._site.clock() + seconds
        self._timer = self._site.schedule(seconds, self._too_late)

    def _too_late(self) -> None:
        """Ends, unless it is this side that was late, and there is still something to throw away."""
        late = self._site.clock() - self._due
        due = self._due
        self._site.look_again(due)
        if self._due != due:  # it has been seen sending, and given time
            return
        n = self._site.receive_aside([self.fd])[0] if self._over is not None else 0
        if n > 0 and not self._gives_way and (self._idle or late > STALL):
            self._give(self._patience() if self._idle else late)
            self._idle = False
        else:
            self.end()

    def _patience(self) -> float:
        timeout = self._site.limits.close_timeout
        return min(timeout, _PARTING) if self._site.stopping else timeout

    def end(self) -> None:
        """Closes the descriptor; what still comes is answered with RST."""
        over, self._over = self._over, None
        if over is None:
            return
        over(self)
        if self._timer is not None:
            self._timer.cancel()
        site = self._site
        site.watchers.neglect(self.fd)
        if site.shared.gate is not None:
            site.shared.gate.leave(self)
        site.descriptors.close([self.fd])
