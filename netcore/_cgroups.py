"""What processor time the control groups of a process allow: how containers are limited (cgroups(7))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["cpu_quota"]


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Returns how many CPUs' time this process may take; None where nothing limits it, and beyond Linux.

    A group's limit holds for all below it, so the least one counts. Where a container does not see the path
    of its group, as in version 1 without a namespace, its own is at the top of what it sees.

    Args:
        root: Where /proc and /sys are.
    """
    return min(_limits(root), default=None)


def _limits(root: Path) -> Iterator[float]:
    mounted = root / "sys/fs/cgroup"
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            if not controllers:
                yield from _limit(_read(mounted / group.relative_to("/") / "cpu.max"))
            elif "cpu" in controllers.split(","):
                folder = mounted / "cpu" / group.relative_to("/")
                yield from _limit(_read(folder / "cpu.cfs_quota_us") + _read(folder / "cpu.cfs_period_us"))


def _limit(words: list[str]) -> Iterator[float]:
    # Microseconds of CPU time, and of the period in which it may be taken; "max" or -1 for no limit.
    if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
        yield int(words[0]) / int(words[1])


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
