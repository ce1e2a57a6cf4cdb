"""What the operating system knows about this process."""

from __future__ import annotations

import os
import platform
import sys

_PAGES = "/proc/self/statm"


def description() -> dict[str, object]:
    """The fields about the process in INFO's section on the server."""
    return {
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64 if sys.maxsize > 1 << 32 else 32,
        "python_version": platform.python_version(),
        "process_id": os.getpid(),
        "executable": sys.executable,
    }


def cpu_seconds() -> tuple[float, float]:
    """The processor time used, in user mode and in the kernel."""
    times = os.times()
    return times.user, times.system


def resident_memory() -> int:
    """Bytes of physical memory in use; where only the maximum so far is known, that; else 0."""
    try:
        with open(_PAGES, encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
