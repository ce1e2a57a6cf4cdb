"""The compiled part: batched system calls behind one C header (``src/netcore.h``).

Only the native pollers, sockets and codecs call into it; the mapping of errors serves everywhere.
Where netcore was built without a compiler it still imports; ``MISSING`` then says why and ``native()``
raises.
"""

from __future__ import annotations

import importlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcore._native._netcore import FFI, Lib

__all__ = ["COLD", "MISSING", "address", "check", "error", "error_text", "native"]

MISSING: str = ""
"""Why there is no native part; empty where there is one."""

_loaded: tuple[FFI, Lib] | None = None
try:
    from netcore._native._netcore import ffi, lib
except ModuleNotFoundError:
    MISSING = "netcore was built without its native part"
except ImportError as failure:
    MISSING = f"netcore's native part does not load: {failure}"
else:
    _loaded = ffi, lib


def native() -> tuple[FFI, Lib]:
    """Returns cffi's ``ffi`` and ``lib`` of the compiled module.

    Raises:
        ImportError: netcore was built without it.
    """
    if _loaded is None:
        raise ImportError(MISSING)
    return _loaded


COLD: str = ""
"""Why there is no hot half (``hot/hot.h``), as where NETCORE_HOT is 0; empty where there is one."""

if os.environ.get("NETCORE_HOT") == "0":
    COLD = "NETCORE_HOT is 0"
else:
    try:
        importlib.import_module("netcore._native._hot")
    except ModuleNotFoundError:
        COLD = "netcore was built without its hot half"
    except ImportError as failure:
        COLD = f"netcore's hot half does not load: {failure}"


def address(thing: object) -> int:
    """Returns where C has a function of ``native()``, by its name, or the memory of a cffi object."""
    ffi, lib = native()
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, thing) if isinstance(thing, str) else thing))


_WINSOCK_TEXTS: dict[int, str] = getattr(socket, "errorTab", {})
"""What errors of Winsock mean, which the C library there does not know; empty elsewhere."""


def error_text(number: int) -> str:
    """Says what an errno value means; see strerror(3)."""
    return _WINSOCK_TEXTS.get(number) or os.strerror(number)


def error(code: int) -> OSError:
    """Makes the exception for a negative errno, the one error convention of the C functions."""
    return OSError(-code, error_text(-code))


def check(result: int) -> int:
    """Returns a C function's result, or raises the ``OSError`` that it stands for."""
    if result < 0:
        raise error(result)
    return result
