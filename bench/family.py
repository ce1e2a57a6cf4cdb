"""The processes that make up a server, as Linux tells of them: proc(5)."""

import time
from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """Returns the process and all that it has begotten: a server may have workers, which are processes."""
    lists = (_read(path) for path in (_PROC / str(pid) / "task").glob("*/children"))
    children = (int(child) for text in lists for child in text.split())
    return [pid, *(each for child in children for each in descendants(child))]


def in_session(session: int) -> dict[int, int]:
    """Returns the parents of those in a session that run, by pid; who has begun it may have ended."""
    found = {}
    for path in _PROC.glob("[0-9]*/stat"):
        # The name in parentheses may hold anything; state, parent, group and session come after it.
        match _read(path).rpartition(")")[2].split()[:4]:
            case state, parent, _, own if int(own) == session and state not in "ZX":
                found[int(path.parent.name)] = int(parent)
    return found


def heads(session: int) -> list[int]:
    """Returns those in a session whose parent is elsewhere: the server, or whoever has taken over from it."""
    parents = in_session(session)
    return [pid for pid, parent in parents.items() if parent not in parents]


def cpu_seconds(pid: int) -> float:
    """Returns the user and system time of all threads of a process, also of those that have ended."""
    # What clock_getcpuclockid(3) computes, which Python does not offer: MAKE_PROCESS_CPUCLOCK(pid,
    # CPUCLOCK_SCHED) of Linux's posix-timers_types.h.
    return time.clock_gettime(~pid << 3 | 2)


def _read(path: Path) -> str:
    """Returns what is in a file; nothing if the process has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""
