"""Which implementation of socket I/O to use."""

from __future__ import annotations

import os

from netcore._native import MISSING
from netcore.sockets.native import NativeSockets
from netcore.sockets.protocol import Sockets
from netcore.sockets.pure import PureSockets

__all__ = ["open_sockets"]


def open_sockets(receive_cap: int) -> Sockets:
    """Makes the sockets of one loop: native ones where they were built, else pure ones.

    The environment variable NETCORE_SOCKETS set to ``pure`` asks for the latter, to tell whether a
    fault is in the native part.

    Args:
        receive_cap: Bytes taken from one socket in one receive.
    """
    arena_size = max(1 << 18, 4 * receive_cap)
    if MISSING or os.environ.get("NETCORE_SOCKETS") == "pure":
        return PureSockets(receive_cap, arena_size)
    return NativeSockets(receive_cap, arena_size)
