"""A Redis server's engine: bytes in, bytes out, no I/O.

A `Server` holds the database; each connection has a `Session` whose ``receive(data)`` returns the replies.
"""

from .server import Server
from .session import Session

__all__ = ["Server", "Session"]
