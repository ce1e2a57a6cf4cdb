"""The programs of a simulated host, which a restart begins anew."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from netcore.testing.simulation.coroutines.program import MakesCoroutine, Program

if TYPE_CHECKING:
    from netcore.testing.simulation.actors import Stage
    from netcore.testing.simulation.parts import Wait
    from netcore.testing.simulation.trace import Trace

__all__ = ["Main", "Programs"]

_T = TypeVar("_T")

Main = Coroutine[Any, Any, _T] | Callable[..., Coroutine[Any, Any, _T]]
"""A coroutine, or a function that makes one."""


class Programs:
    """Begins programs, and knows those of a host in their order.

    Args:
        host: The host's name.
        stage: The host.
        trace: Where their beginning and end are noted.
        wait: See ``current.wait``.
    """

    def __init__(self, host: str, stage: Stage, trace: Trace, wait: Wait) -> None:
        self._host = host
        self._stage = stage
        self._trace = trace
        self._wait = wait
        self._known: list[Program[Any]] = []

    @property
    def all(self) -> tuple[Program[Any], ...]:
        """Those since the host has begun."""
        return tuple(self._known)

    def begin(self, main: Main[_T], args: tuple[Any, ...], name: str) -> Program[_T]:
        """Begins one; see ``Host.program``."""
        if asyncio.iscoroutine(main):
            if args:
                raise TypeError(
                    "arguments are for a function that makes a coroutine, and this is one already"
                )
            return self._begin(_Once(main), name or getattr(main, "__name__", ""))
        if not callable(main):
            raise TypeError(f"{main!r} is neither a coroutine nor a function that makes one")
        return self._begin(
            functools.partial(main, *args), name or getattr(main, "__name__", type(main).__name__)
        )

    def _begin(self, main: MakesCoroutine[_T], name: str) -> Program[_T]:
        program = Program(name, main, self._host, self._stage, self._trace, self._wait)
        program.begin()
        self._known.append(program)
        return program

    def crash(self) -> None:
        """The host has crashed, and they have with it."""
        for program in self._known:
            program.crash()

    def restart(self) -> None:
        """Begins those anew that the crash has ended, but for coroutines, which have no second time."""
        before, self._known = self._known, []
        for program in before:
            if program.crashed and not isinstance(program.main, _Once):
                self._begin(program.main, program.name)

    def failures(self) -> list[str]:
        """Says which have failed, and how."""
        return [failure for program in self._known if (failure := program.failure()) is not None]


class _Once:
    """Gives a coroutine that there is already."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __call__(self) -> Coroutine[Any, Any, Any]:
        return self._coroutine
