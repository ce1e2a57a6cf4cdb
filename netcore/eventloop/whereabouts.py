"""What a thread is doing at the moment, for who wonders why it does not go on.

It is looked up when it is asked for and costs nothing before: nobody keeps account of which callback runs.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

__all__ = ["Whereabouts", "whereabouts"]

_PACKAGE = str(Path(__file__).resolve().parents[1])

_TOOLS = tuple(str(Path(_PACKAGE, name)) for name in ("testing", "cli"))
"""What belongs to netcore and stands on the application's side all the same."""

_LIBRARY = str(Path(traceback.__file__).resolve().parent)

_MACHINERY = str(Path(_LIBRARY, "asyncio", ""))
"""What calls coroutines and callbacks where a loop hosts asyncio: no application, and none of ours."""

_DEEPEST = 40
"""Frames that are shown, the innermost: a stack may have a thousand."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a thread is.

    Attributes:
        callback: The function of the application that netcore has called, with its file and line, such as
            ``"Server.on_traffic (server.py:12)"``; netcore's own innermost one if it is in none.
        in_callback: Whether it is in a function of the application's, or in one that it has called.
        stack: The innermost frames as in a traceback, the most recent call last.
    """

    callback: str
    in_callback: bool
    stack: str


def whereabouts(thread_id: int | None) -> Whereabouts | None:
    """Looks where a thread is; ``sys._current_frames``. Any thread.

    Args:
        thread_id: As ``threading.get_ident`` gives it.

    Returns:
        None if there is no such thread, or it is on its way out.
    """
    frame = None if thread_id is None else sys._current_frames().get(thread_id)
    if frame is None:
        return None
    # What has called it is found at once. A stack takes time, for lines are read from files; if the thread
    # goes on meanwhile, its frames no longer know who has called them.
    called = _called_by_us(frame)
    where = _describe(called or frame)
    stack = "".join(traceback.format_list(traceback.extract_stack(frame, limit=_DEEPEST)))
    return Whereabouts(where, called is not None, stack)


def _called_by_us(frame: FrameType) -> FrameType | None:
    """Finds the outermost frame above one of ours, rather the application's than the standard library's."""
    found: FrameType | None = None
    library: FrameType | None = None
    application: FrameType | None = None
    each: FrameType | None = frame
    while each is not None:
        path = each.f_code.co_filename
        if path.startswith(_PACKAGE) and not path.startswith(_TOOLS):
            found = application or library or found
            library = application = None
        elif path.startswith(_MACHINERY):
            pass
        elif path.startswith(_LIBRARY) and "site-packages" not in path:
            library = each
        else:
            application = each
        each = each.f_back
    return found


def _describe(frame: FrameType) -> str:
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)  # qualified from Python 3.11 on
    return f"{name} ({Path(code.co_filename).name}:{frame.f_lineno})"
