"""Which implementation of socket I/O to use."""

from __future__ import annotations

import os
from typing import Protocol

from netcore._native import MISSING
from netcore._native.ring import Ring
from netcore.errors import OptionsError
from netcore.sockets.io_uring import IoUringSockets
from netcore.sockets.native import NativeSockets
from netcore.sockets.protocol import Sockets
from netcore.sockets.pure import PureSockets

__all__ = ["HasRing", "open_sockets"]


class HasRing(Protocol):
    """A poller whose kernel object moves bytes too, if the sockets share it; such as ``IoUringPoller``."""

    ring: Ring


def open_sockets(receive_cap: int, poller: object = None) -> Sockets:
    """Makes the sockets of one loop: those that go with its poller's ring, else native ones, else pure ones.

    The environment variable NETCORE_SOCKETS, ``native`` or ``pure``, asks for one of these, to tell
    where a fault is; such sockets work with every poller.

    Args:
        receive_cap: Bytes taken from one socket in one receive.
        poller: The loop's; see ``HasRing``.

    Raises:
        OptionsError: NETCORE_SOCKETS is something else.
    """
    wish = os.environ.get("NETCORE_SOCKETS") or ("pure" if MISSING else "best")
    if wish not in ("best", "native", "pure"):
        raise OptionsError(f"NETCORE_SOCKETS is {wish!r}: it must be 'native' or 'pure'")
    arena_size = max(1 << 18, 4 * receive_cap)
    if wish == "pure":
        return PureSockets(receive_cap, arena_size)
    ring = getattr(poller, "ring", None)
    if wish == "best" and isinstance(ring, Ring):
        return IoUringSockets(ring, receive_cap, arena_size)
    return NativeSockets(receive_cap, arena_size)
