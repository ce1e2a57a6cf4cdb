"""What a worker pool raises."""

from __future__ import annotations

from netcore.errors import NetcoreError

__all__ = ["WorkerPoolFullError"]


class WorkerPoolFullError(NetcoreError, RuntimeError):
    """The pool has as much work waiting as it may: shed load, or try again later."""
