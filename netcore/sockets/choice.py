"""Which implementation of socket I/O to use."""

from __future__ import annotations

import os

from netcore._native import MISSING
from netcore.errors import OptionsError
from netcore.sockets.native import NativeSockets
from netcore.sockets.protocol import Sockets
from netcore.sockets.pure import PureSockets

__all__ = ["open_sockets"]


def open_sockets(receive_cap: int) -> Sockets:
    """Makes the sockets of one loop: native ones where they were built, else pure ones.

    The environment variable NETCORE_SOCKETS, ``native`` or ``pure``, asks for one of them, to tell
    whether a fault is in the native part.

    Args:
        receive_cap: Bytes taken from one socket in one receive.

    Raises:
        OptionsError: NETCORE_SOCKETS is something else.
    """
    wish = os.environ.get("NETCORE_SOCKETS") or ("pure" if MISSING else "native")
    if wish not in ("native", "pure"):
        raise OptionsError(f"NETCORE_SOCKETS is {wish!r}: it must be 'native' or 'pure'")
    arena_size = max(1 << 18, 4 * receive_cap)
    if wish == "pure":
        return PureSockets(receive_cap, arena_size)
    return NativeSockets(receive_cap, arena_size)
