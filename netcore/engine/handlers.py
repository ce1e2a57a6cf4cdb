"""What is wrong with a handler, said before anything is bound rather than at every connection.

What cannot work is a TypeError. What may be meant, since a handler may be served by several engines and have
methods of its own, is a warning in the log.
"""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType

from netcore.codec.frame_handler import FrameHandler
from netcore.codec.protocol import check_codec
from netcore.handler import CALLBACKS, EventHandler

__all__ = ["check_handler", "warn_of_handler"]

_NEVER_RUN = (
    (inspect.iscoroutinefunction, "an async def function", "; netcore.aio.AsyncHandler serves by coroutines"),
    (inspect.isasyncgenfunction, "an async def function", "; netcore.aio.AsyncHandler serves by coroutines"),
    (inspect.isgeneratorfunction, "a generator function", ""),
)
"""Calling one of these runs nothing of what is written in it; what does."""


def check_handler(handler: object) -> None:
    """Checks that the callbacks are there and can be called; an ``EventHandler`` it need not be.

    Raises:
        TypeError: One is missing, is no method, takes other arguments, or would do nothing when it is called;
            or the handler is a class, or a ``FrameHandler`` without a codec.
    """
    if handler is None or isinstance(handler, type):
        hint = f": give an object, such as {handler.__name__}()" if handler is not None else ""
        raise TypeError(f"a handler must be an EventHandler object, not {handler!r}{hint}")
    missing = [name for name in CALLBACKS if not hasattr(handler, name)]
    if missing:
        raise TypeError(
            f"a handler must be an EventHandler object, or have all its callbacks: {handler!r} lacks "
            f"{', '.join(missing)}"
        )
    if isinstance(handler, FrameHandler):
        if not hasattr(handler, "codec"):
            cls = type(handler).__name__
            raise TypeError(f"a FrameHandler needs a codec: {cls}.__init__ must call super().__init__(codec)")
        check_codec(handler.codec)
    for name in _known(type(handler)):
        callback = getattr(handler, name)
        called = f"{type(handler).__name__}.{name}"
        if not callable(callback):
            raise TypeError(f"{called} is {callback!r}: a callback must be a method")
        for is_such, what, instead in _NEVER_RUN:
            if is_such(callback):
                raise TypeError(
                    f"{called} is {what}, which a call does not run: callbacks are plain methods{instead}"
                )
        _check_arguments(callback, called, _arguments_of(type(handler), name))


def warn_of_handler(handler: object, ticker: bool, logger: logging.Logger) -> None:
    """Warns of what will never be called.

    Args:
        handler: One that ``check_handler`` has let pass.
        ticker: Whether ``on_tick`` is called.
        logger: Where to.
    """
    cls = type(handler)
    if not ticker and isinstance(handler, EventHandler) and _overrides(handler, "on_tick"):
        logger.warning("%s has an on_tick, which is not called without the option ticker", cls.__name__)
    known = _known(cls)
    for name in _uncalled(cls, known):
        meant = difflib.get_close_matches(name, known, 1)
        hint = f": did you mean {meant[0]}?" if meant else ""
        logger.warning("%s has a method %s, which is none of the callbacks%s", cls.__name__, name, hint)


def _arguments_of(cls: type, name: str) -> tuple[str, ...]:
    """Names what netcore calls a callback with."""
    ours = (EventHandler, *filter(_is_ours, cls.__mro__))
    declared = next(vars(base)[name] for base in ours if name in vars(base))
    return tuple(inspect.signature(declared).parameters)[1:]


def _check_arguments(callback: Callable[..., object], called: str, arguments: tuple[str, ...]) -> None:
    """Checks that a callback can be called with its arguments, as far as it can be known what it takes."""
    try:
        # Not what a decorator wraps, which it may call with other arguments than its own.
        signature = inspect.signature(callback, follow_wrapped=False)
    except Exception:  # it is written in C, or its annotations cannot be read (PEP 649)
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError(f"{called} takes {signature}, but is called with ({', '.join(arguments)})") from None


def _known(cls: type) -> tuple[str, ...]:
    """Names the callbacks of a class: those of every handler, and of what netcore has it derive from."""
    ours = (vars(base) for base in cls.__mro__ if _is_ours(base))
    return tuple(dict.fromkeys((*CALLBACKS, *(name for names in ours for name in names if _is_name(name)))))


def _is_name(name: str) -> bool:
    return name.startswith("on_")


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "netcore"


def _overrides(handler: object, name: str) -> bool:
    if name in getattr(handler, "__dict__", ()):
        return True
    return not _is_ours(next(base for base in type(handler).__mro__ if name in vars(base)))


def _uncalled(cls: type, known: tuple[str, ...]) -> list[str]:
    """Names the ``on_...`` methods of a class that neither netcore calls nor the class itself."""
    names: dict[str, None] = {}
    mentioned: set[object] = set()
    for base in cls.__mro__:
        if not _is_ours(base):
            for name, value in vars(base).items():
                function = _function_of(value)
                if function is not None:
                    mentioned.update(_mentions(function.__code__))
                    if _is_name(name) and name not in known:
                        names[name] = None
    if "on_" in mentioned:  # it puts the names of its methods together
        return []
    return [name for name in names if name not in mentioned]


def _function_of(value: object) -> FunctionType | None:
    function = getattr(value, "__func__", value)  # of a static or class method
    if not isinstance(function, FunctionType):
        return None
    return (
        function if hasattr(function.__code__, "co_names") else None
    )  # PyPy: object's own are functions, too


def _mentions(code: CodeType) -> Iterator[object]:
    """Yields the names that code looks up in objects, and its constants."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _mentions(constant)
        elif isinstance(constant, str):
            yield constant
