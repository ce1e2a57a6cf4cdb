"""The errors of what a loop does not do any more."""

from __future__ import annotations

from netcore.errors import EngineNotRunningError
from netcore.eventloop.site import Site

__all__ = ["forked", "stopping"]


def stopping(site: Site) -> EngineNotRunningError:
    """Makes the error of what comes too late for a loop."""
    return EngineNotRunningError(f"loop {site.index} is stopping and takes no more connections")


def forked(site: Site) -> EngineNotRunningError:
    """Makes the error of what goes on in the parent, in a forked child; or nowhere, after a crash."""
    return EngineNotRunningError(f"loop {site.index} {site.machine.elsewhere}")
