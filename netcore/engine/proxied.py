"""Whose connections begin with a PROXY header."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from netcore._durations import seconds
from netcore.eventloop import Phase, TakeHeader
from netcore.options import Options
from netcore.sockets import ip_of, unpack_name

__all__ = ["phases_of"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = 96
"""The bits in front of an IPv4 address in an IPv6 address that stands for it (RFC 4291)."""


def phases_of(options: Options, network: str) -> Callable[[bytes], Sequence[Phase]]:
    """Returns what has to pass before a connection opens, with ``proxy_protocol``; see ``Listener.phases``.

    Args:
        options: The engine's.
        network: The listener's: "tcp" or "unix". Who may open a Unix socket is for its file's permissions.
    """
    timeout = seconds(options.proxy_protocol_timeout, "a timeout")
    networks = [_as_simple_as_can_be(ipaddress.ip_network(text)) for text in options.proxy_protocol_from]
    if network == "unix" or not networks:
        return lambda name: (TakeHeader(timeout),)

    def phases(name: bytes) -> Sequence[Phase]:
        peer = ip_of(unpack_name(name).host)
        trusted = peer is not None and any(peer in network for network in networks)
        return (TakeHeader(timeout),) if trusted else ()

    return phases


def _as_simple_as_can_be(network: _Network) -> _Network:
    """Returns the IPv4 network of IPv4-mapped addresses: their peers count as IPv4."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED:
        address = network.network_address.ipv4_mapped
        if address is not None:
            return ipaddress.IPv4Network((address, network.prefixlen - _MAPPED))
    return network
