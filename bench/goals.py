"""What netcore wants to reach, as data, and whether a run shows it."""

from dataclasses import dataclass
from typing import Literal, Protocol

from bench.figures import (
    CPU,
    EXCESS,
    FAILURES,
    FIGURES,
    GIL,
    MEMORY,
    MEMORY_USED,
    P50,
    P99,
    RATE,
    STEP,
    SUPERVISOR_IDLE,
    SUPERVISOR_RSS,
)
from bench.results import Outcome, Run
from bench.summary import Spread, absolute, ratio

_SUBJECT, _IO_URING, _OTHER = "netcore", "netcore-io_uring", "netcore-other"
_AIO = "netcore.aio"
_ADMIN, _TWO, _WATCHED = "netcore-admin", "netcore-2", "netcore-2-watched"

_SLICE = 3.0
"""Milliseconds that the kernel lets one of several have a CPU for, who all want it: sched(7)'s time slice."""

TASKS = {
    "call_soon": "callbacks",
    "switch": "tasks that give way to each other",
    "tree-none": "a tree of tasks",
    "tree-io": "a tree of tasks that sleep",
    "tree-memoization": "a tree of tasks that sleep once for each of their kind",
    "tree-mixed": "a tree of tasks that compute or sleep",
    "coroutines": "coroutines that await each other",
    "tcp": "MiB by streams within the loop",
}
"""The cases of peers/tasks.py, and what a step of each is about."""


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
    subject: str = _SUBJECT

    def value(self, run: Run) -> Spread | None:
        return absolute(self.figure, _outcome(run, self.workload, self.subject))

    def needs(self) -> list[tuple[str, str]]:
        return [(self.workload, self.subject)]


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


def _latency(text: str, workload: str, figure: str, against: str, limit: float) -> Goal:
    return Goal(text, against, Ratio(workload, figure, against), "<=", limit)


def _rate(text: str, workload: str, against: str, limit: float, subject: str = _SUBJECT) -> Goal:
    return Goal(f"{text} per second", against, Ratio(workload, RATE, against, subject), ">=", limit)


