"""Which half of the hot path a loop has: in C, or in Python. The one place that chooses.

C takes part where it finds everything as it knows it: a native poller, native sockets, no debug checks, and
the extension itself. Whatever else a loop is given, a fake say, is served by the
Python, which does the same.
"""

from __future__ import annotations

from netcore._native import COLD
from netcore._overriding import stands_for
from netcore.eventloop.half import Half
from netcore.poll import Poller
from netcore.sockets import Sockets

__all__ = ["half_for"]

_RECEIVING = ("receive", "receive_one")
_SENDING = ("send", "send_one")
_DATAGRAMS = ("receive_datagrams", "send_datagrams")
_WAITING = ("wait", "wait_columns")


def half_for(poller: Poller, sockets: Sockets, debug: bool) -> Half:
    """Chooses the half in C if it can be had, and else that in Python.

    Args:
        poller: The loop's.
        sockets: The loop's.
        debug: Check the thread rules.
    """
    knows_poller = all(stands_for("hot_wait", method, type(poller)) for method in _WAITING)
    knows_sockets = all(stands_for("hot_calls", method, type(sockets)) for method in _RECEIVING + _SENDING)
    if debug or COLD or not knows_poller or not knows_sockets:
        return Half(poller, sockets, debug)
    from netcore.eventloop.hot_half import HotHalf  # exists where the extension does

    datagrams = all(stands_for("hot_datagrams", method, type(sockets)) for method in _DATAGRAMS)
    return HotHalf(poller, sockets, datagrams)
