"""An asyncio event loop on netcore's pollers and batches."""

from netcore.aio.loop import EventLoop, new_event_loop
from netcore.aio.running import run

__all__ = ["EventLoop", "new_event_loop", "run"]
