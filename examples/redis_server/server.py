"""What all connections share."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable

from .commands import TABLE
from .config import Config
from .keyspace import Keyspace
from .session import Session

_EXPIRED_PER_TICK = 2000
_BUSY_DELAY = 0.01


class Server:
    """The database and the connections to it. It does no I/O and starts no thread.

    It does not lock either: one thread at a time may call it or its sessions.

    Args:
        clock: the time since the epoch in seconds; tests have one that they move. By default it is what
            ``time.time`` is at the call, which on a simulated host is that host's.

    Attributes:
        time: the clock's at the last tick, for what need not be precise.
        port: the TCP port served, for INFO; 0 if there is none.
        commands: how many have been executed.
        connections: how many have been made.
        rate: commands per second at the last tick.
    """

    def __init__(self, clock: Callable[[], float] = lambda: time.time()) -> None:
        self.clock = clock
        self.table = TABLE
        self.config = Config()
        self.keyspace = Keyspace(clock)
        self.sessions: dict[int, Session] = {}
        self.run_id = secrets.token_hex(20)
        self.started = self.time = clock()
        self.port = 0
        self.rate = 0.0
        self.commands = self.connections = 0
        self._sampled = 0
        self._numbers = itertools.count(1)

    def connect(self, address: str = "", local_address: str = "", descriptor: int = -1) -> Session:
        """A session for a new connection."""
        session = Session(self, next(self._numbers), address, local_address, descriptor)
        self.sessions[session.number] = session
        self.connections += 1
        return session

    def disconnect(self, session: Session) -> None:
        """The connection has ended."""
        self.sessions.pop(session.number, None)

    def tick(self) -> float:
        """The work that no request triggers; returns the delay to the next call, in seconds."""
        now = self.clock()
        if now > self.time:
            self.rate = (self.commands - self._sampled) / (now - self.time)
        self._sampled, self.time = self.commands, now
        # A flood of expired keys is worked off in small portions, for requests to get their turn between.
        more = self.keyspace.expire_due(_EXPIRED_PER_TICK)
        return _BUSY_DELAY if more else 1 / self.config.integer("hz")

    def reset_statistics(self) -> None:
        """Start counting anew, as CONFIG RESETSTAT does."""
        self.commands = self.connections = self._sampled = 0
        keyspace = self.keyspace
        keyspace.hits = keyspace.misses = keyspace.expired = 0
