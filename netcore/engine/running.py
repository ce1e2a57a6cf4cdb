"""Serving from the main thread until a signal or the application ends it."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from netcore.address import Address
from netcore.engine.engine import Engine
from netcore.engine.given import GivenListener
from netcore.handler import EventHandler
from netcore.options import Options

__all__ = ["run"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""Ctrl+C, a request to end, and on Windows Ctrl+Break."""

_NAP = 1.0
"""Seconds between two looks for signals that do not interrupt the wait: all of them on Windows, elsewhere one
that comes in the instant before it."""


def run(
    handler: EventHandler,
    *addresses: str | Address | GivenListener,
    options: Options | None = None,
    **overrides: object,
) -> None:
    """Binds, serves, and blocks until the engine has ended. Any thread.

    It ends through ``Action.SHUTDOWN``, ``engine.stop()``, SIGINT or SIGTERM, on Windows also Ctrl+Break.
    The first such signal stops gracefully, the second resets what is left; the former handlers are back
    when this returns. On another thread than the main one signals are left alone, since only the main one
    may handle them.

    Args:
        handler: The application.
        addresses: Where to listen, such as ``"tcp://127.0.0.1:9000"``; see ``Engine``.
        options: How; the defaults if None.
        overrides: Fields of ``Options`` that replace those of ``options``.

    Raises:
        OptionsError: An option is unknown, has a bad value, or contradicts another one.
        InvalidAddressError: An address is none.
        UnsupportedProtocolError: An address has a scheme that cannot be served.
        PollerUnavailableError: There is no such poller, or this machine cannot run it.
        OSError: An address cannot be bound, or a given socket does not listen.
    """
    engine = Engine(handler, *addresses, options=options, **overrides)
    # A simple queue is the one thing that a signal handler may safely put something into (queue module).
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with _signals_to(news.put):
        engine.start()
        threading.Thread(target=_report_end, args=(engine, news.put), name="netcore-end", daemon=True).start()
        try:
            _wait(engine, news)
        finally:
            engine.stop()


def _wait(engine: Engine, news: queue.SimpleQueue[bool]) -> None:
    signals = 0
    while True:
        try:
            by_signal = news.get(timeout=_NAP)
        except queue.Empty:
            continue
        if not by_signal:
            return
        signals += 1
        if signals == 1:
            engine.request_stop()
        else:
            engine.stop_now()


def _report_end(engine: Engine, put: Callable[[bool], None]) -> None:
    engine.join()
    put(False)


@contextmanager
def _signals_to(put: Callable[[bool], None]) -> Iterator[None]:
    """Reports SIGINT and SIGTERM as True, where this thread may handle signals."""

    def report(number: int, frame: FrameType | None) -> None:
        put(True)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, report) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
