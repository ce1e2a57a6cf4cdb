"""Connections: bytes in and out over the buffers, and an orderly life."""

from netcore.connection.core.callbacks import release_views, run
from netcore.connection.core.counters import Counters
from netcore.connection.core.deadlines import Deadlines
from netcore.connection.core.host import Host, Limits, Settling
from netcore.connection.core.identity import UNWATCHED, Connection, Ending
from netcore.connection.core.state import TRANSITIONS, Event, State
from netcore.connection.datagram.answer import DatagramConn
from netcore.connection.datagram.connection import DatagramConnection
from netcore.connection.datagram.port import DatagramPort
from netcore.connection.debug import (
    CheckedDatagramConn,
    CheckedDatagramConnection,
    CheckedStreamConnection,
)
from netcore.connection.stream.connection import StreamConnection
from netcore.connection.stream.dispatch import deliver, deliver_one

__all__ = [
    "TRANSITIONS",
    "UNWATCHED",
    "CheckedDatagramConn",
    "CheckedDatagramConnection",
    "CheckedStreamConnection",
    "Connection",
    "Counters",
    "DatagramConn",
    "DatagramConnection",
    "DatagramPort",
    "Deadlines",
    "Ending",
    "Event",
    "Host",
    "Limits",
    "Settling",
    "State",
    "StreamConnection",
    "deliver",
    "deliver_one",
    "release_views",
    "run",
]
