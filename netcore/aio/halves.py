"""Which half of the hot path the transports have: in C, or in Python. The one place that chooses."""

from __future__ import annotations

import os
from collections.abc import Callable, Sized
from typing import Any, Protocol, cast

from netcore._native import COLD, address
from netcore._overriding import stands_for
from netcore.aio.batch import Batch, Channel
from netcore.aio.exchange import open_exchange
from netcore.poll import Poller

__all__ = ["OpensChannel", "open_batch"]

_CALLS = ("receive", "receive_one", "send", "send_one", "available")


class OpensChannel(Protocol):
    """A class of channels."""

    def __call__(self, batch: Any, owner: Any, sock: Any, /) -> Channel:
        """Opens one."""


class _HotPoller(Protocol):
    def hot_wait(self) -> tuple[object, int, int]: ...


def open_batch(
    poller: Poller, busy: Sized, complain: Callable[[BaseException], object]
) -> tuple[Batch, OpensChannel]:
    """Opens the half in C if it can be had, and else that in Python.

    Args:
        poller: The loop's.
        busy: What the loop has to do besides messages.
        complain: See ``Batch``.

    Returns:
        The batch, and the class of its channels.
    """
    hot = not COLD and (os.environ.get("NETCORE_SOCKETS") or "native") == "native"
    if not hot or not stands_for("hot_wait", "wait", type(poller)):
        return Batch(poller, open_exchange(), complain), Channel
    from netcore._native import _hot  # exists where the extension does

    calls = {"ring": 0, **{name: address(f"nc_{name}") for name in _CALLS}}
    batch = _hot.Batch(cast("_HotPoller", poller).hot_wait(), calls, busy, complain)
    return cast("Batch", batch), cast("OpensChannel", _hot.Channel)
