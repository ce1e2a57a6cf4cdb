"""A program under test."""

from dataclasses import dataclass

from bench.launchers import Launcher


@dataclass(frozen=True)
class Peer:
    """One program under test; `arguments` may hold the names of a workload's values in braces.

    One of several `processes` says `process.READY` when each of these serves.
    """

    name: str
    launcher: Launcher
    arguments: tuple[str, ...] = ("{port}",)
    settle: float = 0.0  # seconds of load it needs beyond the usual warm-up
    processes: int = 1

    def missing(self) -> str | None:
        """Says why this machine cannot run it, or None."""
        return self.launcher.missing()

    def command(self, **values: object) -> list[str]:
        """The command that does the job with these values."""
        return [*self.launcher.command(), *(argument.format_map(values) for argument in self.arguments)]
