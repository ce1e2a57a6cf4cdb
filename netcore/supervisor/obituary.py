"""How it is said that a process has ended."""

from __future__ import annotations

import logging
import signal

from netcore.supervisor.member import Member
from netcore.supervisor.states import State

__all__ = ["status_in_words", "tell_of"]


def status_in_words(status: int) -> str:
    """Says how a process has ended: with an exit status, or, below zero, by a signal."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def tell_of(logger: logging.Logger, member: Member, before: State, status: int, last_words: str) -> None:
    """Logs it: as an error if nobody has asked for it, or if the process leaves the stacks of its threads."""
    if before.ends and before is not State.KILLED and status == 0:
        logger.info("%s has ended", member)
        return
    level = logging.INFO if before.ends and not last_words else logging.ERROR
    when = " while booting" if before is State.BOOTING else ""
    words = f": {last_words}" if last_words else ""
    logger.log(level, "%s %s%s%s", member, status_in_words(status), when, words)
