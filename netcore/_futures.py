"""What a future needs beyond the standard library's."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

__all__ = ["disown"]


def disown(future: Future[Any], error: BaseException) -> None:
    """Fails a future in a forked child, where what was to settle it does not exist.

    Neither may the thread that held its lock, so it is made anew. Its callbacks run in the parent, and only
    there.
    """
    Future.__init__(future)
    future.set_exception(error)
