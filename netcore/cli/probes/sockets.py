"""Which implementation of socket I/O is used."""

from __future__ import annotations

import os
from collections.abc import Iterator

from netcore._native import MISSING
from netcore.cli.findings import NATIVE_PART, Finding, missing, ok
from netcore.errors import PollerUnavailableError
from netcore.poll import open_poller
from netcore.sockets import open_sockets

__all__ = ["probe_sockets"]

_SMALL = 1 << 12


def probe_sockets() -> Iterator[Finding]:
    """Reports what a loop would use, and why."""
    name = _name()
    if MISSING:
        yield missing("sockets", f"{name}: several times slower than native ones", NATIVE_PART)
    elif wanted := os.environ.get("NETCORE_SOCKETS"):
        yield ok("sockets", f"{name} (NETCORE_SOCKETS={wanted})")
    else:
        yield ok("sockets", f"{name}: batched system calls")


def _name() -> str:
    try:
        poller = open_poller()
    except PollerUnavailableError:  # which is reported by the probe of the pollers
        return open_sockets(_SMALL).name
    try:
        return open_sockets(_SMALL, poller).name
    finally:
        poller.close()
