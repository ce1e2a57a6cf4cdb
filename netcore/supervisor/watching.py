"""Which of an application's files have changed."""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["FileWatch"]

_Stamp = tuple[int, int, int] | None


class FileWatch:
    """Looks at files every now and then, by stat(2): it works everywhere, and they are few."""

    def __init__(self) -> None:
        self._stamps: dict[str, _Stamp] = {}

    def add(self, paths: Iterable[str]) -> None:
        """Watches these, too."""
        for path in paths:
            self._stamps.setdefault(path, _stamp(path))

    def changed(self) -> list[str]:
        """Returns those that are others than at the last look."""
        found = []
        for path, before in self._stamps.items():
            now = _stamp(path)
            if now != before:
                self._stamps[path] = now
                if now is not None:  # an editor may be about to put the new one in its place
                    found.append(path)
        return found


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
