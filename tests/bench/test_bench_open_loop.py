"""The open loop: its schedule, its latencies, and the rate that it is given."""

from __future__ import annotations

import ctypes
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("importable")

CAPACITY, RATE = "messages_per_second", "asked_per_second"
SECOND = 1_000_000_000
NOBODY = 1 << 22  # no process has so high a number: pid_max in proc(5)


class Schedule(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_uint64), ("rate", ctypes.c_uint64), ("connections", ctypes.c_uint64)]


@pytest.fixture
def schedule(compiler: str) -> ctypes.CDLL:
    from bench import toolchain

    functions = ctypes.CDLL(str(toolchain.library("schedule")))
    for name, arguments in (("time", 1), ("due", 1), ("share", 2)):
        function = getattr(functions, f"schedule_{name}")  # the same one each time, unlike functions[...]
        function.restype = ctypes.c_uint64
        function.argtypes = [ctypes.POINTER(Schedule), *[ctypes.c_uint64] * arguments]
    return functions


@pytest.mark.parametrize("rate", [1, 3, 7, 1000, 150_001, 999_999_937, SECOND])
def test_messages_are_due_evenly_and_none_is_left_out(schedule: ctypes.CDLL, rate: int) -> None:
    begin = 17 * SECOND + 123
    plan = ctypes.byref(Schedule(begin, rate, 50))
    numbers = [
        0,
        1,
        2,
        rate - 1,
        rate,
        rate + 1,
        3600 * rate,
        *random.Random(rate).choices(range(rate), k=200),
    ]
    for number in numbers:
        time = schedule.schedule_time(plan, number)
        assert time == begin + number * SECOND // rate
        assert schedule.schedule_due(plan, time) > number
        assert schedule.schedule_due(plan, time - 1) <= number
    assert schedule.schedule_due(plan, begin - 1) == 0
    assert schedule.schedule_due(plan, begin) == 1
    for passed in (1, SECOND - 1, SECOND, 5 * SECOND // 3):
        assert schedule.schedule_due(plan, begin + passed) == math.ceil((passed + 1) * rate / SECOND)


@pytest.mark.parametrize("connections", [1, 3, 50])
@pytest.mark.parametrize("due", [0, 1, 2, 3, 49, 50, 51, 1000])
def test_connections_take_turns(schedule: ctypes.CDLL, connections: int, due: int) -> None:
    plan = ctypes.byref(Schedule(0, 1000, connections))
    expected = [len(range(index, due, connections)) for index in range(connections)]
    assert [schedule.schedule_share(plan, due, index) for index in range(connections)] == expected
    assert sum(expected) == due


class Histogram(ctypes.Structure):
    _fields_ = [("total", ctypes.c_uint64), ("counts", ctypes.c_uint64 * (60 * 64))]


@pytest.fixture
def percentile(compiler: str) -> Callable[[Sequence[int], float], float]:
    from bench import toolchain

    functions = ctypes.CDLL(str(toolchain.library("histogram")))
    functions.histogram_add.argtypes = [ctypes.POINTER(Histogram), ctypes.c_uint64]
    functions.histogram_percentile.argtypes = [ctypes.POINTER(Histogram), ctypes.c_double]
    functions.histogram_percentile.restype = ctypes.c_double

    def of(durations: Sequence[int], share: float) -> float:
        histogram = Histogram()
        for each in durations:
            functions.histogram_add(ctypes.byref(histogram), each)
        assert histogram.total == len(durations)
        found: float = functions.histogram_percentile(ctypes.byref(histogram), share)
        return found

    return of


Percentile = Callable[[Sequence[int], float], float]


def test_percentiles_of_short_durations_are_exact(percentile: Percentile) -> None:
    durations = list(range(100))
    assert [percentile(durations, share) for share in (0.01, 0.5, 0.99, 0.999, 1.0)] == [0, 49, 98, 99, 99]
    assert percentile([], 0.5) == 0
    assert percentile([0], 0.99) == 0


@pytest.mark.parametrize(
    "duration", [127, 128, 129, 1000, 65_535, 65_536, 12_345_678, SECOND, 2**63, 2**64 - 1]
)
def test_percentiles_of_long_ones_are_off_by_less_than_a_step(percentile: Percentile, duration: int) -> None:
    assert percentile([duration], 0.5) == pytest.approx(duration, rel=1 / 64)


def test_percentiles_of_many(percentile: Percentile) -> None:
    choose = random.Random(5)
    durations = sorted(int(choose.lognormvariate(10, 2)) for _ in range(2000))
    for share in (0.5, 0.99, 0.999):
        exact = durations[math.ceil(share * len(durations)) - 1]
        assert percentile(durations, share) == pytest.approx(exact, rel=1 / 64)


class Peer:
    settle = 0.5

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, **values: object) -> list[str]:
        return [self.name]


