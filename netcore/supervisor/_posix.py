"""The standard library's modules with what only POSIX systems have of them, for whoever checks the types.

Elsewhere these names are not there, and ``Supervisor`` refuses to be made before anybody asks for them.
"""

from __future__ import annotations

import select as _select
import signal as _signal
import socket as _socket
from importlib import import_module
from typing import Any

__all__ = ["limits", "select", "signal", "sockets"]

signal: Any = _signal
sockets: Any = _socket
select: Any = _select


def limits() -> Any:
    """Returns the module ``resource``; ImportError where there is none."""
    return import_module("resource")
