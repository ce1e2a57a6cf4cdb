"""What ends a supervisor that nobody has asked to."""

from __future__ import annotations

from netcore.errors import NetcoreError

__all__ = ["BootError"]


class BootError(NetcoreError, RuntimeError):
    """No process has ever booted."""
