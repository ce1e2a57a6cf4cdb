"""An asyncio event loop on netcore's pollers and batches."""

from typing import TYPE_CHECKING, Any

from netcore.aio.guest import LoopPoller
from netcore.aio.handler import AsyncHandler
from netcore.aio.hosted import loop_of
from netcore.aio.loop import EventLoop, new_event_loop
from netcore.aio.running import run
from netcore.aio.stream import Stream

if TYPE_CHECKING:
    from netcore.aio.policy import EventLoopPolicy
else:

    def __getattr__(name: str) -> Any:
        if name == "EventLoopPolicy":  # where asyncio has policies no more it is missing, and nothing else is
            from netcore.aio import policy

            return policy.EventLoopPolicy
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AsyncHandler",
    "EventLoop",
    "EventLoopPolicy",
    "LoopPoller",
    "Stream",
    "loop_of",
    "new_event_loop",
    "run",
]
