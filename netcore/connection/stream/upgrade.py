"""What a stream knows of the TLS handshake that was begun on it while it was open."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from netcore.connection.core import Host
from netcore.handler import Callback, Timer

if TYPE_CHECKING:
    from netcore.tls import TlsFilter

__all__ = ["Upgrade"]


class Upgrade:
    """A handshake under way on an open connection.

    Attributes:
        filter: What it is the handshake of.
        callback: Told how it ends; None for nobody.
        timer: Ends it.
        due: When that is, in seconds of the loop's clock.
        begun: Whether the peer has said anything since.
        came_at: When it last did.
        ahead: Bytes in front of it, plain ones, when its time was last over.
    """

    __slots__ = ("ahead", "begun", "callback", "came_at", "due", "filter", "timer")

    def __init__(self, filter_: TlsFilter, callback: Callback | None, timer: Timer, due: float) -> None:
        self.filter = filter_
        self.callback = callback
        self.timer = timer
        self.due = due
        self.begun = False
        self.came_at = 0.0
        self.ahead: float = math.inf

    def give(self, seconds: float, host: Host, function: Callable[[], object]) -> None:
        """Gives it more time, with what is called at the end of that."""
        self.due = host.now() + seconds
        self.timer = host.schedule(seconds, function)
