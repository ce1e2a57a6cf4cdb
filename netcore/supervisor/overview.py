"""What an admin server shows of a supervisor: all processes as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from netcore.supervisor.fleet import Fleet

__all__ = ["Overview"]

State = Literal["booting", "ready", "draining", "stopping"]
Ask = Callable[[str, int], list[Any]]


class Overview:
    """A ``netcore.admin.Source`` of the processes that fill the places of a fleet.

    One that only lets its connections end is not among them, since its successor has the same number; its
    connections are shown.

    Args:
        fleet: Read on the thread of the admin server, while it goes on.
        ask: See ``Inquiries.ask``.
        clock: That of the fleet.
        delay: ``Options.shutdown_delay``, in which processes that are to stop go on serving.
    """

    def __init__(self, fleet: Fleet, ask: Ask, clock: Callable[[], float], delay: float = 0.0) -> None:
        self._fleet = fleet
        self._ask = ask
        self._clock = clock
        self._delay = delay

    def state(self) -> State:
        """See ``Source.state``: it is ready as long as any process accepts."""
        if self._fleet.ending:
            return "draining" if self._clock() < self._fleet.ending_since + self._delay else "stopping"
        return "ready" if self._fleet.count else "booting"

    def processes(self) -> list[Any]:
        """See ``Source.processes``."""
        present = {place.current.pid for place in list(self._fleet.places) if place.current is not None}
        reports = [report for answer in self._ask("processes", 0) for report in answer]
        return sorted(
            (report for report in reports if report["pid"] in present),
            key=lambda report: int(report["process"]),
        )

    def connections(self, most: int) -> Any:
        """See ``Source.connections``."""
        answers = self._ask("connections", most)
        rows = [row for answer in answers for row in answer["connections"]]
        return {"connections": rows[:most], "total": sum(answer["total"] for answer in answers)}

    def facts(self) -> list[Any]:
        """See ``Source.facts``."""
        fleet = self._fleet
        places = list(fleet.places)
        up = [{"labels": {"process": str(place.number)}, "value": float(place.serves)} for place in places]
        return [
            _fact("netcore_process_up", "gauge", "Whether the process of a place accepts connections.", up),
            _fact("netcore_processes_wanted", "gauge", "Processes that there are to be.", _one(fleet.wanted)),
            _fact(
                "netcore_processes_ending",
                "gauge",
                "Processes that accept no more and have not ended.",
                _one(sum(member.state.ends for member in list(fleet.members.values()))),
            ),
            _fact(
                "netcore_process_restarts",
                "counter",
                "Processes that have ended though nobody had asked them to.",
                _one(fleet.restarts),
            ),
            _fact(
                "netcore_process_replacements",
                "counter",
                "Times that all processes were to be replaced.",
                _one(fleet.rolls),
            ),
        ]


def _one(value: float) -> list[dict[str, object]]:
    return [{"labels": {}, "value": float(value)}]


def _fact(name: str, kind: str, text: str, samples: list[Any]) -> dict[str, object]:
    return {"name": name, "kind": kind, "help": text, "samples": samples}
