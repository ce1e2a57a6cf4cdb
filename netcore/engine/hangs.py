"""Naming what keeps an engine from ending."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from netcore.eventloop import Loop, whereabouts

__all__ = ["Hang", "hangs", "log_with_stack", "report"]

Hang = tuple[str, str]
"""What hangs, in a sentence without an end, and the stack of its thread."""


def hangs(loops: Sequence[Loop], others: Sequence[tuple[str, int | None]]) -> Iterator[Hang]:
    """Tells where the threads are that have not come to their end.

    Args:
        loops: The engine's.
        others: The names of other steps, such as "on_boot", and the threads that are in the midst of them.
    """
    threads = [(f"loop {loop.index}", loop.thread_id) for loop in loops]
    for what, thread_id in (*threads, *others):
        found = whereabouts(thread_id)
        if found is not None:
            how = "is stuck in" if found.in_callback else "is in"
            yield f"{what} {how} {found.callback}", found.stack


def report(logger: logging.Logger, why: str, found: Sequence[Hang]) -> None:
    """Logs what hangs, each with its stack, as critical."""
    for what, stack in found:
        log_with_stack(logger, logging.CRITICAL, "%s: %s", (why, what), stack)


def log_with_stack(
    logger: logging.Logger, level: int, text: str, arguments: tuple[object, ...], stack: str | None
) -> None:
    """Logs something with a stack that is not the caller's; None for no stack."""
    if logger.isEnabledFor(level):
        logger.handle(
            logger.makeRecord(logger.name, level, __file__, 0, text, arguments, None, None, None, stack)
        )