class Machine:
    """Servers and load generators that do nothing; the reference gets faster by 1000 with every run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from bench import process, toolchain

        self.ran: list[tuple[str, str, list[str]]] = []
        self._serving = ""
        monkeypatch.setattr(process, "serving", self.serving)
        monkeypatch.setattr(process, "run_load", self.run_load)
        monkeypatch.setattr(toolchain, "binary", lambda program: program)

    @contextmanager
    def serving(self, command: Callable[[int], list[str]], cpus: object) -> Iterator[Any]:
        from bench.process import Server

        (self._serving,) = command(1)
        yield Server(port=1, pid=NOBODY)

    def run_load(self, command: list[str], cpus: object, timeout: float, meanwhile: object = None) -> str:
        self.ran.append((self._serving, command[0], command[3:]))
        rate = 9000.0 + 1000 * sum(program == "load_stream" for _, program, _ in self.ran)
        figures = dict.fromkeys(
            ("p50_us", "p99_us", "p999_us", "server_cpu_seconds", "load_cpu_seconds"), 1.0
        )
        counts = {"messages": 10, "seconds": 1.0, CAPACITY: rate, "unanswered": 0, "lag_p99_us": 3.0}
        return json.dumps({**figures, **counts})


def test_a_share_of_the_capacity_is_asked_of_all_in_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.process import Cpus
    from bench.workloads import Capacity, OpenLoop, Timing, Window

    machine = Machine(monkeypatch)
    reference: Any = Peer("c-epoll")
    a: Any = Peer("a")
    b: Any = Peer("b")
    capacity = Capacity(reference, connections=50, size=64)
    half, most = (OpenLoop(f"open-{percent}", "", (a, b), capacity, percent) for percent in (50, 80))
    cpus = Cpus(frozenset({0}), frozenset({1}))
    asked = [
        [
            loop.measure(peer, Window(number, cpus, Timing(0.25, 1.0)))[RATE]
            for loop in (half, most)
            for peer in (a, b)
        ]
        for number in (1, 2)
    ]
    assert asked == [[5000, 5000, 8000, 8000], [5500, 5500, 8800, 8800]]
    # Measured when it is first asked for, and once in a round; a peer that needs it has more load before.
    assert [server for server, _, _ in machine.ran] == ["c-epoll", *"abab", "c-epoll", *"abab"]
    assert machine.ran[0] == ("c-epoll", "load_stream", ["50", "64", "1", "0.25", "1.0", str(NOBODY)])
    assert machine.ran[1] == ("a", "load_open", ["50", "64", "5000", "0.75", "1.0", str(NOBODY)])


def test_without_the_reference_there_is_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import process
    from bench.process import Cpus, RunError
    from bench.workloads import Capacity, OpenLoop, Timing, Window

    machine = Machine(monkeypatch)

    def fail(*arguments: object) -> str:
        raise RunError("it broke")

    monkeypatch.setattr(process, "run_load", fail)
    peer: Any = Peer("a")
    loop = OpenLoop("open-50", "", (peer,), Capacity(peer, 50, 64), 50)
    window = Window(1, Cpus(frozenset({0}), frozenset({1})), Timing(0.1, 0.1))
    with pytest.raises(RunError, match="it broke"):
        loop.measure(peer, window)
    monkeypatch.setattr(process, "run_load", machine.run_load)
    assert loop.measure(peer, window)[RATE] == 5000  # a failed attempt is not remembered
