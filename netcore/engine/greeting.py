"""Telling people where a server listens: in the log, and on a terminal on which nobody would see the log."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress

from netcore._signals import hears_signals
from netcore.address import Address
from netcore.engine.announcing import where
from netcore.errors import OptionsError

__all__ = ["check_wish", "greet"]

VARIABLE = "NETCORE_ANNOUNCE"
"""The environment variable that has the line written (1) or left out (0), whatever there is."""


def check_wish() -> None:
    """Raises OptionsError if NETCORE_ANNOUNCE is anything but 0, 1, or nothing."""
    wish = os.environ.get(VARIABLE, "")
    if wish not in ("", "0", "1"):
        raise OptionsError(f"{VARIABLE} is {wish!r}: it must be 0 or 1")


def greet(addresses: tuple[Address, ...], logger: logging.Logger) -> None:
    """Says where a server listens, once it does.

    It is logged, at the level INFO. That goes nowhere if no logging is set up, which means a handler of the
    logger or above it. Then standard error gets a line, if it is a terminal.
    """
    if not addresses:
        return
    text = where(addresses)
    logger.info("%s", text)
    if logger.hasHandlers() or not _is_wanted():
        return
    hint = " (Ctrl-C stops)" if _heeds_interrupts() else ""
    with suppress(Exception):  # a terminal that has gone, or whatever stands for standard error
        print(f"netcore: {text}{hint}", file=sys.stderr, flush=True)


def _is_wanted() -> bool:
    if sys.stderr is None:  # as of a program without a console, on Windows
        return False
    if wish := os.environ.get(VARIABLE):
        return wish == "1"
    with suppress(Exception):  # it may be anything, and be closed
        return sys.stderr.isatty()
    return False


def _heeds_interrupts() -> bool:
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return not ignored and hears_signals()