GOALS = (
    *(
        _cpu(f"echo 64 B, {connections} connections", f"echo-64-{connections}", against, limit)
        for connections in (50, 500)
        for against, limit in (("c-epoll", 1.08), ("uvloop", 0.92), ("gnet", 0.85))
    ),
    _rate("echo 64 KiB, 200 connections, messages", "echo-65536-200", "c-epoll", 0.92),
    _rate("echo 64 KiB, 200 connections, messages", "echo-65536-200", "uvloop", 1.05),
    _rate("echo 4 KiB, 50 connections, messages", "echo-4096-50", "uvloop", 1.0),
    _rate("echo 16 KiB, 50 connections, messages", "echo-16384-50", "uvloop", 1.0),
    _cpu("connect, echo, close", "connect", "c-epoll", 1.12),
    _cpu("connect, echo, close", "connect", "uvloop", 0.85),
    _cpu("one connection ping-pong", "echo-64-1", "uvloop", 1.0),
    _latency("one connection ping-pong, p50", "echo-64-1", P50, "uvloop", 1.0),
    _cpu("echo 512 B, 5000 connections", "echo-512-5000", "uvloop", 0.95),
    _cpu("datagram echo 64 B, 200 under way", "datagram", "uvloop", 0.70),
    _cpu("datagram echo 64 B, 200 under way", "datagram", "c-batch", 1.18),
    _cpu("KCP echo 64 B, 200 sessions", "kcp-echo", "kcp-go", 1.2),
    _rate("KCP echo 16 KiB, one session, messages", "kcp-bulk", "kcp-go", 0.7),
    _latency("KCP at 5 % loss and 20 ms, p99", "kcp-lossy", P99, "tcp", 0.5),
    _cpu("frames of 64 B, 16 deep", "frames", "uvloop", 0.2),
    _cpu("frames of 64 B, 16 deep", "frames", _OTHER, 0.6),
    Goal("Python per echo message, 50 connections", "us", Absolute("gil-50", GIL), "<=", 0.15),
    Goal("memory per idle connection, 10 000 of them", "B", Absolute("memory", MEMORY), "<=", 400),
    _latency("open loop at four fifths of C's capacity, p99", "open-80", P99, "uvloop", 0.8),
    _cpu("HTTP, one request at a time, 50 connections", "http-1", "uvloop", 0.92),
    *(
        _rate("HTTP pipelined 16 deep, 256 connections, requests", "http-16", against, limit)
        for against, limit in (("uvicorn", 5.0), ("granian", 1.0), ("node", 1.5))
    ),
    *(
        _cpu(f"TLS 1.3 echo {size}, 50 connections", workload, against, limit)
        for size, workload, limits in (
            ("64 B", "tls-64-50", (0.7, 0.45)),
            ("16 KiB", "tls-16384-50", (0.85, 0.55)),
        )
        for against, limit in zip(("asyncio", "uvloop"), limits, strict=True)
    ),
    *(
        _cpu(f"TLS 1.3 {how} handshake, echo, close", workload, against, limit)
        for how, workload in (("full", "tls-handshake"), ("resumed", "tls-resumed"))
        for against, limit in (("uvloop", 0.95), ("asyncio", 0.75))
    ),
    *(
        Goal("memory per idle TLS connection", against, Ratio("tls-memory", MEMORY_USED, against), "<=", 0.6)
        for against in ("uvloop", "asyncio")
    ),
    *(
        _cpu(f"asyncio echo 64 B, {connections} connections", f"echo-64-{connections}", against, limit, _AIO)
        for connections in (50, 500)
        for against, limit in (("uvloop", 0.95), ("asyncio", 0.55))
    ),
    _rate("asyncio echo 64 KiB, 200 connections, messages", "echo-65536-200", "uvloop", 1.0, _AIO),
    _cpu("asyncio streams, lines of 64 B", "lines", "uvloop", 1.0, _AIO),
    _cpu("a coroutine per connection, lines of 64 B", "lines", "asyncio", 1.0),
    _rate("uvicorn, plain ASGI, requests", "asgi-plain", "uvloop", 1.0, _AIO),
    _rate("uvicorn, Starlette, requests", "asgi-starlette", "uvloop", 1.0, _AIO),
    *(
        Goal(f"asyncio {what}, CPU", "asyncio", Ratio(f"tasks-{case}", STEP, "asyncio", _AIO), "<=", 1.05)
        for case, what in TASKS.items()
    ),
    _cpu("echo 64 B, 50 connections", "echo-64-50", _OTHER, 1.01),
    _cpu("two loops, same load", "loops", "gnet-2", 1.0, _TWO),
    _cpu("echo 64 B, 50 connections, with metrics and histograms", "watched-echo", "netcore", 1.01, _ADMIN),
    _cpu("two processes, echo 64 B, 50 connections", "processes-echo", "netcore", 1.05, _TWO),
    _cpu("two processes, HTTP, 50 connections", "processes-http", "netcore", 1.05, _TWO),
    _rate("two processes, 50 us of Python per message, messages", "processes-compute", "netcore", 1.9, _TWO),
    *(
        _rate("two processes, HTTP with 50 us each, requests", "processes-compute-http", against, 1.0, _TWO)
        for against in ("uvicorn-2", "gunicorn-2", "node-2")
    ),
    *(
        goal
        for workload, how in (("processes-replace", "SIGHUP"), ("processes-upgrade", "SIGUSR2"))
        for goal in (
            Goal(f"failed requests, {how}", "requests", Absolute(workload, FAILURES, _TWO), "<=", 0),
            Goal(f"longest wait, {how}", "ms beyond", Absolute(workload, EXCESS, _TWO), "<=", _SLICE),
        )
    ),
    Goal("supervisor's memory", "MB", Absolute("processes-rest", SUPERVISOR_RSS, _WATCHED), "<=", 25),
    Goal("supervisor at rest, CPU", "%", Absolute("processes-rest", SUPERVISOR_IDLE, _WATCHED), "<=", 0.1),
)
"""All but those of io_uring, which are about every workload that a run holds."""

_NEVER_WORSE = 1.05


def judge(run: Run) -> list[Verdict]:
    """Returns a verdict for every goal."""
    verdicts = []
    for goal in (*GOALS, *_io_uring_goals(run)):
        value = goal.measure.value(run)
        verdicts.append(Verdict(goal, value, "" if value else _why_not(run, goal.measure)))
    return verdicts


def peers_needed(workload: str) -> set[str]:
    """Returns the peers without which a goal about this workload cannot be judged."""
    pairs = (pair for goal in GOALS for pair in goal.measure.needs())
    return {peer for name, peer in pairs if name == workload}


def _io_uring_goals(run: Run) -> list[Goal]:
    """That io_uring is nowhere worse than epoll, by each workload's first figure of a cost."""
    goals = [
        _io_uring_goal(name, next(each for each in workload.compared if FIGURES[each].better == "lower"))
        for name, workload in run.workloads.items()
        if {_SUBJECT, _IO_URING} <= workload.outcomes.keys()
    ]
    return goals or [_io_uring_goal("echo-64-50", CPU)]


def _io_uring_goal(workload: str, figure: str) -> Goal:
    text = f"io_uring beside epoll, {workload}, {FIGURES[figure].heading}"
    return Goal(text, _SUBJECT, Ratio(workload, figure, _SUBJECT, _IO_URING), "<=", _NEVER_WORSE)


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
