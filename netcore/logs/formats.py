"""Records as lines: for people, and for programs.

What is logged may come from a peer, and be wrong besides. So a formatter here never raises, whatever the
arguments, and no text can pass for a line of its own: in JSON a newline is escaped, as is all that a terminal
would obey, and in text every line but the first is indented.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from typing import Final

__all__ = ["JsonFormatter", "TextFormatter"]

_INDENT: Final = "    "

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The attributes of a record that are no fields of its caller's; ``taskName`` from Python 3.12 on."""


class TextFormatter(logging.Formatter):
    """``2026-11-27 12:00:00,000 INFO netcore: message``, the time being the local one.

    Under a supervisor it is ``netcore[NUMBER/PID]``. What has several lines, such as a traceback, goes on in
    lines that are indented.

    Args:
        process: The number of this process under a supervisor; None without one.
    """

    def __init__(self, process: int | None = None) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter.format``."""
        where = record.name if self._process is None else f"{record.name}[{self._process}/{record.process}]"
        parts = [
            f"{self.formatTime(record)} {record.levelname} {where}: {_message(record)}",
            _exception(self, record),
            _stack(self, record),
        ]
        lines = [line for part in parts if part for line in part.splitlines()]
        return f"\n{_INDENT}".join(lines)


class JsonFormatter(logging.Formatter):
    """One object for each line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, ``pid``.

    Where they are known there are ``process``, ``exception`` and ``stack`` as well. The fields that a caller
    gives as ``extra`` follow under their names; one that is in use has a ``_`` behind it. What JSON cannot
    say becomes its ``repr``. Everything beyond ASCII is escaped.

    Args:
        process: The number of this process under a supervisor; None without one.
    """

    def __init__(self, process: int | None = None) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter.format``."""
        fields: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        if self._process is not None:
            fields["process"] = self._process
        fields["pid"] = record.process
        if exception := _exception(self, record):
            fields["exception"] = exception
        if stack := _stack(self, record):
            fields["stack"] = stack
        for name, value in vars(record).items():
            if name not in _OWN:
                fields[f"{name}_" if name in fields else name] = value
        try:
            return json.dumps(fields, default=_shown, allow_nan=False)
        except Exception:  # not a number, a key that is none, a circle, a value that fails
            return json.dumps({_shown(name): _plain(value) for name, value in fields.items()})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{_shown(record.msg)} % {_shown(record.args)}"


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Returns the traceback of a record, which keeps it, as with ``logging.Formatter``."""

    def make() -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = formatter.formatException(record.exc_info)
        return record.exc_text or ""

    return _guarded(make)


def _stack(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return _guarded(lambda: formatter.formatStack(record.stack_info) if record.stack_info else "")


def _guarded(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:
        return f"not shown, for {type(error).__name__}"


def _shown(value: object) -> str:
    """Returns the ``repr`` of anything, or its type where it has none."""
    try:
        return value if type(value) is str else repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _plain(value: object) -> object:
    """Returns what JSON can say of a value on its own."""
    if isinstance(value, float) and not math.isfinite(value):
        return _shown(value)
    try:
        json.dumps(value, allow_nan=False)
    except Exception:
        return _shown(value)
    return value


def _rfc3339(when: float) -> str:
    """Returns a time in UTC, to the millisecond."""
    try:
        whole = math.floor(when)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((when - whole) * 1000):03d}Z"
    except Exception:  # a clock that is far off
        return _shown(when)
