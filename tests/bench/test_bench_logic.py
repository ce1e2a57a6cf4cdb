"""The suite's arithmetic and data: ratios, goals, comparisons, selection, JSON."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.results import Outcome, Run, WorkloadResult

pytestmark = pytest.mark.usefixtures("importable")

CPU, RATE = "cpu_us_per_message", "messages_per_second"


def outcome(*cpu: float, **others: float) -> Outcome:
    from bench.results import Outcome

    return Outcome(samples={n: {CPU: value, **others} for n, value in enumerate(cpu, 1)})


def result(baseline: str, **outcomes: Outcome) -> WorkloadResult:
    from bench.results import WorkloadResult

    named = {name.replace("_", "-"): each for name, each in outcomes.items()}
    return WorkloadResult("a title", {"connections": 1, "size": 64, "depth": 1}, (CPU,), baseline, named)


def run_of(**workloads: WorkloadResult) -> Run:
    from bench.results import Run

    named = {name.replace("_", "-"): each for name, each in workloads.items()}
    return Run("python -m bench", "today", {"rounds": 3}, {"kernel": "none"}, named)


def test_ratios_are_of_one_round() -> None:
    from bench.summary import ratio, ratios

    own, other = outcome(2.0, 3.0, 8.0), outcome(1.0, 2.0, 4.0)
    del own.samples[1]
    assert ratios(CPU, own, other) == {2: 1.5, 3: 2.0}
    spread = ratio(CPU, own, other)
    assert spread is not None
    assert (spread.min, spread.median, spread.max, spread.count) == (1.5, 1.75, 2.0, 2)
    assert ratio(CPU, outcome(1.0), outcome(0.0)) is None
    assert ratio("no such figure", own, other) is None


def test_medians() -> None:
    from bench.summary import medians

    assert medians(outcome(5.0, 1.0, 2.0, **{RATE: 7.0})) == {CPU: 2.0, RATE: 7.0}


def verdicts_by_text(run: Run) -> dict[tuple[str, str], Any]:
    from bench.goals import judge

    return {(verdict.goal.text, verdict.goal.against): verdict for verdict in judge(run)}


def test_goals_are_reached_missed_and_not_measured() -> None:
    from bench.results import Outcome

    echo = result(
        "c-epoll",
        c_epoll=outcome(1.0, 1.0, 1.0),
        netcore=outcome(1.0, 1.04, 1.2),
        uvloop=outcome(1.0, 1.0, 1.0),
        gnet=Outcome(missing="go is not on PATH"),
    )
    found = verdicts_by_text(run_of(echo_64_50=echo))
    text = "echo 64 B, 50 connections, CPU"
    reached = found[text, "c-epoll"]
    assert (reached.status, reached.clear) == ("reached", False)
    missed = found[text, "uvloop"]
    assert (missed.status, missed.clear) == ("not reached", True)
    missing = found[text, "gnet"]
    assert missing.status == "not measured"
    assert missing.reason == "echo-64-50, gnet: go is not on PATH"
    assert found["echo 64 B, 500 connections, CPU", "c-epoll"].reason == "echo-64-500 was not run"


GOALS_OF_THE_TABLE = """
echo-64-50 c-epoll <= 1.08, echo-64-50 uvloop <= 0.92, echo-64-50 gnet <= 0.85
echo-64-500 c-epoll <= 1.08, echo-64-500 uvloop <= 0.92, echo-64-500 gnet <= 0.85
echo-65536-200 c-epoll >= 0.92, echo-65536-200 uvloop >= 1.05
echo-4096-50 uvloop >= 1, echo-16384-50 uvloop >= 1
connect c-epoll <= 1.12, connect uvloop <= 0.85
echo-64-1 uvloop <= 1, echo-64-1 uvloop <= 1
echo-512-5000 uvloop <= 0.95
datagram uvloop <= 0.7, datagram c-batch <= 1.18
kcp-echo kcp-go <= 1.2, kcp-bulk kcp-go >= 0.7, kcp-lossy tcp <= 0.5
frames uvloop <= 0.2, frames netcore-other <= 0.6
gil-50 netcore <= 0.15
memory netcore <= 400
open-80 uvloop <= 0.8
http-1 uvloop <= 0.92
http-16 uvicorn >= 5, http-16 granian >= 1, http-16 node >= 1.5
tls-64-50 asyncio <= 0.7, tls-64-50 uvloop <= 0.45
tls-16384-50 asyncio <= 0.85, tls-16384-50 uvloop <= 0.55
tls-handshake uvloop <= 0.95, tls-handshake asyncio <= 0.75
tls-resumed uvloop <= 0.95, tls-resumed asyncio <= 0.75
tls-memory uvloop <= 0.6, tls-memory asyncio <= 0.6
echo-64-50 uvloop <= 0.95, echo-64-50 asyncio <= 0.55
echo-64-500 uvloop <= 0.95, echo-64-500 asyncio <= 0.55
echo-65536-200 uvloop >= 1
lines uvloop <= 1, lines asyncio <= 1
asgi-plain uvloop >= 1, asgi-starlette uvloop >= 1
tasks-call_soon asyncio <= 1.05, tasks-switch asyncio <= 1.05
tasks-tree-none asyncio <= 1.05, tasks-tree-io asyncio <= 1.05
tasks-tree-memoization asyncio <= 1.05, tasks-tree-mixed asyncio <= 1.05
tasks-coroutines asyncio <= 1.05, tasks-tcp asyncio <= 1.05
echo-64-50 netcore-other <= 1.01
loops gnet-2 <= 1
watched-echo netcore <= 1.01
processes-echo netcore <= 1.05, processes-http netcore <= 1.05
processes-compute netcore >= 1.9
processes-compute-http uvicorn-2 >= 1, processes-compute-http gunicorn-2 >= 1
processes-compute-http node-2 >= 1
processes-replace netcore-2 <= 0, processes-replace netcore-2 <= 3
processes-upgrade netcore-2 <= 0, processes-upgrade netcore-2 <= 3
processes-rest netcore-2-watched <= 25, processes-rest netcore-2-watched <= 0.1
"""


def test_the_goals_are_those_that_were_set() -> None:
    from bench.goals import GOALS

    lines = [
        f"{workload} {peer} {goal.relation} {goal.limit:g}"
        for goal in GOALS
        for workload, peer in goal.measure.needs()[-1:]
    ]
    assert lines == GOALS_OF_THE_TABLE.strip().replace("\n", ", ").split(", ")


def test_io_uring_has_a_goal_for_every_workload_of_a_run() -> None:
    from bench.results import WorkloadResult

    def pair(epoll: Outcome, io_uring: Outcome, *compared: str) -> WorkloadResult:
        return WorkloadResult("", {}, compared, "netcore", {"netcore": epoll, "netcore-io_uring": io_uring})

    run = run_of(
        echo_64_50=pair(outcome(2.0, 2.0), outcome(1.0, 3.0), CPU, RATE),
        redis=pair(outcome(1.0, **{RATE: 1.0}), outcome(1.2, **{RATE: 9.0}), RATE, CPU),
        mixed=pair(outcome(1.0, p99_us=5.0), outcome(1.0, p99_us=5.0), "p99_us"),
        timers=result("netcore", netcore=outcome(1.0)),
    )
    rows = {text: verdict for (text, _), verdict in verdicts_by_text(run).items() if "io_uring" in text}
    assert {text: (verdict.status, verdict.clear) for text, verdict in rows.items()} == {
        "io_uring beside epoll, echo-64-50, CPU us/msg": ("reached", False),
        "io_uring beside epoll, redis, CPU us/msg": ("not reached", True),
        "io_uring beside epoll, mixed, p99 us": ("reached", True),
    }
    nothing = {text for (text, _) in verdicts_by_text(run_of()) if "io_uring" in text}
    assert nothing == {"io_uring beside epoll, echo-64-50, CPU us/msg"}


def test_every_goal_is_about_a_workload_and_peers_there_are() -> None:
    from bench.catalogue import PROFILES, select, workloads
    from bench.goals import GOALS
    from bench.registry import Registry

    for profile in PROFILES.values():
        everything = workloads(Registry("python", other="tree"), profile.cells)
        chosen = {each.name: each for each in select(everything, profile.workloads)}
        for goal in GOALS:
            for name, wanted in goal.measure.needs():
                (peer,) = (peer for peer in chosen[name].peers if peer.name == wanted)
                assert profile.takes(chosen[name], peer)


def test_the_quick_profile_adds_what_a_goal_needs_where_it_needs_it() -> None:
    from bench.catalogue import PROFILES, workloads
    from bench.registry import Registry

    quick = PROFILES["quick"]
    peers = {
        each.name: [peer.name for peer in each.peers if quick.takes(each, peer)]
        for each in workloads(Registry("python", other="tree"), quick.cells)
    }
    assert "netcore-other" in peers["frames"]
    assert "netcore-other" not in peers["datagram"]
    assert "gnet" in peers["echo-64-50"]
    assert "gnet" not in peers["echo-64-1"]
    assert {"uvicorn", "granian", "node"} <= set(peers["http-16"])
    assert peers["mixed"] == ["c-epoll", "netcore", "netcore-io_uring", "netcore.aio", "uvloop"]


def test_changes_beyond_the_spread() -> None:
    from bench.compare import changes
    from bench.report import comparison_to_markdown

    def run(*netcore: float) -> Run:
        others = {"uvloop": outcome(3.0, 3.0, 3.0), "netcore": outcome(*netcore)}
        return run_of(echo_64_50=result("c-epoll", c_epoll=outcome(1.0, 1.0, 1.0), **others))

    before = run(1.0, 1.1, 1.2)
    found = {change.peer: change for change in changes(before, run(1.3, 1.4, 1.5))}
    assert found["netcore"].verdict == "regression"
    assert found["netcore"].factor == pytest.approx(1.4 / 1.1)
    assert found["uvloop"].verdict == "same"
    assert "c-epoll" not in found
    assert {change.peer: change.verdict for change in changes(before, run(0.9, 0.8, 0.7))}[
        "netcore"
    ] == "improvement"
    assert {change.peer: change.verdict for change in changes(before, run(1.2, 1.4, 1.5))}[
        "netcore"
    ] == "same"
    assert {change.peer: change.verdict for change in changes(before, run(9.0))}[
        "netcore"
    ] == "too few rounds"
    text = comparison_to_markdown(list(found.values()), before)
    assert "| regression | echo-64-50 | netcore |" in text
    assert "2 figures compared, 1 changed" in text


def test_what_got_worse_and_nothing_else() -> None:
    from bench.compare import changes
    from bench.report import regressions_to_markdown

    def run(worse: float, better: float) -> Run:
        others = {"uvloop": outcome(*[better] * 3), "netcore": outcome(*[worse] * 3)}
        return run_of(echo_64_50=result("c-epoll", c_epoll=outcome(1.0, 1.0, 1.0), **others))

    before = run(1.0, 2.0)
    text = regressions_to_markdown(changes(before, run(1.5, 1.5)), before)
    assert "2 figures compared, 1 got worse" in text
    assert "| regression | echo-64-50 | netcore |" in text and "+50%" in text
    assert "improvement" not in text and "uvloop" not in text
    text = regressions_to_markdown(changes(before, before), before)
    assert "2 figures compared, 0 got worse" in text and "|" not in text


def test_worse_refers_to_the_written_run_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import arguments
    from bench.__main__ import main

    written = arguments.DOCUMENTS / "result.json"
    assert arguments.parse(["--worse"]).worse == written
    assert arguments.parse(["--worse", "other.json"]).worse == Path("other.json")
    with pytest.raises(SystemExit):
        arguments.parse(["--worse", "--compare", "other.json"])
    assert "leave out --compare" in capsys.readouterr().err

    monkeypatch.setattr(sys, "argv", ["bench", "--load", str(written), "--worse"])
    main()
    said = capsys.readouterr().out
    assert said.startswith("## Compared with") and ", 0 got worse" in said
    assert "| goal |" not in said


def test_without_a_baseline_figures_are_compared_as_they_are() -> None:
    from bench.compare import changes

    def run(*cpu: float) -> Run:
        return run_of(echo_64_50=result("netcore", netcore=outcome(*cpu)))

    (change,) = changes(run(1.0, 1.0, 1.0), run(2.0, 2.0, 2.0))
    assert (change.verdict, change.before.median, change.after.median) == ("regression", 1.0, 2.0)


def test_json_round_trip() -> None:
    from bench.results import Outcome, SchemaError, from_json, to_json

    failed = Outcome(failed="round 2: it broke", samples={1: {CPU: 1.0}})
    run = run_of(a=result("x", x=outcome(1.0, 2.0), y=Outcome(missing="not here"), z=failed))
    assert from_json(to_json(run)) == run
    for wrong in ([], {}, {"schema": 1}):
        with pytest.raises(SchemaError):
            from_json(wrong)


def test_selection_by_name_and_group() -> None:
    from bench.catalogue import select, workloads
    from bench.registry import Registry

    everything = workloads(Registry("python"), [(64, 1), (64, 50)])
    assert select(everything, None) == everything
    assert [each.name for each in select(everything, ["gil-50", "echo"])] == [
        "echo-64-1",
        "echo-64-50",
        "gil-50",
    ]
    with pytest.raises(ValueError, match="nothing"):
        select(everything, ["echo", "nothing"])


class Flaky:
    """A workload whose peers fail when told so, and that remembers who was measured."""

    name, title, compared = "flaky", "flaky", (CPU,)

    def __init__(self, failing: str) -> None:
        self.failing = failing
        self.measured: list[str] = []

    def missing(self) -> None:
        return None

    def measure(self, peer: Any, window: Any) -> dict[str, float]:
        from bench.process import RunError

        self.measured.append(peer.name)
        if peer.name == self.failing:
            raise RunError("it broke")
        return {CPU: 1.0}


def test_each_round_has_every_peer_once_and_a_failed_one_no_more() -> None:
    from bench.process import Cpus
    from bench.progress import Lines
    from bench.rounds import Task, run_rounds
    from bench.workloads import Timing

    class Peer:
        def __init__(self, name: str, reason: str | None = None) -> None:
            self.name, self.reason = name, reason

        def missing(self) -> str | None:
            return self.reason

    workload = Flaky(failing="b")
    peers: Any = (Peer("a"), Peer("b"), Peer("c"), Peer("d", "not here"))
    task = Task(workload, peers)  # type: ignore[arg-type]
    cpus = Cpus(frozenset({0}), frozenset({0}))
    run_rounds([task], cpus, Timing(0.1, 0.1), 3, random.Random(1), Lines())
    assert sorted(workload.measured) == ["a"] * 3 + ["b"] + ["c"] * 3
    assert sorted(workload.measured[:3]) == ["a", "b", "c"]
    assert {name: each.status for name, each in task.outcomes.items()} == {
        "a": "measured",
        "b": "failed",
        "c": "measured",
        "d": "missing",
    }
    assert task.outcomes["b"].reason == "round 1: it broke"


def test_a_command_without_paths_of_this_machine() -> None:
    from bench.arguments import spell

    line = ["--python", "/somewhere/bin/pypy3", "--write", "/tmp/x y", "--seed", "3"]
    assert spell(line) == "python -m bench --python pypy3 --write 'x y' --seed 3"
