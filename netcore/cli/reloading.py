"""SIGHUP: certificates, keys and authorities are loaded again while the server runs."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from netcore.cli.usage import UsageError
from netcore.engine.signal_handlers import handling
from netcore.errors import EngineNotRunningError
from netcore.handler import EngineView

if TYPE_CHECKING:
    import ssl

__all__ = ["Reloading"]

_logger = logging.getLogger("netcore")


class Reloading:
    """Makes a new context for an engine at each SIGHUP; where there is no such signal, never.

    All files together make a context or none: if one is of no use, the one before stays. They are read on a
    thread of its own. No loop waits for a disk so, and the main thread, which is where signals come, goes on
    taking SIGTERM.

    Args:
        load: Makes a context of the files as they are; UsageError if they are of no use.
    """

    def __init__(self, load: Callable[[], ssl.SSLContext]) -> None:
        self._load = load
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """Each True is a SIGHUP; False is the end. The handler of a signal may put something in (its ``put``
        is reentrant)."""

    @contextmanager
    def at_hangup(self) -> Iterator[None]:
        """Takes the signal during the block, also where it was ignored: under nohup(1) it ends nobody either.

        What comes before ``begin`` is kept for it.
        """
        numbers = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
        with handling(numbers, self._handle, even_ignored=True):
            try:
                yield
            finally:
                self._wanted.put(False)

    def begin(self, engine: EngineView) -> None:
        """Begins to serve an engine, which runs."""
        threading.Thread(target=self._serve, args=(engine,), name="netcore-reload", daemon=True).start()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._wanted.put(True)

    def _serve(self, engine: EngineView) -> None:
        while self._wanted.get():
            try:
                engine.replace_tls(self._load())
            except UsageError as error:
                _logger.error("the certificate is not loaded again, and all stays as it was: %s", error)
            except EngineNotRunningError:  # it has begun to stop meanwhile
                return
            except Exception:
                _logger.exception("the certificate is not loaded again, and all stays as it was")
            else:
                _logger.info("the certificate is loaded again")
