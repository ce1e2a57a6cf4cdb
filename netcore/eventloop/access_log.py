"""One line for each connection that has ended: ``Options.access_log``.

The loop notes down what there is to say, and goes on; a thread makes lines of it and writes them. So a log
that takes its time, or a pipe that nobody empties, costs lines and holds nobody up: beyond a bound they are
dropped, and how many is said in the log when it goes on.
"""

from __future__ import annotations

import _thread
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from netcore._complaints import plain
from netcore.address import Address
from netcore.connection import Retired
from netcore.eventloop.log_room import await_room, unlock

__all__ = ["AccessLog", "access_logger"]

_MOST = 4096
"""Connections that wait to be written at most; those beyond are dropped."""

_PATIENCE = 0.5
"""Seconds that the end of an engine waits for the lines that are left."""

_LINE = "%s %s to %s: %s after %.3f s, %d bytes received, %d sent"

_SAID = ("network", "remote", "local", "reason", "seconds", "bytes_received", "bytes_sent")
"""What is said in a line, in this order; the other fields are in the record alone."""

_fallback = logging.Handler()


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is said of a connection.

    Attributes:
        when: The time of its end, as ``time.time`` gives it.
        fields: All else, by the names that the record has it under.
    """

    when: float
    fields: dict[str, Any]


def access_logger(logger: logging.Logger) -> logging.Logger:
    """Returns the logger ``access`` below that of an engine, be that a registered one or the engine's own."""
    if logging.Logger.manager.loggerDict.get(logger.name) is logger:
        return logger.getChild("access")
    made = logging.Logger("netcore.access")
    made.parent = logger
    return made


class AccessLog:
    """Notes connections that have ended, and has a thread of its own log them.

    Args:
        logger: Where to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._noted: deque[_Ended] = deque()
        self._losing = _thread.allocate_lock()
        self._lost = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._noted.clear()
        self._roused = self._started = self._ending = self._writing = False
        self._rouse, self._over = _thread.allocate_lock(), _thread.allocate_lock()
        self._rouse.acquire()  # each is let go of when it is so far
        self._over.acquire()

    def start(self) -> None:
        """Begins to write.

        Raises:
            RuntimeError: The system has no more threads.
        """
        threading.Thread(target=self._run, name="netcore-access-log", daemon=True).start()
        self._started = True

    def note(self, conn: Retired) -> None:
        """Notes a connection whose ``on_close`` has returned. A loop's thread; it does not block."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        if len(self._noted) >= _MOST:
            with self._losing:
                self._lost += 1
            return
        self._noted.append(_Ended(time.time(), _fields(conn)))
        self._wake()

    def _wake(self) -> None:
        if not self._roused:
            self._roused = True
            with suppress(RuntimeError):  # two have seen that it sleeps
                self._rouse.release()

    def finish(self) -> None:
        """Writes what is left and ends the thread; waits for that, half a second at most. Any thread."""
        self._ending = True
        with suppress(RuntimeError):
            self._rouse.release()
        if self._started and self._over.acquire(timeout=_PATIENCE):
            self._over.release()

    def end(self) -> None:
        """Has a handler that hangs not keep the process from ending."""
        if self._writing:
            unlock(self._logger)

    def abandon(self) -> None:
        """Forgets everything, in a forked child, where the thread does not exist."""
        self._losing = _thread.allocate_lock()
        self._begin_anew()

    def _run(self) -> None:
        while not self._ending:
            self._rouse.acquire()
            self._roused = False  # before it looks: who notes something looks at this after that
            self._write_all()
        self._over.release()

    def _write_all(self) -> None:
        while self._noted:
            ended = self._noted.popleft()
            fields = ended.fields
            said = tuple("-" if fields[name] == "" else fields[name] for name in _SAID)
            self._log(logging.INFO, _LINE, said, ended)
            if not self._noted:
                self._confess()

    def _confess(self) -> None:
        with self._losing:
            lost, self._lost = self._lost, 0
        if lost:
            self._log(logging.WARNING, "%d connections are missing here: the log could not keep up", (lost,))

    def _log(self, level: int, text: str, args: tuple[object, ...], ended: _Ended | None = None) -> None:
        logger = self._logger
        record = logger.makeRecord(logger.name, level, __file__, 0, text, args, None)
        if ended is not None:
            record.created = ended.when
            record.msecs = ended.when % 1 * 1000
            vars(record).update(ended.fields)
        self._writing = True
        try:
            await_room(logger, record)
            logger.handle(record)
        except BaseException:  # a handler of the application's; there is nobody else on this thread
            with suppress(Exception):
                _fallback.handleError(record)
        finally:
            self._writing = False


def _fields(conn: Retired) -> dict[str, Any]:
    """Returns what there is to say of a connection, but for the time."""
    reason, error = conn.close_reason, None if conn.ending is None else conn.ending.error
    fields: dict[str, Any] = {
        "connection": conn.id,
        "network": conn.network,
        "local": _text(conn.local_address),
        "remote": _text(conn.remote_address),
        "reason": "" if reason is None else reason.value,
        "error": None if error is None else plain(error),
        "bytes_received": conn.bytes_received,
        "bytes_sent": conn.bytes_sent,
        "seconds": round(conn.age, 6),
        "loop": conn.loop.index,
    }
    if conn.proxy is not None:
        fields["proxy"] = _text(conn.peer_address)
    return fields


def _text(address: Address) -> str:
    """Returns where somebody is, without the network; empty for a Unix socket without a name."""
    if not (address.host or address.path or address.port):
        return ""
    return plain(str(address).partition("://")[2])
