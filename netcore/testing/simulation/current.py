"""Whose code runs at the moment: in which host's name sockets are made, and what a call that blocks does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, Protocol

__all__ = ["Kernel", "World", "kernel", "kernel_or_none", "monotonic", "wait", "world_here"]


class Kernel(Protocol):
    """That of a host, whatever else it is (``netcore.testing.simulation.net.kernel``).

    Attributes:
        host: The host's name.
    """

    host: str


class World(Protocol):
    """What is asked of a simulation by the sockets and threads in it.

    Attributes:
        inside: Whether an event is happening, so that nothing may block.
    """

    inside: bool

    @property
    def kernel(self) -> Kernel | None:
        """That of the host whose code runs; None for no host's."""

    def monotonic(self) -> float:
        """See ``monotonic``."""

    def wait(self, predicate: Callable[[], bool], timeout: float | None, what: str) -> bool:
        """See ``wait``."""

    def forbid(self, what: str) -> NoReturn:
        """Refuses what cannot be simulated."""

    def here(self) -> bool:
        """Whether the calling thread is the world's."""


_world: World | None = None


def enter(world: World | None) -> World | None:
    """Makes a world the one whose code runs on this thread; returns the one before."""
    global _world
    before, _world = _world, world
    return before


def kernel() -> Kernel:
    """Returns the kernel of the host whose code runs.

    Raises:
        RuntimeError: It is no host's code.
    """
    found = kernel_or_none()
    if found is None:
        raise RuntimeError("this is no host's code: use ``with host:`` to make sockets in a host's name")
    return found


def kernel_or_none() -> Kernel | None:
    """Returns the kernel of the host whose code runs, or None."""
    return None if _world is None else _world.kernel


def world_here() -> World | None:
    """Returns the world that runs on the calling thread, or None. Any thread."""
    world = _world
    return world if world is not None and world.here() else None


def monotonic() -> float:
    """Returns seconds of the clock that the timeouts of ``wait`` are counted by: that of the host."""
    assert _world is not None, "a simulated socket outlives its world"
    return _world.monotonic()


def wait(predicate: Callable[[], bool], timeout: float | None, what: str) -> bool:
    """Does what a call that blocks does: outside of events the world goes on until it need not block.

    Args:
        predicate: Whether what is waited for has come.
        timeout: Seconds of the host's clock; None for as long as it takes.
        what: What is waited for, for the message.

    Returns:
        Whether it has come; not if the time is over.

    Raises:
        SimulationError: It is an event of the world that would block, which would stop the world.
        SimulationStuck: It never comes: nothing is left to happen.
    """
    assert _world is not None, "a simulated socket outlives its world"
    return _world.wait(predicate, timeout, what)
