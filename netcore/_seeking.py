"""That a handler is being looked for in a module, so that what would serve meanwhile can refuse to.

A program that ends in a bare ``netcore.run(...)`` can be started, but not imported: ``netcore run`` would
serve what the program says instead of what the command line does, and each process of a supervisor would
begin a server, or a supervisor, of its own.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["refuse_while_seeking", "seeking"]

_how: ContextVar[str] = ContextVar("netcore-seeking", default="")
"""Of this thread: what the module does on others is its own affair."""


class seeking:
    """Has ``refuse_while_seeking`` raise within the block, on this thread.

    No generator: what the module raises would pass through it, and show that in its traceback.

    Args:
        how: What is done to find the handler, and what to do about it; goes on after "while".
    """

    def __init__(self, how: str) -> None:
        self._how = how

    def __enter__(self) -> None:
        """Begins."""
        self._token = _how.set(self._how)

    def __exit__(self, *_: object) -> None:
        """Ends it, whatever the block has raised."""
        _how.reset(self._token)


def refuse_while_seeking(what: str) -> None:
    """Raises RuntimeError if a handler is being looked for.

    Args:
        what: Was called.
    """
    if how := _how.get():
        raise RuntimeError(f"{what} was called while {how}")
