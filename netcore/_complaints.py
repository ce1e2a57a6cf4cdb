"""Complaints that may come a thousand times a second, and should be read once.

Whatever a stranger can cause goes through here on its way to the log, or strangers could fill it: one line
per interval and kind, which tells how many it stands for.
"""

from __future__ import annotations

import itertools
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Hashable
from contextlib import suppress
from types import TracebackType

__all__ = ["Complaints", "complain", "complaints_of", "place_of", "plain"]

_INTERVAL = 10.0
"""Seconds between two lines of the log about the same trouble."""

_MOST_KINDS = 64
"""Kinds of trouble that are told apart; what is new beyond that counts as one more."""

_LONGEST = 400
"""Characters of an error's text that are shown."""

_LONGEST_TRACEBACK = 16384
"""Characters of a traceback that are shown."""

_LONGEST_CHAIN = 20
"""Exceptions that led to one another of which the texts are made harmless; what is beyond is seldom shown."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What would begin a line of its own, or tell a terminal something."""

_OTHERS = object()
"""The kind of what has no kind of its own any more."""


class _Kind:
    """One kind of trouble.

    Attributes:
        number: Gives this complaint's number, from 1 on.
        said: The number of the last one that was said.
        next_time: When there may be a line again.
        right: The right to decide about that, for one at a time: signals and finalizers may come in between.
    """

    __slots__ = ("next_time", "number", "right", "said")

    def __init__(self) -> None:
        self.number = itertools.count(1).__next__
        self.said = 0
        self.next_time = float("-inf")
        self.right: list[None] = [None]


class Complaints:
    """Tells whether it is time to complain again. Any thread, signal handlers and finalizers too.

    Args:
        clock: Seconds that never go back.
    """

    __slots__ = ("_clock", "_kinds")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kinds: dict[Hashable, _Kind] = {}

    def due(self, key: Hashable = None) -> int:
        """Returns how many complaints this one stands for, itself included; 0 if it is to be kept back.

        Args:
            key: The kind of trouble; the first of each is always due.
        """
        kinds = self._kinds
        kind = kinds.get(key)
        if kind is None:
            kind = kinds.setdefault(key if len(kinds) < _MOST_KINDS else _OTHERS, _Kind())
        number = kind.number()
        now = self._clock()
        if now < kind.next_time:
            return 0
        try:
            kind.right.pop()
        except IndexError:
            return 0
        try:
            if now < kind.next_time:
                return 0
            kind.next_time = now + _INTERVAL
            times, kind.said = number - kind.said, number
        finally:
            kind.right.append(None)
        return max(times, 1)


def complaints_of(logger: logging.Logger) -> Complaints:
    """Returns the complaints that go to a logger; it keeps them itself. Any thread."""
    found: Complaints | None = vars(logger).get("complaints")
    if found is None:
        found = vars(logger).setdefault("complaints", Complaints(time.monotonic))
    return found


def complain(
    logger: logging.Logger,
    level: int,
    key: Hashable,
    message: str,
    *args: object,
    error: BaseException | None = None,
) -> None:
    """Logs a line unless one of the same kind was logged a moment ago. Any thread.

    Args:
        logger: Where to.
        level: Of the line.
        key: The kind of trouble, made of what a stranger cannot choose.
        message: The text, with places for ``args`` as in ``logging``.
        args: What goes there; nothing that a stranger has sent, unless ``plain`` has made it harmless.
        error: An exception whose traceback is to be shown.
    """
    times = complaints_of(logger).due(key)
    if not times or not logger.isEnabledFor(level):
        return
    if times > 1:
        message, args = f"{message} (%d times since the last such line)", (*args, times)
    code, line = sys._getframe(1).f_code, sys._getframe(1).f_lineno
    raised = None if error is None else (type(error), error, error.__traceback__)
    record = logger.makeRecord(
        logger.name,
        level,
        code.co_filename,
        line,
        message,
        args,
        raised,
        code.co_name,
    )
    if error is not None:
        record.exc_text = _traceback_of(error)  # which formatters take as it is
    logger.handle(record)


def plain(text: object) -> str:
    """Returns an error, or a text that a stranger may have a part in, as one line of a bounded length."""
    try:
        line = str(text)
    except Exception:
        line = f"<{type(text).__name__} without a text>"
    escaped = _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), line[:_LONGEST])
    return escaped if len(line) <= _LONGEST else f"{escaped}... ({len(line)} characters)"


def place_of(error: BaseException) -> tuple[str, str, int]:
    """Returns what tells errors apart: the type, and the file and line where it was raised."""
    file, line = "", 0
    found: TracebackType | None = error.__traceback__
    while found is not None:
        file, line = found.tb_frame.f_code.co_filename, found.tb_lineno
        found = found.tb_next
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}", file, line


def _traceback_of(error: BaseException) -> str:
    """Formats a traceback in which messages stay lines: they may quote what a stranger has sent."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip("\n")
    chain: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if chain is None:
            break
        with suppress(Exception):
            message = str(chain)
            if message:
                text = text.replace(message, plain(message))
        chain = chain.__cause__ or chain.__context__
    if len(text) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n... ({len(text) - 2 * half} characters left out)\n{text[-half:]}"
    return text
