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
    if sys.platform == "win32":
        return _working_set()
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


if sys.platform == "win32":

    def _working_set() -> int:
        """The same on Windows: GetProcessMemoryInfo's WorkingSetSize; 0 if it will not tell."""
        import ctypes

        # PROCESS_MEMORY_COUNTERS is two 32-bit numbers, its own size first, and eight of pointer size.
        counters = (ctypes.c_size_t * (8 + 8 // ctypes.sizeof(ctypes.c_size_t)))()
        size = ctypes.sizeof(counters)
        ask = ctypes.WinDLL("kernel32").K32GetProcessMemoryInfo
        known = ask(ctypes.c_void_p(-1), ctypes.byref(counters), ctypes.c_uint32(size))  # -1: this process
        return counters[-7] if known else 0
