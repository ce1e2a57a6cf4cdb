"""The event loop policy, for Pythons and programs that still take one.

Python 3.14 has deprecated policies, and 3.16 takes them away; ``asyncio.Runner(loop_factory=...)`` is the way
there. So this is imported by who asks for it, and by nobody else.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

from netcore.aio.loop import EventLoop

__all__ = ["EventLoopPolicy"]

if TYPE_CHECKING:

    class DefaultPolicy(asyncio.AbstractEventLoopPolicy):
        """That of asyncio on this platform."""

        _loop_factory: type[asyncio.AbstractEventLoop]

        def get_event_loop(self) -> asyncio.AbstractEventLoop: ...
        def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None: ...
        def new_event_loop(self) -> asyncio.AbstractEventLoop: ...
        def get_child_watcher(self) -> Any: ...
        def set_child_watcher(self, watcher: Any) -> None: ...

else:
    with warnings.catch_warnings():  # told by asyncio when the policy is set
        warnings.simplefilter("ignore", DeprecationWarning)
        DefaultPolicy = asyncio.DefaultEventLoopPolicy


class EventLoopPolicy(DefaultPolicy):
    """Makes netcore's event loops: ``asyncio.set_event_loop_policy(netcore.aio.EventLoopPolicy())``.

    For the rest, children of old Pythons among it, it is the policy that asyncio has on this platform.
    """

    _loop_factory = EventLoop
