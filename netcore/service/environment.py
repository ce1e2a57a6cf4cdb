"""The variables by which a service manager speaks to the one process that it has started."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["VARIABLES", "scrub"]

VARIABLES = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDNAMES",
)
"""What is meant for a service's main process: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)."""


def scrub(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment without ``VARIABLES``, for a process that is not the service's main one.

    One that inherits them could take itself for the service: say that it is ready, or feed its watchdog.
    """
    return {name: value for name, value in environ.items() if name not in VARIABLES}
