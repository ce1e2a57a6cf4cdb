"""What a poller is: it tells which sockets are ready, and nothing else.

A poller owns no loop, no tasks and no connections. The caller's duties:

- expect spurious readiness: try the operation, and accept that it would block;
- unregister a descriptor before closing it, since a duplicate would keep it alive in the kernel;
- change the interest, or unregister, when told of HANGUP or ERROR: level-triggered, they are repeated;
- all methods on one thread, but ``wake``, which may be called on any.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

__all__ = ["Interest", "Poller", "Readiness"]


class Interest(enum.IntFlag):
    """What to be told of. Level-triggered, unless EDGE is added."""

    READ = 1
    WRITE = 2
    EDGE = 4
    EXCLUSIVE = 8
    """Of several pollers that watch the same socket for this, be it in other processes, one or a few that
    wait are to be told of what comes, not all: EPOLLEXCLUSIVE of epoll_ctl(2). It is a hint, which every
    poller accepts and most ignore. Who is told has to act on it, since perhaps nobody else is."""


class Readiness(enum.IntFlag):
    """What a wait found. HANGUP and ERROR come unasked."""

    READABLE = 1
    """Receiving will not block: there are bytes, the end of the stream, an error, or a connection."""
    WRITABLE = 2
    """Sending at least one byte will not block, or will fail at once."""
    HANGUP = 4
    """Both directions are shut down."""
    ERROR = 8
    """The socket has an error to be fetched by the next operation on it."""


class Poller(Protocol):
    """The kernel's readiness interface, one per event loop.

    After ``close`` every method but ``close`` raises ``ValueError``. A method that raises has done nothing of
    what it was asked for; a ``wait`` that does has used up no readiness and no wake.

    A poller may have two more methods:

    ``abandon()`` is called in a forked child, where no other thread exists and locks may be held for ever,
    and closes the child's copies of its descriptors without touching what the parent still uses; then it is
    closed.

    ``fileno() -> int`` returns a descriptor that is readable as soon as a wait would find something or was
    woken, for another loop to watch, which then calls ``wait(0)``. What was registered, modified or
    unregistered before the call counts: ask anew before each time you wait on it, since a poller may submit
    changes only then. The number is the same every time. It stays the poller's: never read, close or
    register anything on it.
    """

    name: str
    supports_edge: bool

    def register(self, fd: int, interest: int) -> None:
        """Starts watching a descriptor.

        Args:
            fd: The descriptor, or handle where sockets are handles.
            interest: Flags of ``Interest``.

        Raises:
            FileExistsError: It is registered already.
            ValueError: It asks for EDGE, and ``supports_edge`` is False.
            OSError: The system refused: EBADF for a closed descriptor, EPERM for a file or a directory, which
                are always ready, or another errno. What the system refuses only later ``wait`` tells, as
                ERROR. Nothing is registered then.
        """

    def modify(self, fd: int, interest: int) -> None:
        """Replaces the interest of a registered descriptor; FileNotFoundError if it is not registered."""

    def unregister(self, fd: int) -> None:
        """Stops watching a descriptor; FileNotFoundError if it is not registered, perhaps if it is closed."""

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """Waits until a descriptor is ready, ``wake`` is called, a signal comes, or the time is over.

        It goes on waiting whatever else happens to a descriptor: bytes, urgent data, or the peer's half-close
        end no wait that is not for READ. One that was closed without being unregistered is passed over.

        Args:
            timeout: Seconds, an int or a float; None or infinity for no limit, 0 to look without waiting. A
                timeout below the clock's resolution is rounded up, so that it never makes the caller spin.

        Raises:
            TypeError: The timeout is no int or float, such as a Decimal.
            ValueError: It is negative or not a number (nan).

        Returns:
            Pairs of descriptor and ``Readiness``; empty unless a descriptor was ready.
        """

    def wake(self) -> None:
        """Ends the current wait, or else the next one. Any thread. Several may count as one."""

    def close(self) -> None:
        """Releases the kernel's object; the registered descriptors stay open. Idempotent."""
