"""Connections: bytes in and out over the buffers, and an orderly life."""

from netcore.connection.base import UNWATCHED, Connection, Ending
from netcore.connection.callbacks import release_views, run
from netcore.connection.counters import Counters
from netcore.connection.datagram import DatagramConn
from netcore.connection.datagram_connection import DatagramConnection
from netcore.connection.datagram_port import DatagramPort
from netcore.connection.deadlines import Deadlines
from netcore.connection.debug import (
    CheckedDatagramConn,
    CheckedDatagramConnection,
    CheckedStreamConnection,
)
from netcore.connection.dispatch import deliver, deliver_one
from netcore.connection.host import Host, Limits, Settling
from netcore.connection.state import TRANSITIONS, Event, State
from netcore.connection.stream import StreamConnection

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
