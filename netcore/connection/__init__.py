"""Connections: bytes in and out over the buffers, and an orderly life."""

from netcore.connection.base import UNWATCHED, Connection, Ending
from netcore.connection.callbacks import release_views, run
from netcore.connection.deadlines import Deadlines
from netcore.connection.debug import CheckedStreamConnection
from netcore.connection.dispatch import deliver
from netcore.connection.host import Host, Limits
from netcore.connection.state import TRANSITIONS, Event, State
from netcore.connection.stream import StreamConnection

__all__ = [
    "TRANSITIONS",
    "UNWATCHED",
    "CheckedStreamConnection",
    "Connection",
    "Deadlines",
    "Ending",
    "Event",
    "Host",
    "Limits",
    "State",
    "StreamConnection",
    "deliver",
    "release_views",
    "run",
]
