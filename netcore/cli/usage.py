"""The one way in which a command says that its arguments are wrong."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """An argument is wrong; the text is one line for the user."""
