"""Batched socket I/O, in C and in plain Python, behind one protocol."""

from netcore.sockets.beside import Beside, OptionsBeside, Place, sharing, sockets_beside
from netcore.sockets.choice import HasRing, open_sockets
from netcore.sockets.destinations import (
    destination_of,
    tell_destinations,
    with_destination,
    with_destination_of,
)
from netcore.sockets.error_queue import is_in_trouble, take_errors
from netcore.sockets.io_uring import IoUringSockets
from netcore.sockets.literals import ip_of, scope_of
from netcore.sockets.names import (
    CONNECTED,
    address_of,
    pack_name,
    pack_receiver,
    packed_host,
    unpack_name,
)
from netcore.sockets.native import NativeSockets
from netcore.sockets.objects import socket_of
from netcore.sockets.options import SocketOptions, duplicate, guard, set_keep_alive, survive_unreachable
from netcore.sockets.passed import take_passed
from netcore.sockets.protocol import Arena, Chunk, Releasing, Sockets, Transport
from netcore.sockets.pure import PureSockets
from netcore.sockets.resolver import Found, Lookup, Resolver
from netcore.sockets.resolving import Endpoint, naming, needs_lookup, resolve
from netcore.sockets.single import SingleSockets, receive_one_of, send_one_of

__all__ = [
    "CONNECTED",
    "Arena",
    "Beside",
    "Chunk",
    "Endpoint",
    "Found",
    "HasRing",
    "IoUringSockets",
    "Lookup",
    "NativeSockets",
    "OptionsBeside",
    "Place",
    "PureSockets",
    "Releasing",
    "Resolver",
    "SingleSockets",
    "SocketOptions",
    "Sockets",
    "Transport",
    "address_of",
    "destination_of",
    "duplicate",
    "guard",
    "ip_of",
    "is_in_trouble",
    "naming",
    "needs_lookup",
    "open_sockets",
    "pack_name",
    "pack_receiver",
    "packed_host",
    "receive_one_of",
    "resolve",
    "scope_of",
    "send_one_of",
    "set_keep_alive",
    "sharing",
    "socket_of",
    "sockets_beside",
    "survive_unreachable",
    "take_errors",
    "take_passed",
    "tell_destinations",
    "unpack_name",
    "with_destination",
    "with_destination_of",
]
