"""Streams, TCP and Unix: two halves, what waits between them and the kernel, and a filter if there is one."""

from netcore.connection.stream.connection import BaseStream, CheckedStreamConnection, StreamConnection
from netcore.connection.stream.dispatch import deliver, deliver_one
from netcore.connection.stream.files import OpenFiles
from netcore.connection.stream.filters import Filter
from netcore.connection.stream.outbox import BaseOutbox, Outbox, StreamHost
from netcore.connection.stream.session import (
    BaseSession,
    CheckedSessionConnection,
    Session,
    SessionConnection,
)

__all__ = [
    "BaseOutbox",
    "BaseSession",
    "BaseStream",
    "CheckedSessionConnection",
    "CheckedStreamConnection",
    "Filter",
    "OpenFiles",
    "Outbox",
    "Session",
    "SessionConnection",
    "StreamConnection",
    "StreamHost",
    "deliver",
    "deliver_one",
]
