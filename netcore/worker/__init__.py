"""Blocking work off the event loops: a bounded thread pool that keeps each connection's order."""

from netcore.worker.errors import WorkerPoolFullError
from netcore.worker.pool import WorkerPool

__all__ = ["WorkerPool", "WorkerPoolFullError"]
