"""Who waits for what in a world that does not go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from netcore.testing.simulation.waiting import planned_as, some

if TYPE_CHECKING:
    from netcore.testing.simulation.net.links import Links
    from netcore.testing.simulation.scheduler import Scheduler
    from netcore.testing.simulation.trace import Trace

__all__ = ["explain"]

_LAST = 12
"""Events that are shown."""


class _Host(Protocol):
    """What is asked of a host."""

    name: str

    @property
    def up(self) -> bool: ...

    def waits(self) -> list[str]: ...


class _World(Protocol):
    """What is asked of a world."""

    seed: int | str | bytes
    scheduler: Scheduler
    trace: Trace
    links: Links

    @property
    def hosts(self) -> Mapping[str, _Host]: ...


def explain(world: _World, why: str) -> str:
    """Returns the message of a ``SimulationStuck``.

    Args:
        world: Which does not go on.
        why: How that shows.
    """
    lines = [f"{why}, at {world.scheduler.now:.6f} virtual seconds (seed {world.seed!r})"]
    for host in world.hosts.values():
        lines.append(f"host {host.name}{'' if host.up else ', which has crashed'}:")
        lines += [f"  {each}" for each in host.waits()]
    cuts = world.links.cuts()
    if cuts:
        lines.append(f"cut: {', '.join(f'{a} > {b}' for a, b in cuts)}")
    planned = world.scheduler.planned()
    lines.append("next:" if planned else "next: nothing is planned")
    lines += [f"  {each}" for each in some([planned_as(each) for each in planned], "things")]
    lines.append("last events:")
    lines.append(world.trace.tail(_LAST))
    return "\n".join(lines)
