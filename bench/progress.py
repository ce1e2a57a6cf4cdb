"""What a person sees while the suite runs: a bar on a terminal, lines elsewhere; all on stderr."""

import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID


class Progress(Protocol):
    """Follows a run."""

    def preparing(self, name: str, number: int, total: int) -> None:
        """Workload `number` of `total` is being looked at: what it needs is searched for or built."""

    def start(self, total: int) -> None:
        """So many measurements follow."""

    def advance(self, line: str) -> None:
        """One more is done."""

    def note(self, line: str) -> None:
        """Something to tell in between."""

    def stop(self) -> None:
        """It is over. May be called at any time, also more than once."""


class Lines:
    """One line for each measurement."""

    def preparing(self, name: str, number: int, total: int) -> None:
        """Nothing worth a line."""

    def start(self, total: int) -> None:
        self.note(f"{total} measurements")

    def advance(self, line: str) -> None:
        self.note(line)

    def note(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Nothing is left open."""


class Bar:
    """A bar with the time left, the last measurement beside it.

    It draws only when something has happened: a thread that refreshed it would take CPU time from the
    measurement, and forking with threads about is unsafe.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._bar = RichProgress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False, table_column=rest),
            console=Console(stderr=True),
            auto_refresh=False,
            expand=True,
        )
        self._task: TaskID | None = None

    def preparing(self, name: str, number: int, total: int) -> None:
        self._show(total, number, f"preparing {name}")

    def start(self, total: int) -> None:
        self._show(total, 0, "starting")

    def advance(self, line: str) -> None:
        if self._task is not None:
            self._bar.update(self._task, advance=1, description=line, refresh=True)

    def note(self, line: str) -> None:
        self._bar.console.print(line, markup=False)

    def stop(self) -> None:
        self._bar.stop()

    def _show(self, total: int, completed: int, line: str) -> None:
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(line, total=total)
        self._bar.update(self._task, total=total, completed=completed, description=line, refresh=True)


def open_progress() -> Progress:
    """Returns a bar if stderr is a terminal and rich is there, else lines."""
    if sys.stderr.isatty():
        try:
            return Bar()
        except ImportError:
            pass
    return Lines()
