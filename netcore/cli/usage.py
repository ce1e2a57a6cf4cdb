"""The one way in which a command says that its arguments are wrong."""

from __future__ import annotations

__all__ = ["UsageError", "message_of"]


class UsageError(Exception):
    """An argument is wrong; the text is one line for the user."""


def message_of(error: Exception) -> str:
    """Returns an error's text; an ``OSError``'s without its number."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
