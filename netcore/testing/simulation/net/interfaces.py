"""The network interfaces of a simulated host: each has its loopback and one to the others."""

from __future__ import annotations

import errno

from netcore.testing.simulation.net.failures import failure

__all__ = ["INTERFACES", "if_indextoname", "if_nameindex", "if_nametoindex"]

INTERFACES = {"lo": 1, "eth0": 2}
"""Their numbers, by their names."""


def if_nameindex() -> list[tuple[int, str]]:
    """See ``socket.if_nameindex``."""
    return [(number, name) for name, number in INTERFACES.items()]


def if_nametoindex(name: str) -> int:
    """See ``socket.if_nametoindex``; ENODEV where there is none."""
    number = INTERFACES.get(name)
    if number is None:
        raise failure(errno.ENODEV)
    return number


def if_indextoname(index: int) -> str:
    """See ``socket.if_indextoname``; ENXIO where there is none."""
    for name, number in INTERFACES.items():
        if number == index:
            return name
    raise failure(errno.ENXIO)
