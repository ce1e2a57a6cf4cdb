"""What this process may use: CPUs and descriptors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from netcore._platform import pin_thread, usable_cpu_count, usable_cpus
from netcore.cli.findings import Finding, missing, ok

__all__ = ["probe_cpus", "probe_descriptors"]


def probe_cpus() -> Iterator[Finding]:
    """Reports the usable CPUs, and whether a thread can be tied to one of them."""
    cpus = usable_cpus()
    count = usable_cpu_count()
    fewer = f"; time of {count} (a limit of the control group's)" if count < len(cpus) else ""
    yield ok("CPUs", f"{len(cpus)} usable: {_ranges(cpus)}{fewer}")
    with ThreadPoolExecutor(1) as thread:  # not this thread, which would stay where it is put
        pinned = thread.submit(pin_thread, cpus[0]).result()
    if pinned:
        yield ok("CPU affinity", "loops can be pinned")
    else:
        yield missing(
            "CPU affinity", "this system cannot pin threads", "leave cpu_affinity out, which has no effect"
        )


def _ranges(numbers: tuple[int, ...]) -> str:
    """Shortens 0, 1, 2, 5 to 0-2, 5."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def probe_descriptors() -> Iterator[Finding]:
    """Reports how many descriptors this process may have open, which bounds its connections."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        yield missing("descriptors", "this system has no RLIMIT_NOFILE", "max_connections bounds them")
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    soft_text, hard_text = ("no limit" if limit == endless else str(limit) for limit in (soft, hard))
    raisable = f"; up to {hard_text} with ulimit -n" if soft != hard else ""
    yield ok("descriptors", f"{soft_text} at once (RLIMIT_NOFILE){raisable}")
