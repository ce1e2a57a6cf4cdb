"""The command line: `python -m bench`."""

import argparse
import dataclasses
import datetime
import json
import random
import sys
from pathlib import Path

from bench import arguments, documents, machine, process, toolchain
from bench.catalogue import PROFILES, Profile, select, workloads
from bench.compare import changes
from bench.goals import judge
from bench.peer import Peer
from bench.progress import open_progress
from bench.registry import Registry
from bench.report import comparison_to_markdown, regressions_to_markdown, run_to_markdown
from bench.results import Run, SchemaError, WorkloadResult, from_json
from bench.rounds import Task, run_rounds
from bench.workloads import Timing, Workload

_DESCRIPTORS = 1 << 15  # enough for the most connections that a workload has


def main() -> int:
    """Runs the benchmark; 0 if every peer that is not missing was measured in every round."""
    if sys.platform != "linux":
        print("bench: pinning, CPU clocks and load generators are Linux's", file=sys.stderr)
        return 1
    line = sys.argv[1:]
    wanted = arguments.parse(line)
    process.raise_descriptor_limit(_DESCRIPTORS)
    try:
        reference = wanted.worse or wanted.compare
        earlier = _read(reference) if reference else None
        if wanted.load:
            run = _read(wanted.load)
        else:
            tasks = _tasks(wanted)
            if wanted.list:
                return _list(tasks)
            run = _measure(wanted, tasks, arguments.spell(line))
    except (OSError, ValueError, toolchain.CompileError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    _report(wanted, run, earlier)
    return 1 if run.failed() else 0


def _tasks(wanted: argparse.Namespace) -> list[Task]:
    profile = PROFILES[wanted.profile]
    cells = list(profile.cells)
    if wanted.sizes or wanted.connections:
        sizes, connections = wanted.sizes or [64], wanted.connections or [50]
        cells = [(size, count) for size in sizes for count in connections]
    registry = Registry(wanted.python, wanted.other, wanted.pythons)
    everything = workloads(registry, cells, wanted.depth)
    names = wanted.workloads or profile.workloads
    tasks = []
    for workload in select(everything, names):
        peers = tuple(peer for peer in workload.peers if _wants(wanted, profile, workload, peer))
        if peers:
            tasks.append(Task(workload, peers))
    if not tasks:
        raise ValueError("none of these peers takes part in these workloads")
    return tasks


def _wants(wanted: argparse.Namespace, profile: Profile, workload: Workload, peer: Peer) -> bool:
    return peer.name in wanted.peers if wanted.peers else profile.takes(workload, peer)


def _list(tasks: list[Task]) -> int:
    for task in tasks:
        print(f"{task.workload.name:<16} {task.workload.title}")
        print(f"{'':<16}   {', '.join(peer.name for peer in task.peers)}")
    return 0


def _measure(wanted: argparse.Namespace, tasks: list[Task], command: str) -> Run:
    profile = PROFILES[wanted.profile]
    timing = Timing(wanted.warmup or profile.timing.warmup, wanted.seconds or profile.timing.seconds)
    rounds = wanted.rounds or profile.rounds
    cpus = process.pick_cpus()
    facts = machine.facts(wanted.python, cpus)
    run_rounds(tasks, cpus, timing, rounds, random.Random(wanted.seed), open_progress())
    return Run(
        command=command,
        date=datetime.datetime.now().astimezone().isoformat(" ", "minutes"),
        method={"rounds": rounds, **dataclasses.asdict(timing), "seed": wanted.seed},
        machine=facts,
        workloads={task.workload.name: _result(task, wanted.baseline) for task in tasks if task.outcomes},
    )


def _result(task: Task, baseline: str | None) -> WorkloadResult:
    return WorkloadResult(
        title=task.workload.title,
        settings=task.workload.settings(),
        compared=task.workload.compared,
        baseline=baseline if baseline in task.outcomes else next(iter(task.outcomes)),
        outcomes=task.outcomes,
    )


def _report(wanted: argparse.Namespace, run: Run, earlier: Run | None) -> None:
    if earlier and wanted.worse:
        print(regressions_to_markdown(changes(earlier, run), earlier))
    else:
        print(run_to_markdown(run, judge(run)))
    if earlier and wanted.compare:
        print(f"\n{comparison_to_markdown(changes(earlier, run), earlier)}")
    if wanted.json:
        documents.write_json(run, wanted.json)
    if wanted.write:
        for line in documents.write(run, wanted.write):
            print(line, file=sys.stderr)


def _read(path: Path) -> Run:
    try:
        return from_json(json.loads(path.read_text()))
    except (json.JSONDecodeError, KeyError, SchemaError) as error:
        raise ValueError(f"{path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
