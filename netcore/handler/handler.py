"""What an application writes: the callbacks of its connections."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Generic

from netcore._complaints import complain, place_of
from netcore.handler.interfaces import Conn, ContextT
from netcore.handler.vocabulary import Action, Timeout

__all__ = ["CALLBACKS", "USUAL_ENDS", "EventHandler"]

_CLOSE = Action.CLOSE  # a lookup in an enumeration takes longer than the whole call


class EventHandler(Generic[ContextT]):
    """Callbacks of an engine and its connections; override those of interest.

    Callbacks of one connection run on the thread of its loop, one at a time, and must not block. An
    exception in one goes to ``on_error`` and never ends the loop. One handler serves all loops, so
    what its connections share needs the care that threads need.

    An ``engine`` is an ``EngineView``, and of any type here, so that an override may call it ``Engine``, too.

    ``class Chat(EventHandler[Member])`` tells type checkers what ``conn.context`` is; without, it is ``Any``.

    Attributes:
        asyncio: Whether it needs ``Options.asyncio``, which this switches on.
    """

    asyncio: ClassVar[bool] = False

    def on_boot(self, engine: Any) -> Action | None:
        """The engine is bound and about to accept. On the thread that starts it."""

    def on_shutdown(self, engine: Any) -> None:
        """Every connection and loop has closed. On the thread of the last loop."""

    def on_open(self, conn: Conn[ContextT]) -> Action | None:
        """A connection has been accepted."""

    def on_traffic(self, conn: Conn[ContextT]) -> Action | None:
        """Bytes have come, or ``wake`` was called; what is not read stays for the next time."""

    def on_eof(self, conn: Conn[ContextT]) -> Action | None:
        """The peer sent FIN: it will send no more, but may still read. Closes unless overridden."""
        return _CLOSE

    def on_writable(self, conn: Conn[ContextT]) -> Action | None:
        """Unsent output fell to the low-water mark after it had reached the high one.

        It also follows, in the next turn, on a turn in which so much was written; see ``Conn.writable``.
        """

    def on_timeout(self, conn: Conn[ContextT], timeout: Timeout) -> Action | None:
        """A deadline was met; it runs again, unless set otherwise. Closes unless overridden."""
        return Action.CLOSE

    def on_error(self, conn: Conn[ContextT], error: Exception) -> Action | None:
        """A callback raised an exception. Logs it with its traceback and closes, unless overridden.

        What a stranger can cause they can cause a thousand times a second: of what fails in one place there
        is one line every ten seconds, which says how often.
        """
        message = "a callback of connection %d failed"
        complain(conn.loop.logger, logging.ERROR, place_of(error), message, conn.id, error=error)
        return Action.CLOSE

    def on_close(self, conn: Conn[ContextT], error: Exception | None) -> Action | None:
        """The connection is gone; called once for each ``on_open``.

        Args:
            conn: Its addresses, ``context``, ``close_reason`` and unread bytes are still there.
            error: What went wrong, such as ``ConnectionResetError`` or what another callback has raised; None
                for an orderly end.
        """

    def on_tick(self, engine: Any) -> float | None:
        """With ``Options.ticker``: called right after boot, and again after so many seconds as it returns.

        An exception, or a result that is no number of seconds, is logged, and the ticks go on with the delay
        that was returned last, or after a second.

        Returns:
            Seconds to the next call; None to end.
        """


CALLBACKS = tuple(name for name in vars(EventHandler) if name.startswith("on_"))
"""The names of all callbacks."""

USUAL_ENDS = EventHandler.on_open, EventHandler.on_eof, EventHandler.on_close
"""What a connection may come and go without; taken here, since the class may be given others later."""
