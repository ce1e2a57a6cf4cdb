"""Which pollers there are, and which of them this machine can run."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from netcore._machine import current
from netcore._platform import HERE
from netcore._platforms import PLATFORMS
from netcore.errors import PollerUnavailableError
from netcore.poll.epoll import EpollPoller
from netcore.poll.io_uring import IoUringPoller
from netcore.poll.iocp import IocpPoller
from netcore.poll.kqueue import KqueuePoller
from netcore.poll.protocol import Poller
from netcore.poll.select import SelectPoller

__all__ = [
    "available",
    "declares_edge",
    "is_opt_in",
    "open_poller",
    "open_with",
    "poller_names",
    "register_poller",
    "why_unavailable",
]

_factories: dict[str, Callable[[], Poller]] = {
    "epoll": EpollPoller,
    "kqueue": KqueuePoller,
    "iocp": IocpPoller,
    "io_uring": IoUringPoller,
    "select": SelectPoller,
}
"""Best first. Later registrations go behind the built-in ones."""

_OPT_IN = frozenset({"io_uring"})
"""Opened by name only: what the kernel offers here is young, and switched off on many a machine."""

_ELSEWHERE = {name for platform in PLATFORMS for name in platform.pollers}.difference(HERE.pollers)
"""Pollers of other platforms than this."""


def is_opt_in(name: str) -> bool:
    """Tells whether a poller is opened only by who asks for it by name. Any thread."""
    return name in _OPT_IN


def register_poller(name: str, factory: Callable[[], Poller]) -> None:
    """Makes a poller of your own available under a name; a known name is replaced. Any thread.

    Args:
        name: What ``open_poller``, ``Options.poller`` and NETCORE_POLLER call it.
        factory: Opens a new poller, or raises ``OSError`` or ``ImportError`` where it cannot run.

    Raises:
        TypeError: The name is no text, or the factory cannot be called.
    """
    if not isinstance(name, str) or not callable(factory):  # type: ignore[redundant-expr]
        raise TypeError(f"a poller is registered by a name and a function, not {name!r} and {factory!r}")
    _factories[name] = factory


def poller_names() -> tuple[str, ...]:
    """Returns the names of all pollers, whether or not this machine can run them. Any thread."""
    return tuple(_factories)


def why_unavailable(name: str) -> str:
    """Tries whether a poller runs here; returns the reason if not, else "". Any thread."""
    try:
        _factories[name]().close()
    except (OSError, ImportError) as error:
        return _reason(name, error)
    return ""


def _reason(name: str, error: Exception) -> str:
    """Says why a poller does not run here; of one that is another platform's its error says nothing."""
    return "not on this platform" if name in _ELSEWHERE else str(error)


def declares_edge(name: str) -> bool:
    """Whether a poller says that it can be edge-triggered, wherever it runs. Any thread."""
    return bool(getattr(_factories.get(name), "supports_edge", False))


def available() -> tuple[str, ...]:
    """Returns the names of the pollers that run on this machine, best first, by trying each. Any thread."""
    return tuple(name for name in tuple(_factories) if not why_unavailable(name))


def open_with(opener: Callable[[], Poller]) -> Poller:
    """Opens a poller by a function: here, and by what another machine has instead, whoever asks for one."""
    return opener()


def open_poller(name: str | None = None) -> Poller:
    """Opens a poller. Any thread; the poller then belongs to one.

    For code of a simulated host that is the host's, whatever the name.

    Args:
        name: One of ``poller_names()``; None for the one that the environment variable
            NETCORE_POLLER names, or else the best that this machine can run, io_uring excepted.

    Raises:
        PollerUnavailableError: There is none of that name, or this machine cannot run it.
    """
    return current().make(open_with, partial(_open_wanted, name))


def _open_wanted(name: str | None) -> Poller:
    wanted = name or os.environ.get("NETCORE_POLLER")
    if wanted:
        return _open(wanted)
    for candidate in tuple(_factories):
        if candidate in _OPT_IN:
            continue
        try:
            return _factories[candidate]()
        except (OSError, ImportError):
            continue
    raise PollerUnavailableError("this machine can run none of the pollers " + ", ".join(_factories))


def _open(name: str) -> Poller:
    factory = _factories.get(name)
    if factory is None:
        raise PollerUnavailableError(f"there is no poller {name!r}: the pollers are {', '.join(_factories)}")
    try:
        return factory()
    except (OSError, ImportError) as error:
        raise PollerUnavailableError(
            f"the poller {name!r} cannot run here: {_reason(name, error)}"
        ) from error
