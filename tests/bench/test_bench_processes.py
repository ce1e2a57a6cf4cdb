"""Servers of several processes: found, awaited, replaced and ended; and what their handlers compute."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PEERS = REPOSITORY / "bench" / "peers"

pytestmark = [pytest.mark.usefixtures("importable"), pytest.mark.timeout(330)]

# Listens, and has two forks that say so; at SIGUSR2 the listener goes to a third one, and it ends.
HANDING_OVER = """
import os, signal, socket, sys, time

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))


def hand_over(number, frame):
    if os.fork():
        os._exit(0)


def rest():
    print("ready to serve", flush=True)
    while True:
        time.sleep(60)


if os.fork() == 0 or os.fork() == 0:
    rest()
signal.signal(signal.SIGUSR2, hand_over)
while True:
    time.sleep(60)
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[[int], list[str]]:
    script = tmp_path / "server.py"
    script.write_text(HANDING_OVER)
    return lambda port: [sys.executable, str(script), str(port)]


def here() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


def test_whoever_takes_over_is_found_and_ended(command: Callable[[int], list[str]]) -> None:
    from bench import family, process

    with process.serving(command, here(), processes=2) as server:
        assert family.heads(server.pid) == [server.pid]
        before = family.in_session(server.pid)
        assert len(before) == len(server.family()) == 3
        assert list(before.values()).count(server.pid) == 2
        os.kill(server.pid, signal.SIGUSR2)
        give_up = time.monotonic() + 60
        while server.pid in family.in_session(server.pid):
            assert time.monotonic() < give_up
            time.sleep(0.01)
        # The successor and the two that were left behind.
        assert len(family.heads(server.pid)) == 3
    assert family.in_session(server.pid) == {}


def test_a_server_is_awaited_until_all_its_processes_are_there(command: Callable[[int], list[str]]) -> None:
    from bench import process

    program = command(0)[1]
    Path(program).write_text("print('ready to serve', flush=True)\nraise SystemExit('and no second one')\n")
    with (
        pytest.raises(process.RunError, match="and no second one"),
        process.serving(command, here(), processes=2),
    ):
        raise AssertionError("it never serves")


def test_something_is_done_while_the_load_runs() -> None:
    from bench import process

    times: list[None] = []
    sleep = [sys.executable, "-c", "import time; time.sleep(0.3); print('done')"]
    printed = process.run_load(sleep, here(), 60, lambda: times.append(time.sleep(0.01)))
    assert printed == "done\n"
    assert times
    with pytest.raises(process.RunError, match="did not end within"):
        process.run_load([sys.executable, "-c", "import time; time.sleep(60)"], here(), 0.2)
    with pytest.raises(ZeroDivisionError):
        process.run_load([sys.executable, "-c", "import time; time.sleep(60)"], here(), 60, lambda: 1 // 0)


class Says:
    """A launcher of a program that prints what it is given, or fails."""

    def __init__(self, program: str, missing: str | None = None) -> None:
        self._program, self._missing = program, missing

    def missing(self) -> str | None:
        return self._missing

    def command(self) -> list[str]:
        return [sys.executable, "-c", self._program]


def test_a_program_is_told_how_many_steps_to_compute() -> None:
    from bench.launchers import Computing

    reference = Says("import sys; print(7 * int(sys.argv[1]))")
    computing = Computing(Says("pass"), reference, 50)
    assert computing.missing() is None
    assert computing.command() == ["env", "BENCH_STEPS=350", sys.executable, "-c", "pass"]
    assert Computing(Says("pass", "not here"), reference, 50).missing() == "not here"
    assert Computing(Says("pass"), Says("raise SystemExit('no clock')"), 50).missing() == "no clock"


@pytest.mark.parametrize("interpreter", [sys.executable, "node"])
def test_more_microseconds_are_more_steps(interpreter: str) -> None:
    if shutil.which(interpreter) is None:
        pytest.skip(f"{interpreter} is not on PATH")
    script = PEERS / ("compute.js" if interpreter == "node" else "compute.py")
    steps = [
        int(subprocess.run([interpreter, script, us], capture_output=True, check=True).stdout)
        for us in ("10", "1000")
    ]
    assert 0 < 10 * steps[0] < steps[1]  # about a hundred times as many


def test_an_application_says_when_it_serves(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(PEERS))
    from http_application import computing

    def run(scope: dict[str, str], *events: str) -> list[str]:
        sent: list[str] = []
        arriving = list(events)

        async def receive() -> dict[str, str]:
            return {"type": arriving.pop(0)}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event["type"])

        asyncio.run(computing(scope, receive, send))
        return sent

    assert run({"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown") == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert capfd.readouterr().out == "ready to serve\n"
    assert run({"type": "http", "path": "/plaintext"}) == ["http.response.start", "http.response.body"]


SHORT = ("--seconds", "0.25", "--warmup", "0.05", "--seed", "7", "--profile", "full", "--rounds", "1")


def measured(
    run_bench: Callable[..., Any], workloads: str, peers: str, output: Path, *more: str
) -> dict[str, Any]:
    """Runs the suite, and returns the figures by workload and peer of those who were not missing."""
    done = run_bench("--workloads", workloads, "--peers", peers, *SHORT, *more, "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for name, workload in json.loads(output.read_text())["workloads"].items():
        for peer, outcome in workload["peers"].items():
            assert outcome["status"] in ("measured", "missing"), outcome["reason"]
            if outcome["status"] == "measured":
                (found[name, peer],) = outcome["rounds"]
    return found


def test_one_process_and_two(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    peers = "netcore,netcore-2,netcore-2-shared"
    found = measured(run_bench, "processes-echo,processes-compute", peers, tmp_path / "result.json")
    for name in ("processes-echo", "processes-compute"):
        for peer in peers.split(","):
            sample = found[name, peer]
            assert sample["messages"] > 0
            assert sample["server_busy"] <= 2.5
    assert found["processes-compute", "netcore-2"]["cpu_us_per_message"] > 40


@pytest.mark.clients
def test_web_servers_of_two_processes(run_bench: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not on PATH")
    peers = "netcore,netcore-2,uvicorn-2,gunicorn-2,node-2"
    found = measured(run_bench, "processes-compute-http", peers, tmp_path / "result.json")
    assert {peer for _, peer in found} >= {"netcore", "netcore-2"}
    for sample in found.values():
        assert sample["messages"] > 0
        assert sample["cpu_us_per_message"] > 40
        assert 0 < sample["load_busy"] <= 2.5


def test_replacements_and_rest(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    workloads = "processes-replace,processes-upgrade,processes-rest"
    found = measured(run_bench, workloads, "netcore-2", tmp_path / "result.json", "--seconds", "0.1")
    for name in ("processes-replace", "processes-upgrade"):
        sample = found[name, "netcore-2"]
        assert sample["failed_requests"] == 0
        assert sample["replaced"] >= 1
        assert sample["longest_wait_ms"] > 0
    rest = found["processes-rest", "netcore-2"]
    assert 0 < rest["supervisor_pss_mb"] <= rest["supervisor_rss_mb"]
    assert 0 <= rest["supervisor_idle_cpu_percent"] <= rest["idle_cpu_percent"]
