"""Datagrams: those of a server, each with a connection of its own, and those of a dialled socket."""

from netcore.connection.datagram.answer import BaseDatagramConn, CheckedDatagramConn, DatagramConn
from netcore.connection.datagram.connection import CheckedDatagramConnection, DatagramConnection
from netcore.connection.datagram.outbox import BaseDatagramOutbox, DatagramOutbox, DatagramOwner
from netcore.connection.datagram.port import BaseDatagramPort, DatagramPort, PortOwner

__all__ = [
    "BaseDatagramConn",
    "BaseDatagramOutbox",
    "BaseDatagramPort",
    "CheckedDatagramConn",
    "CheckedDatagramConnection",
    "DatagramConn",
    "DatagramConnection",
    "DatagramOutbox",
    "DatagramOwner",
    "DatagramPort",
    "PortOwner",
]
