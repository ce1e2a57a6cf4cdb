"""Why and how a connection ends."""

from __future__ import annotations

import math
from typing import Final

from netcore.handler import Callback, CloseReason, Timer

__all__ = ["OVER_BY_EOF", "Ending"]


class Ending:
    """The end of a connection, once it has begun.

    Attributes:
        reason: What began it; later causes do not change that.
        error: What ``on_close`` will be told.
        reset: Whether to close with RST.
        sound: Whether an error of the application's began it, on a socket that is in order: the peer may be
            sending still.
        timer: What gives up on the peer.
        due: When that is, in seconds of the loop's clock; inf where it does not matter.
        callbacks: Of ``close``, to be called after ``on_close``.
        left: Whether its loop has let go of it, to close the descriptor.
        over: Whether ``on_close`` has been called.
    """

    __slots__ = ("callbacks", "due", "error", "left", "over", "reason", "reset", "sound", "timer")

    def __init__(self, reason: CloseReason) -> None:
        self.reason = reason
        self.error: Exception | None = None
        self.reset = False
        self.sound = self.left = self.over = False
        self.timer: Timer | None = None
        self.due = math.inf
        self.callbacks: list[Callback] = []


class _Over(Ending):
    """The end of connections that is over already, and that nothing adds anything to: one for them all."""

    __slots__ = ()

    def __init__(self, reason: CloseReason) -> None:
        values = {"reason": reason, "due": math.inf, "callbacks": [], "left": True, "over": True}
        flags = {"reset": False, "sound": False}
        for name, value in ({"error": None, "timer": None} | values | flags).items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """Nothing changes any more."""


OVER_BY_EOF: Final = _Over(CloseReason.EOF)
"""What the end of a stream is that both sides had nothing to add to."""
