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
from netcore.engine.announcing import where
from netcore.engine.signal_handlers import handling
from netcore.errors import EngineNotRunningError
from netcore.handler import EngineView
from netcore.service import Notifier

if TYPE_CHECKING:
    import ssl

__all__ = ["Reloading"]

_logger = logging.getLogger("netcore")

_DONE, _IN_VAIN = "the certificate is loaded again", "the certificate is not loaded again"


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
        with Notifier.from_environment() as notifier:
            while self._wanted.get():
                notifier.reloading("loading the certificate again")
                try:
                    result = self._replace(engine)
                except EngineNotRunningError:  # it has begun to stop meanwhile
                    return
                notifier.ready(f"{result}; {where(engine.addresses)}")

    def _replace(self, engine: EngineView) -> str:
        """Loads the files once, and returns what has come of it."""
        try:
            engine.replace_tls(self._load())
        except EngineNotRunningError:
            raise
        except UsageError as error:
            _logger.error("%s, and all stays as it was: %s", _IN_VAIN, error)
            return _IN_VAIN
        except Exception:
            _logger.exception("%s, and all stays as it was", _IN_VAIN)
            return _IN_VAIN
        _logger.info(_DONE)
        return _DONE
