"""Counting what lives, by type, so that a leak has a name and a cache that has its bound is none."""

import gc
from collections import Counter
from struct import Struct
from typing import Any

from netcore.sockets.native import BATCH

PACKERS = "packers"
"""What packs a batch of numbers or splits a batch of bytes, and its bound method, which netcore keeps for
each size of a batch that it has met. They come for hours, as rare sizes do, and end at a bound."""


def census() -> Counter[str]:
    """Counts the objects that the collector knows, by type; packers as one."""
    gc.collect()
    return Counter(_kind(it) for it in gc.get_objects())


def most_packers(sockets: int) -> int:
    """How many packers there may be: two objects each, of so many `Sockets` and for splitting."""
    return 2 * BATCH * (sockets + 1) + 64


def _kind(it: Any) -> str:
    kind = type(it)
    if kind is Struct or isinstance(getattr(it, "__self__", None), Struct):
        return PACKERS
    return f"{kind.__module__}.{kind.__qualname__}"
