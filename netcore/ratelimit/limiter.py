"""Connections that send more than a rate allows are not read for a while; TCP then slows their peers down."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial

from netcore._machine import monotonic
from netcore.handler import Conn, Timer
from netcore.ratelimit.bucket import TokenBucket

__all__ = ["RateLimiter"]

_LEAST = 0.001
"""Seconds from which on a pause is worth its system calls. What is shorter is owed, and adds up."""


class _Account:
    """What is known of a connection.

    Attributes:
        bucket: What it pays from.
        conn: The connection, which this does not keep alive.
        timer: When it is read again; None while it is.
    """

    __slots__ = ("bucket", "conn", "timer")

    def __init__(self, bucket: TokenBucket, conn: weakref.ref[Conn]) -> None:
        self.bucket = bucket
        self.conn = conn
        self.timer: Timer | None = None


class RateLimiter:
    """Slows connections down to a rate: of bytes, of messages, of whatever they are charged for.

    It pauses reading for a reason of its own (see ``Conn.pause_reading``), so that several limiters, the
    application and netcore itself do not end each other's pauses. What has come already when a connection is
    paused is still the handler's: a ``FrameHandler`` keeps it, other handlers may leave it unread.

    One limiter serves all loops of an engine.
    """

    def __init__(
        self,
        rate: float,
        burst: float | None = None,
        *,
        shared: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Makes the limiter.

        Args:
            rate: What may be charged a second.
            burst: What may be charged at once after a time of silence; None for one second's.
            shared: Whether all connections together may have so much, rather than each of them.
            clock: Tells the time in seconds; it never goes back.

        Raises:
            TypeError: See ``TokenBucket``.
            ValueError: See ``TokenBucket``.
        """
        self._make = partial(TokenBucket, rate, burst, clock=clock)
        first = self._make()
        self._shared = first if shared else None
        # Single operations on a dict are atomic, and each connection's key is used on its own loop only.
        self._accounts: dict[int, _Account] = {}

    def charge(self, conn: Conn, n: float = 1) -> float:
        """Charges a connection for what it has sent, and pauses it if that was too much.

        It waits until that is paid for. With a shared limit connections come in the order in which they were
        charged: none waits longer for others that came later.

        Args:
            conn: Whose loop this is called on.
            n: Bytes, messages, or what else is counted.

        Returns:
            Seconds for which it is paused; 0.0 if it is not.

        Raises:
            UnsupportedOperationError: It is a server's datagram, whose sender cannot be slowed down: for
                these take a ``TokenBucket``, and drop what is too much.
            ValueError: n is negative, or infinite.
        """
        account = self._accounts.get(conn.id)
        if account is None:
            account = self._open(conn)
        delay = account.bucket.charge(n)
        if delay < _LEAST or conn.closed:
            return 0.0
        conn.pause_reading(self)
        if account.timer is not None:  # what was charged later is paid for later
            account.timer.cancel()
        account.timer = conn.loop.schedule(delay, self._go_on, account)
        return delay

    def _open(self, conn: Conn) -> _Account:
        conn.resume_reading(self)  # which does nothing; but what cannot be paused complains the first time
        accounts, key = self._accounts, conn.id
        watch = weakref.ref(conn, lambda _: accounts.pop(key, None))
        account = accounts[key] = _Account(self._shared or self._make(), watch)
        return account

    def _go_on(self, account: _Account) -> None:
        account.timer = None
        conn = account.conn()
        if conn is not None and not conn.closed:
            conn.resume_reading(self)
