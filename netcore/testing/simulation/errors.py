"""What goes wrong with a simulation itself, not in its world."""

from __future__ import annotations

from netcore.errors import NetcoreError

__all__ = ["InvariantError", "SimulationError", "SimulationStuck"]


class SimulationError(NetcoreError, RuntimeError):
    """Code of a simulated host has done what would reach the real world, or stop the simulated one.

    Such as starting a thread, or sleeping in a callback. The message names the line.
    """


class SimulationStuck(SimulationError):
    """What is waited for never comes: nothing is left to happen, or too much without it. Says who waits."""


class InvariantError(SimulationError, AssertionError):
    """What was to hold after every event does not; the cause is what the check has raised, if it has."""
