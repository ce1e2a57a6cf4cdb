"""Which pollers run here."""

from __future__ import annotations

import os
from collections.abc import Iterator

from netcore._native import MISSING
from netcore._platform import HERE
from netcore.cli.findings import NATIVE_PART, Finding, fail, missing, ok
from netcore.errors import PollerUnavailableError
from netcore.poll import is_opt_in, open_poller, poller_names, why_unavailable

__all__ = ["probe_pollers"]


_PRICES = {
    "io_uring": ": cheaper than epoll for many connections, dearer for short ones, pipelines, and in memory"
}
"""What is to be known before a poller is asked for, by its name; see docs/benchmarks/io-uring.md."""


def probe_pollers() -> Iterator[Finding]:
    """Reports each poller, and which one is taken unless another is asked for."""
    reasons = {name: why_unavailable(name) for name in poller_names()}
    for name, reason in reasons.items():
        here = f"available, for who asks for it{_PRICES.get(name, '')}" if is_opt_in(name) else "available"
        yield missing(f"poller {name}", reason, _remedy(name)) if reason else ok(f"poller {name}", here)
    wanted = os.environ.get("NETCORE_POLLER")
    try:
        poller = open_poller()
    except PollerUnavailableError as error:
        yield fail("default poller", f"{error} (NETCORE_POLLER={wanted})" if wanted else str(error))
        return
    poller.close()
    yield ok("default poller", f"{poller.name}, {'as NETCORE_POLLER says' if wanted else 'the best here'}")


def _remedy(name: str) -> str:
    """Says how to have a poller that this platform has."""
    if name not in HERE.pollers:
        return ""
    if MISSING:
        return NATIVE_PART
    if name == "io_uring":
        return "it takes Linux 6.0, liburing when netcore is built, and kernel.io_uring_disabled=0"
    return "raise the limit of descriptors: ulimit -n"
