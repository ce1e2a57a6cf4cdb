"""The command line: `python -m bench.soak --minutes N`."""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bench.soak.server import IDLE_TIMEOUT
from bench.soak.traffic import Ledger, run_round
from bench.soak.trend import trend

_ROUND = 15.0
_ROUNDS_AT_LEAST = 4
_QUIET = 30.0
"""Seconds that the server has, when everybody has gone, to be rid of the last connection."""

_TOLERANCES = {"rss": 3 << 20, "descriptors": 0.5, "objects": 100.0}
"""How much a figure may grow over a whole run before that is a leak: less than one object a second makes of
five minutes, of which a quarter is warm-up."""


@dataclass
class Report:
    """What a run has found."""

    figures: list[dict[str, Any]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    failures: list[str] = field(default_factory=list)


class Server:
    """The process under test."""

    def __init__(self, leak: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.soak.server", str(leak)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.ports: dict[str, int] = json.loads(self._line())

    def _line(self) -> str:
        output: IO[str] | None = self.process.stdout
        assert output is not None
        line = output.readline()
        if not line:
            raise RuntimeError(f"the server ended with status {self.process.wait()}")
        return line

    def figures(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        print("figures", file=self.process.stdin, flush=True)
        figures: dict[str, Any] = json.loads(self._line())
        return figures

    def quiet_figures(self, descriptors: int) -> dict[str, Any]:
        """Figures with no connection left; those after some seconds if one stays."""
        end = time.monotonic() + _QUIET
        while True:
            figures = self.figures()
            settled = not figures["connections"] and figures["descriptors"] <= descriptors
            if settled or time.monotonic() > end:
                return figures
            time.sleep(0.05)

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(60)


def run(
    seconds: float, round_length: float, threads: int, seed: int, leak: float, say: Callable[[str], None]
) -> Report:
    """Talks to a server for so long, and looks at it between rounds, when nobody is connected."""
    report = Report()
    server = Server(leak)
    try:
        at_rest = server.figures()["descriptors"]
        round_length = min(round_length, seconds / _ROUNDS_AT_LEAST)
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            run_round(round_length, threads, server.ports, seed + number, report.ledger)
            number += 1
            time.sleep(min(IDLE_TIMEOUT, round_length) + 0.25)
            figures = server.quiet_figures(at_rest)
            report.figures.append(figures)
            _check_rest(report, figures, at_rest, number)
            say(f"{number}: { {name: value for name, value in figures.items() if name != 'kinds'} }")
        if server.end():
            report.failures.append(f"the server ended with status {server.process.returncode}")
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        report.failures.append(str(error))
    finally:
        server.process.kill()
        server.process.wait()
    judge(report)
    return report


def _check_rest(report: Report, figures: dict[str, Any], at_rest: int, number: int) -> None:
    calls = figures["calls"]
    if calls.get("open") != calls.get("close"):
        report.failures.append(f"round {number}: {calls.get('open')} on_open, {calls.get('close')} on_close")
    if figures["connections"] or figures["descriptors"] > at_rest:
        report.failures.append(
            f"round {number}: {figures['connections']} connections and "
            f"{figures['descriptors'] - at_rest} descriptors stayed"
        )
    if figures["packers"] > figures["most_packers"]:
        report.failures.append(f"round {number}: {figures['packers']} packers, not {figures['most_packers']}")


def judge(report: Report) -> None:
    """Adds to the failures what was wrong in conversations, and every figure that grows."""
    report.failures += report.ledger.faults[:20]
    for name, tolerance in _TOLERANCES.items():
        found = trend([figures[name] for figures in report.figures])
        if found.grows(tolerance):
            grown = f": {_grown(report.figures)}" if name == "objects" else ""
            report.failures.append(
                f"{name} grows: by {found.growth:.0f} over the run (z = {found.z:.1f}){grown}"
            )


def _grown(figures: list[dict[str, Any]]) -> str:
    """Names the types of which there are most that were not there after the warm-up."""
    before, after = (Counter(figures[at]["kinds"]) for at in (len(figures) // 4, -1))
    return ", ".join(f"{count} {kind}" for kind, count in (after - before).most_common(3))


def describe(report: Report, seconds: float, threads: int) -> str:
    """The figures of a run in some lines of Markdown."""
    ledger = report.ledger
    lines = [
        f"{sum(ledger.conversations.values())} conversations on {threads} threads in {seconds:.0f} s, "
        f"{ledger.sent / 1e6:.0f} MB sent and {ledger.received / 1e6:.0f} MB received; "
        f"{report.figures[-1]['faults'] if report.figures else 0} faults injected.",
        "",
        "| figure | first | last | slope per hour | growth after warm-up | z |",
        "|---|---|---|---|---|---|",
    ]
    samples = max(len(report.figures), 1)
    for name in _TOLERANCES:
        values = [figures[name] for figures in report.figures] or [0]
        found = trend(values)
        per_hour = found.slope * samples / seconds * 3600
        lines.append(
            f"| {name} | {values[0]} | {values[-1]} | {per_hour:.0f} | {found.growth:.0f} | {found.z:.1f} |"
        )
    lines += ["", "| conversation | count |", "|---|---|"]
    lines += [f"| {kind} | {count} |" for kind, count in sorted(ledger.conversations.items())]
    return "\n".join(lines)


def main() -> int:
    """Runs the soak; 0 if nothing was lost, doubled or left over, and nothing grows."""
    if sys.platform != "linux":
        print("bench.soak: memory and descriptors are read from Linux's /proc", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (default: 20)")
    parser.add_argument(
        "--round", type=float, default=_ROUND, metavar="S", help="look at the server after so many seconds"
    )
    parser.add_argument("--threads", type=int, default=8, help="conversations at once (default: 8)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16), help="of the traffic")
    parser.add_argument(
        "--leak",
        type=float,
        default=0.0,
        metavar="N",
        help="lose N objects a second, to see that it is noticed",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of all rounds here")
    parser.add_argument("--verbose", action="store_true", help="print the figures of each round")
    wanted = parser.parse_args()
    if not (0 < wanted.minutes < float("inf") and 0 < wanted.round < float("inf")) or wanted.threads < 1:
        parser.error("--minutes, --round and --threads must be above zero")
    say = (lambda text: print(text, file=sys.stderr, flush=True)) if wanted.verbose else (lambda text: None)
    report = run(wanted.minutes * 60, wanted.round, wanted.threads, wanted.seed, wanted.leak, say)
    print(describe(report, wanted.minutes * 60, wanted.threads))
    if wanted.json:
        wanted.json.write_text(json.dumps(report.figures))
    for failure in report.failures:
        print(f"bench.soak: {failure}", file=sys.stderr)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
