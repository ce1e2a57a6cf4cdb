"""Calling the application, so that nothing it raises goes any further."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable
from typing import Protocol

from netcore._complaints import complain, place_of
from netcore.connection.core.host import Host
from netcore.handler import CALLBACKS, Action, Callback, Conn

__all__ = ["Served", "failed", "notify", "react", "run"]


class Served(Conn, Protocol):
    """A connection as those see it who call the application for it."""

    @abc.abstractmethod
    def fail(self, error: Exception) -> None:
        """Closes as ``close`` does, because of an error; nothing happens if it is closing already."""


def run(host: Host, conn: Served, callback: Callable[..., object], *args: object) -> None:
    """Calls ``callback(conn, *args)``, a method of the handler, and does what it returns."""
    action: object = None
    meter = host.counters.meter
    if meter is not None:
        meter.look()
    try:
        action = callback(conn, *args)
    except BaseException as error:
        failed(host, conn, error)
    else:
        if meter is not None:
            meter.called()
    inbox = host.inbox
    if inbox.views:
        inbox.release_views()
    if action is not None:
        react(host, conn, callback, action)


def notify(host: Host, conn: Served, callback: Callback, error: Exception | None) -> None:
    """Calls the callback of an asynchronous call; what it returns does not matter."""

    def call(_: Conn) -> None:
        callback(conn, error)

    run(host, conn, call)


def failed(host: Host, conn: Served, error: BaseException) -> None:
    """Tells ``on_error`` of an exception of a callback, and does what it returns.

    If that closes the connection, ``on_close`` is told of the exception, too. One of ``on_error`` itself goes
    to the log. What is no ``Exception``, such as the SystemExit of ``sys.exit()``, stops the engine, in
    order: raised any further it would cost other connections their callbacks.
    """
    host.counters.errors += 1
    meter = host.counters.meter
    if meter is not None:
        meter.called()
    if isinstance(error, Exception):
        on_error = host.handler.on_error
        try:
            try:
                action = on_error(conn, error)
            finally:
                if meter is not None:
                    meter.called()
        except Exception as worse:
            key = "on_error", place_of(worse)
            complain(
                host.logger, logging.ERROR, key, "on_error of connection %d failed", conn.id, error=worse
            )
            conn.fail(error)
        except BaseException as worse:
            _end_engine(host, conn, worse)
        else:
            if action is Action.CLOSE:
                conn.fail(error)
            elif action is not None:
                react(host, conn, on_error, action)
    else:
        _end_engine(host, conn, error)


def _end_engine(host: Host, conn: Conn, error: BaseException) -> None:
    host.logger.critical("a callback of connection %d ends the engine", conn.id, exc_info=error)
    host.shutdown(error)
    conn.close()


def react(host: Host, conn: Conn, callback: Callable[..., object], action: object) -> None:
    """Does what a callback has returned.

    Only an ``Action`` counts, not a number equal to one: ``return conn.write(b"x")`` must not close.
    """
    if action is Action.CLOSE:
        conn.close()
    elif action is Action.SHUTDOWN:
        host.shutdown()
    elif action is not None and action is not Action.NONE:
        host.odd_results.report(host.handler, _name_of(host.handler, callback), conn, action)


def _name_of(handler: object, callback: Callable[..., object]) -> str:
    """Finds out under which name the handler has a callback, which may be any function put there."""
    for name in CALLBACKS:
        if getattr(handler, name, None) == callback:
            return name
    return getattr(callback, "__name__", "a callback")
