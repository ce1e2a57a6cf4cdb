"""What is left to chance in a world: all of it goes by the seed."""

from __future__ import annotations

import os
import random
import tempfile
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netcore.testing.simulation.coroutines.stand_ins import Make

if TYPE_CHECKING:
    from netcore.testing.simulation.scheduler import Scheduler

__all__ = ["Randomness"]

_SHARED: random.Random = random.seed.__self__  # type: ignore[attr-defined]
"""What the functions of the module ``random`` are methods of."""

_METHODS = tuple(
    name for name in random.__all__ if getattr(getattr(random, name), "__self__", None) is _SHARED
)


class Randomness:
    """Has the module ``random`` go by the seed while a world runs. A context manager.

    Other threads have another source meanwhile, which goes on where theirs was.

    Args:
        scheduler: Has the source of randomness.
        thread: The world's.
    """

    def __init__(self, scheduler: Scheduler, thread: int) -> None:
        self._source = scheduler.random
        self._thread = thread
        self._state: Any = None
        self._others = random.Random(0)

    def __enter__(self) -> None:
        self._others.setstate(_SHARED.getstate())
        if self._state is None:
            _SHARED.seed(self._source.getrandbits(64))
        else:
            _SHARED.setstate(self._state)

    def __exit__(self, *_: object) -> None:
        self._state = _SHARED.getstate()
        _SHARED.setstate(self._others.getstate())

    def stand_ins(self) -> list[tuple[Any, str, Make]]:
        """Lists what is replaced: where, its name, and what makes the stand-in."""
        found: list[tuple[Any, str, Make]] = [(random, name, self._divided(name)) for name in _METHODS]
        found.append((random.Random, "seed", self._seeded))
        found.append((random, "_urandom", self._bytes))
        found.append((tempfile, "_name_sequence", lambda before: None))  # a new one, which has given no names
        found += [(os, name, self._bytes) for name in ("urandom", "getrandom") if hasattr(os, name)]
        return found

    def _divided(self, name: str) -> Make:
        theirs = getattr(self._others, name)

        def make(before: Callable[..., Any]) -> Callable[..., Any]:
            ours = self._seeded(before, method=False) if name == "seed" else before

            def call(*args: Any, **named: Any) -> Any:
                chosen = ours if threading.get_ident() == self._thread else theirs
                return chosen(*args, **named)

            return call

        return make

    def _seeded(self, before: Callable[..., Any], method: bool = True) -> Callable[..., Any]:
        """Has what would be seeded by the system be seeded by the world."""

        def seed(*args: Any, **named: Any) -> None:
            given = args[method] if len(args) > method else named.pop("a", None)
            if given is None and threading.get_ident() == self._thread:
                given = self._source.getrandbits(64)
            before(*args[:method], given, *args[method + 1 :], **named)

        return seed

    def _bytes(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def call(size: int, *flags: Any, **named: Any) -> Any:
            if threading.get_ident() == self._thread:
                return self._source.randbytes(size)
            return before(size, *flags, **named)

        return call
