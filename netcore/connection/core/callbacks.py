"""Calling the application, so that nothing it raises goes any further."""

from __future__ import annotations

from collections.abc import Callable

from netcore.connection.core.host import Host
from netcore.handler import Action, Callback, Conn

__all__ = ["failed", "notify", "react", "run"]


def run(host: Host, conn: Conn, callback: Callable[..., object], *args: object) -> None:
    """Calls ``callback(conn, *args)``, a method of the handler, and does what it returns."""
    try:
        action = callback(conn, *args)
    except BaseException as error:
        action = failed(host, conn, error)
    inbox = host.inbox
    if inbox.views:
        inbox.release_views()
    if action is not None:
        react(host, conn, action)


def notify(host: Host, conn: Conn, callback: Callback, error: Exception | None) -> None:
    """Calls the callback of an asynchronous call; what it returns does not matter."""

    def call(_: Conn) -> None:
        callback(conn, error)

    run(host, conn, call)


def failed(host: Host, conn: Conn, error: BaseException) -> object:
    """Reports an exception of a callback to ``on_error``, and to the log if that raises as well.

    What is no ``Exception``, such as the SystemExit of ``sys.exit()``, stops the engine, in order: raised any
    further it would cost other connections their callbacks.
    """
    host.counters.errors += 1
    if isinstance(error, Exception):
        try:
            return host.handler.on_error(conn, error)
        except Exception:
            host.logger.exception("on_error of connection %d failed", conn.id)
            return Action.CLOSE
        except BaseException as worse:
            error = worse
    host.logger.critical("a callback of connection %d ends the engine", conn.id, exc_info=error)
    host.shutdown()
    return Action.CLOSE


def react(host: Host, conn: Conn, action: object) -> None:
    """Does what a callback has returned.

    Only an ``Action`` counts, not a number equal to one: ``return conn.write(b"x")`` must not close.
    """
    if action is Action.CLOSE:
        conn.close()
    elif action is Action.SHUTDOWN:
        host.shutdown()
    elif action is not None and action is not Action.NONE:
        host.logger.error("a callback of connection %d returned %r, which is no Action", conn.id, action)
