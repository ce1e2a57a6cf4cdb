"""From ``MODULE:NAME`` to the object that it names.

A reference that leads nowhere is the caller's mistake and gets one line. An exception raised by the
module itself, or by a function in it, is the cause of the ``LoadError``, so that its traceback is shown.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

from netcore._seeking import seeking
from netcore.handler import EventHandler
from netcore.lb import LoadBalancer, balancer_names

__all__ = ["LoadError", "is_reference", "load_balancer", "load_handler", "load_object"]


class LoadError(Exception):
    """A reference leads nowhere; the text is one line for the user.

    A cause (``raise ... from``) is an exception of the user's own code. It is shown with its traceback.
    """


def load_handler(reference: str) -> EventHandler:
    """Finds an ``EventHandler``, its class, or a function that returns one.

    Raises:
        LoadError: There is no such thing, or its own code failed.
    """
    found = load_object(reference)
    if isinstance(found, EventHandler):
        return found
    if not callable(found) or (isinstance(found, type) and not issubclass(found, EventHandler)):
        raise LoadError(f"{reference} is no EventHandler, no class of one, and no function that returns one")
    made = _call(found, reference)
    if not isinstance(made, EventHandler):
        raise LoadError(f"{reference} returned {made!r}, which is no EventHandler")
    return made


def load_balancer(choice: str) -> str | LoadBalancer:
    """Checks the name of a load balancer, or finds one, or its class, under ``MODULE:CLASS``.

    Raises:
        LoadError: There is no such thing, or its own code failed.
    """
    if ":" not in choice:
        if choice not in balancer_names():
            names = ", ".join(balancer_names())
            raise LoadError(f"there is no load balancer {choice!r}: use {names}, or MODULE:CLASS")
        return choice
    found = load_object(choice)
    if isinstance(found, type):
        found = _call(found, choice)
    if not callable(getattr(found, "pick", None)):
        raise LoadError(f"{choice} is no load balancer: it has no method pick(loops, remote)")
    return found  # type: ignore[return-value]


def is_reference(text: str) -> bool:
    """Whether a text is of the form ``MODULE:NAME``, wherever that leads."""
    module, _, path = text.partition(":")
    return all(name.isidentifier() for name in (*module.split("."), *path.split(".")))


def load_object(reference: str) -> object:
    """Imports a module and follows the attributes after the colon.

    Raises:
        LoadError: The reference is malformed, leads nowhere, or importing the module failed.
    """
    module, _, path = reference.partition(":")
    names = path.split(".")
    if not is_reference(reference):
        raise LoadError(f"{reference!r} is not of the form MODULE:NAME, such as examples.echo:Echo")
    found = _import(module)
    for index, name in enumerate(names):
        try:
            found = getattr(found, name)
        except AttributeError:
            holder = ":".join(filter(None, (module, ".".join(names[:index]))))
            raise LoadError(f"{holder} has no attribute {name!r}") from None
    return found


def _import(name: str) -> object:
    try:
        with seeking(f"{name} is imported for its handler: put the call under if __name__ == '__main__'"):
            # Not importlib.import_module: its frames would stand at the top of the user's traceback.
            __import__(name)
        return sys.modules[name]
    except Exception as caught:
        if isinstance(caught, ModuleNotFoundError) and f"{name}.".startswith(f"{caught.name}."):
            where = "in the current directory or on Python's path"
            raise LoadError(f"there is no module {caught.name!r} {where}") from None
        failure = caught
    except SystemExit as caught:
        if not isinstance(caught.code, str):
            raise
        raise LoadError(f"importing {name} failed: {caught.code}") from None  # it says itself why
    # Behind the clause: within it PyPy would give the error all of its traceback again.
    raise LoadError(f"importing {name} failed: {_short(failure)}") from _below(failure)


def _call(function: Callable[..., object], reference: str) -> object:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise LoadError(f"{reference} cannot be called without arguments: {error}") from None
    except ValueError:
        pass  # some built-in functions have no signature; the call itself will tell
    try:
        with seeking(f"{reference} is called for a handler: have it return one instead"):
            return function()
    except Exception as caught:
        failure = caught
    raise LoadError(f"calling {reference} failed: {_short(failure)}") from _below(failure)  # see ``_import``


def _below(error: Exception) -> Exception:
    """Takes this module's own frame off the traceback, so that it begins with the user's code."""
    return error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
