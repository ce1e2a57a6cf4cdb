"""One of the things that ``netcore run`` can be told, with its flag, its variable, and its key in a file."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatch

from netcore.cli.kinds import Kind

__all__ = ["GROUPS", "Setting", "flag_of", "variable_of"]

_REST = "connections"

GROUPS = {
    "listening": ("reuse_*", "backlog", "bind_*", "multicast_*", "max_connections*"),
    _REST: (),
    "loops": (
        "loops",
        "multicore",
        "lb",
        "poller",
        "edge_*",
        "rebalance*",
        "cpu_*",
        "ticker",
        "asyncio",
    ),
    "TLS": ("tls_*",),
    "PROXY protocol": ("proxy_*",),
    "KCP": ("kcp_*",),
    "processes": ("processes", "hang_*", "drain_*", "configure", "listeners"),
    "logs and monitoring": ("log_*", "access_*", "admin*", "watchdog*"),
    "development": ("debug", "reload"),
}
"""The groups of the settings in their order, each with the names in it; all others are about connections."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One of the things that ``netcore run`` can be told.

    Attributes:
        name: Its key in a file. The flag and the variable follow from it.
        kind: What it may be.
        help: What it does; a sentence without its full stop.
        default: What it is unless somebody says so.
        field: The field of ``Options`` that it sets, ``kcp.mtu`` for ``mtu`` of what ``kcp`` holds; empty if
            none.
    """

    name: str
    kind: Kind
    help: str
    default: object = None
    field: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, the one to be shown first: where the field's is another it is understood, too."""
        other = self.field.replace(".", "_")
        return (self.name, other) if other not in ("", self.name) else (self.name,)

    @property
    def flag(self) -> str:
        """Its flag, such as ``--idle-timeout``."""
        return flag_of(self.name)

    @property
    def variable(self) -> str:
        """Its variable in the environment, such as ``NETCORE_IDLE_TIMEOUT``."""
        return variable_of(self.name)

    @property
    def group(self) -> str:
        """Which of ``GROUPS`` it is in."""
        for group, patterns in GROUPS.items():
            if any(fnmatch(self.name, pattern) for pattern in patterns):
                return group
        return _REST


def flag_of(name: str) -> str:
    """Returns the flag of a name."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """Returns the variable of a name."""
    return "NETCORE_" + name.upper()
