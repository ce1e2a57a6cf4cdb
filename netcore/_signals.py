"""Which thread Python hands signals to."""

from __future__ import annotations

import signal
import threading
from functools import cache

__all__ = ["hears_signals"]


def hears_signals() -> bool:
    """Whether signals are handled on the calling thread, and it alone may set what handles them.

    That is the main thread of the main interpreter (``signal.signal``). By the word of ``threading`` every
    other interpreter has a main thread, too.
    """
    return threading.current_thread() is threading.main_thread() and _is_in_main_interpreter()


@cache
def _is_in_main_interpreter() -> bool:
    """Tells it by which mistake is found first; for a main thread."""
    try:
        signal.signal(signal.SIGINT, object())  # type: ignore[arg-type]
    except TypeError:
        return True
    except ValueError:
        return False
    raise AssertionError("an object was taken for a signal handler")
