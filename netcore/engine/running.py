"""Serving from the main thread until a signal or the application ends it."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from netcore._machine import current
from netcore._seeking import refuse_while_seeking
from netcore.address import Address
from netcore.engine.announcing import Announcements
from netcore.engine.engine import Engine
from netcore.engine.given import GivenListener, warn_of_unserved
from netcore.engine.greeting import check_wish
from netcore.engine.signals import Signals
from netcore.handler import EventHandler
from netcore.options import Options
from netcore.service import Notifier

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from netcore.overrides import OptionOverrides

__all__ = ["run", "serve"]


def run(
    handler: EventHandler,
    *addresses: str | Address | GivenListener,
    options: Options | None = None,
    **overrides: Unpack[OptionOverrides],
) -> None:
    """Binds, serves, and blocks until the engine has ended. Any thread.

    It ends through ``Action.SHUTDOWN``, ``engine.stop()``, SIGINT or SIGTERM, on Windows also Ctrl+Break.
    The first such signal stops gracefully, the second resets what is left. If a callback hangs by then, the
    second ends the process, by that signal, and standard error and the log say which callback of which loop
    it is; so does ``Options.shutdown_timeout`` with this call alone. The former handlers are back when this
    returns. A signal that the process ignores stays ignored, as nohup(1) wants it. On another thread than the
    main one signals are left alone, since only the main one may handle them.

    A service manager (NOTIFY_SOCKET) is told: that it is ready, once ``on_boot`` has returned and it accepts;
    that it lives (WATCHDOG_USEC), as long as no loop hangs; that it stops. The variables stay as they are, so
    that a program can read them, too: ``netcore.service.scrub`` is for processes that it starts.

    Where it listens is logged, at the level INFO. Where no logging is set up it is written to standard error
    instead, if that is a terminal; the environment variable NETCORE_ANNOUNCE has that done always (1), or
    never (0).

    On a thread on which an asyncio loop is running it blocks that loop, and warns: see ``Engine.start``.

    Args:
        handler: The application.
        addresses: Where to listen, such as ``"tcp://127.0.0.1:9000"``; see ``Engine``.
        options: How; the defaults if None.
        overrides: Fields of ``Options`` that replace those of ``options``.

    Raises:
        OptionsError: An option is unknown, has a bad value, or contradicts another one; or NETCORE_ANNOUNCE
            is neither 0 nor 1.
        InvalidAddressError: An address is none.
        UnsupportedProtocolError: An address has a scheme that cannot be served.
        PollerUnavailableError: There is no such poller, or this machine cannot run it.
        OSError: An address cannot be bound, or a given socket does not listen.
        RuntimeError: The system has no thread left for a loop; or ``netcore run``, or a process of a
            supervisor, imports the module that calls this, for the handler in it.
        BaseException: What ``on_boot`` has raised, or another callback if that is no ``Exception``: then the
            engine has ended in order, and ``sys.exit(3)`` in a callback makes 3 the status of the process.
    """
    refuse_while_seeking("netcore.run")
    current().serve_until_signalled("netcore.run")
    _warn_inside_asyncio()
    check_wish()
    engine = Engine(handler, *addresses, options=options, **overrides)
    serve(engine, started=engine.greet)


def serve(engine: Engine, started: Callable[[], object] | None = None) -> None:
    """Does with an engine what ``run`` does with the one that it makes.

    Args:
        engine: Not started yet.
        started: Called once it accepts.

    Raises:
        BaseException: See ``run``.
    """
    signals = Signals(engine)
    with signals.handled(), Notifier.from_environment() as notifier:
        announcements = Announcements(engine, notifier)
        engine.start()
        signals.serving = True
        try:
            announcements.serves()
            warn_of_unserved(engine.options.logger or logging.getLogger("netcore"))
            if started is not None:
                started()
            _wait(engine, announcements)
        finally:
            if not engine.overdue():
                engine.stop()
    if engine.ended_by is not None:
        raise engine.ended_by


def _wait(engine: Engine, announcements: Announcements) -> None:
    """Waits for the end, or for it to be certain that it does not come."""
    while not engine.wait_leaving(announcements.lives()):
        pass
    announcements.ends()
    while not engine.join(announcements.lives()):
        if engine.overdue():
            engine.report_hangs("the engine has not ended in its time, and is left alone")
            return


def _warn_inside_asyncio() -> None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        warnings.warn(
            "run() blocks the asyncio loop that runs on this thread until the server ends: "
            "use Engine.start(), or run() on another thread",
            RuntimeWarning,
            stacklevel=3,
        )
