"""What netcore wants to reach, as data, and whether a run shows it."""

from dataclasses import dataclass
from typing import Literal, Protocol

from bench.figures import CPU, GIL, MEMORY, P50, RATE
from bench.results import Outcome, Run
from bench.summary import Spread, absolute, ratio, ratios, spread

_SUBJECT = "netcore"


class Measure(Protocol):
    """A number that a run may hold."""

    def value(self, run: Run) -> Spread | None:
        """Returns it; None if the run does not hold it."""

    def needs(self) -> list[tuple[str, str]]:
        """The pairs of workload and peer it is computed from."""


@dataclass(frozen=True)
class Absolute:
    """A figure of netcore's."""

    workload: str
    figure: str

    def value(self, run: Run) -> Spread | None:
        return absolute(self.figure, _outcome(run, self.workload, _SUBJECT))

    def needs(self) -> list[tuple[str, str]]:
        return [(self.workload, _SUBJECT)]


@dataclass(frozen=True)
class Ratio:
    """A figure of netcore's over another peer's."""

    workload: str
    figure: str
    against: str
    subject: str = _SUBJECT

    def value(self, run: Run) -> Spread | None:
        own, other = (_outcome(run, self.workload, name) for name in (self.subject, self.against))
        return ratio(self.figure, own, other)

    def needs(self) -> list[tuple[str, str]]:
        return [(self.workload, self.subject), (self.workload, self.against)]


@dataclass(frozen=True)
class Growth:
    """How a figure of netcore's grows from one workload to another, over how another peer's does."""

    before: str
    after: str
    figure: str
    against: str

    def value(self, run: Run) -> Spread | None:
        first, last = (
            ratios(self.figure, _outcome(run, name, _SUBJECT), _outcome(run, name, self.against))
            for name in (self.before, self.after)
        )
        return spread(last[number] / first[number] for number in sorted(first.keys() & last.keys()))

    def needs(self) -> list[tuple[str, str]]:
        return [(name, peer) for name in (self.before, self.after) for peer in (_SUBJECT, self.against)]


@dataclass(frozen=True)
class Goal:
    """A limit for a measure."""

    text: str
    against: str
    measure: Measure
    relation: Literal["<=", ">="]
    limit: float


@dataclass(frozen=True)
class Verdict:
    """What a run says about a goal; `reason` says why it says nothing."""

    goal: Goal
    value: Spread | None
    reason: str = ""

    @property
    def status(self) -> str:
        """One of "reached", "not reached", "not measured"; by the median."""
        if self.value is None:
            return "not measured"
        reached = self._holds(self.value.median)
        return "reached" if reached else "not reached"

    @property
    def clear(self) -> bool:
        """Whether every round says the same."""
        return self.value is not None and self._holds(self.value.min) == self._holds(self.value.max)

    def _holds(self, number: float) -> bool:
        return number <= self.goal.limit if self.goal.relation == "<=" else number >= self.goal.limit


def _cpu(text: str, workload: str, against: str, limit: float, subject: str = _SUBJECT) -> Goal:
    return Goal(f"{text}, CPU", against, Ratio(workload, CPU, against, subject), "<=", limit)


def _rate(text: str, workload: str, against: str, limit: float) -> Goal:
    return Goal(f"{text}, messages per second", against, Ratio(workload, RATE, against), ">=", limit)


def _gil(connections: int, limit: float) -> Goal:
    text = f"Python per echo message, {connections} connections"
    return Goal(text, "us", Absolute(f"gil-{connections}", GIL), "<=", limit)


GOALS = (
    *(
        _cpu(f"echo 64 B, {connections} connections{how}", f"echo-64-{connections}", against, limit, subject)
        for subject, how in ((_SUBJECT, ""), (f"{_SUBJECT}-io_uring", ", on io_uring"))
        for against, limit in (("c-epoll", 1.05), ("uvloop", 0.85), ("gnet", 0.85))
        for connections in (50, 500)
    ),
    _rate("echo 64 KiB, 200 connections", "echo-65536-200", "c-epoll", 0.90),
    _rate("echo 64 KiB, 200 connections", "echo-65536-200", "uvloop", 1.05),
    Goal("one connection ping-pong, p50", "uvloop", Ratio("echo-64-1", P50, "uvloop"), "<=", 1.05),
    _cpu("echo 512 B, 5000 connections", "echo-512-5000", "uvloop", 0.85),
    *(_gil(connections, 0.8) for connections in (50, 500)),
    _cpu("two loops, same load", "loops", "gnet-2", 1.0, subject="netcore-2"),
    _rate("frames of 64 B, 16 deep", "frames", "uvloop", 2.0),
    _cpu("datagram echo 64 B, 200 under way", "datagram", "uvloop", 0.60),
    _cpu("datagram echo 64 B, 200 under way", "datagram", "c-batch", 1.35),
    _cpu("connect, echo, close", "connect", "uvloop", 0.85),
    _cpu("connect, echo, close", "connect", "c-epoll", 1.20),
    Goal("memory per idle connection, 10 000 of them", "B", Absolute("memory", MEMORY), "<=", 500),
    *(
        _rate(f"Redis {command.upper()}, -P {depth}", f"redis-{command}-{depth}", "redis-server", limit)
        for depth, limit in ((1, 1.0), (16, 0.7))
        for command in ("get", "set")
    ),
    Goal(
        "CPU from 50 to 5000 connections, 64 B, growth",
        "c-epoll",
        Growth("echo-64-50", "echo-64-5000", CPU, "c-epoll"),
        "<=",
        1.1,
    ),
)


def judge(run: Run) -> list[Verdict]:
    """Returns a verdict for every goal."""
    verdicts = []
    for goal in GOALS:
        value = goal.measure.value(run)
        verdicts.append(Verdict(goal, value, "" if value else _why_not(run, goal.measure)))
    return verdicts


def _why_not(run: Run, measure: Measure) -> str:
    for workload, peer in measure.needs():
        if workload not in run.workloads:
            return f"{workload} was not run"
        outcome = _outcome(run, workload, peer)
        if not outcome.samples:
            return f"{workload}, {peer}: {outcome.reason or 'was not run'}"
    return "the peers share no round"


def _outcome(run: Run, workload: str, peer: str) -> Outcome:
    result = run.workloads.get(workload)
    return (result.outcomes.get(peer) if result else None) or Outcome()
