"""An asyncio event loop on netcore's pollers and batches."""

from netcore.aio.guest import LoopPoller
from netcore.aio.handler import AsyncHandler
from netcore.aio.hosted import loop_of
from netcore.aio.loop import EventLoop, new_event_loop
from netcore.aio.running import run
from netcore.aio.stream import Stream

__all__ = ["AsyncHandler", "EventLoop", "LoopPoller", "Stream", "loop_of", "new_event_loop", "run"]
