"""Datagrams: those of a server, each with a connection of its own, and those of a dialled socket."""

from netcore.connection.datagram.answer import CheckedDatagramConn, DatagramConn
from netcore.connection.datagram.connection import CheckedDatagramConnection, DatagramConnection
from netcore.connection.datagram.outbox import DatagramOutbox
from netcore.connection.datagram.port import DatagramPort

__all__ = [
    "CheckedDatagramConn",
    "CheckedDatagramConnection",
    "DatagramConn",
    "DatagramConnection",
    "DatagramOutbox",
    "DatagramPort",
]
