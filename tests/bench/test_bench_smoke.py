"""The suite runs from one end to the other; nothing here asserts on time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# It starts servers by the dozen, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(330)

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT = ("--seconds", "0.25", "--warmup", "0.05", "--seed", "7", "--profile", "full")


def measured(result: dict[str, Any], workload: str, peer: str) -> list[dict[str, float]]:
    """Returns the samples of a peer, or none where it is missing on this machine for a reason it gives."""
    outcome = result["workloads"][workload]["peers"][peer]
    if outcome["status"] == "missing":
        assert outcome["reason"]
        return []
    assert outcome["status"] == "measured", outcome["reason"]
    rounds: list[dict[str, float]] = outcome["rounds"]
    return rounds


def test_stream_echo_from_measuring_to_documents(
    run_bench: Callable[..., Any], compiler: str, tmp_path: Path
) -> None:
    cells = ("--connections", "1,5", "--sizes", "64")
    peers = ("--peers", "c-epoll,asyncio,netcore")
    output = tmp_path / "docs"
    done = run_bench("--workloads", "echo", *cells, *peers, *SHORT, "--rounds", "2", "--write", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((output / "result.json").read_text())
    report = (output / "README.md").read_text()
    assert report.strip().endswith(done.stdout.strip())
    assert result["machine"].keys() >= {"kernel", "cpu", "python", "netcore", "peers"}
    assert result["command"].startswith("python -m bench --workloads echo")
    assert str(tmp_path) not in report
    assert list(result["workloads"]) == ["echo-64-1", "echo-64-5"]
    for name in result["workloads"]:
        for peer in result["workloads"][name]["peers"]:
            samples = measured(result, name, peer)
            assert f"| {peer}" in report
            assert [sample["round"] for sample in samples] in ([1, 2], [])
            assert all(sample["messages"] > 0 for sample in samples)
            assert all(sample["p50_us"] <= sample["p99_us"] <= sample["p999_us"] for sample in samples)
        assert measured(result, name, "c-epoll")
    again = run_bench("--load", str(output / "result.json"), "--compare", str(output / "result.json"))
    assert again.returncode == 0
    assert again.stdout.startswith(done.stdout.strip())
    assert "0 changed" in again.stdout


def test_peers_of_other_makers(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    selection = (
        "--workloads",
        "echo,datagram",
        "--connections",
        "5",
        "--peers",
        "uvloop,gevent,twisted,node",
    )
    done = run_bench(*selection, *SHORT, "--rounds", "1", "--json", str(output))
    result = json.loads(output.read_text())
    samples = [
        measured(result, name, peer)
        for name in result["workloads"]
        for peer in ("uvloop", "gevent", "twisted", "node")
    ]
    assert done.returncode == (0 if any(samples) else 1), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("workloads", "peers"),
    [
        (
            ("connect", "frames", "datagram", "mixed", "open-50", "open-80"),
            ("c-epoll", "c-batch", "netcore", "netcore.aio"),
        ),
        (("lines", "loops", "gil-50"), ("netcore", "netcore-2", "netcore.aio")),
        (("tasks-switch", "tasks-tree-mixed", "tasks-tcp"), ("netcore.aio",)),
        (("timers",), ("netcore",)),
    ],
    ids=["with others", "of ours", "tasks", "timers"],
)
def test_workloads_of_ours(
    run_bench: Callable[..., Any],
    compiler: str,
    tmp_path: Path,
    workloads: tuple[str, ...],
    peers: tuple[str, ...],
) -> None:
    output = tmp_path / "result.json"
    chosen = ("--workloads", ",".join(workloads), "--peers", ",".join(peers))
    done = run_bench(*chosen, *SHORT, "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert list(result["workloads"]) == list(workloads)
    for name, workload in result["workloads"].items():
        assert workload["peers"].keys() <= set(peers)
        for peer in workload["peers"]:
            (sample,) = measured(result, name, peer) or ({},)
            assert not sample or all(figure in sample for figure in workload["compared"])
            assert sample or not peer.startswith("netcore") or name == "gil-50"
    if "open-50" in workloads:
        asked = [measured(result, name, "netcore")[0]["asked_per_second"] for name in ("open-50", "open-80")]
        assert asked[1] / asked[0] == pytest.approx(1.6, rel=0.01)


def test_what_is_watched(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    peers = ("netcore", "netcore-admin", "netcore-access_log", "netcore-watchdog")
    selection = ("--workloads", "watched", "--peers", ",".join(peers))
    done = run_bench(*selection, *SHORT, "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    for name in ("watched-echo", "watched-connect"):
        for peer in peers:
            for sample in measured(result, name, peer):
                assert sample["messages"] > 0


def test_kcp(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    peers = ("netcore", "kcp-go", "tcp")
    selection = ("--workloads", "kcp", "--peers", ",".join(peers))
    done = run_bench(*selection, *SHORT, "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert list(result["workloads"]) == ["kcp-echo", "kcp-bulk", "kcp-lossy"]
    for name, workload in result["workloads"].items():
        for peer in workload["peers"]:
            for sample in measured(result, name, peer):
                assert all(figure in sample for figure in workload["compared"])
                # There and back over the bad line, and a histogram's step less.
                assert name != "kcp-lossy" or sample["p50_us"] > 39_000
    assert measured(result, "kcp-echo", "netcore") and measured(result, "kcp-bulk", "netcore")


TLS_FIGURES = {
    "tls-64-50": "cpu_us_per_message",
    "tls-16384-50": "cpu_us_per_message",
    "tls-handshake": "cpu_us_per_message",
    "tls-resumed": "cpu_us_per_message",
    "tls-memory": "bytes_per_used_connection",
}


@pytest.mark.parametrize(
    ("asked", "names", "peer"),
    [("tls", tuple(TLS_FIGURES), "netcore"), ("tls-resumed", ("tls-resumed",), "asyncio")],
    ids=["netcore", "asyncio"],
)
def test_tls(
    run_bench: Callable[..., Any],
    compiler: str,
    tmp_path: Path,
    asked: str,
    names: tuple[str, ...],
    peer: str,
) -> None:
    output = tmp_path / "result.json"
    done = run_bench("--workloads", asked, "--peers", peer, *SHORT, "--rounds", "1", "--json", str(output))
    result = json.loads(output.read_text())
    assert tuple(result["workloads"]) == names
    samples = [sample[TLS_FIGURES[name]] for name in names for sample in measured(result, name, peer)]
    assert done.returncode == (0 if samples else 1), done.stdout + done.stderr
    assert all(sample > 0 for sample in samples)


def test_mostly_idle_connections(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    # Without its native part netcore is on select, which has no room for so many.
    peer = "netcore" if list(REPOSITORY.glob("netcore/_native/*.so")) else "asyncio"
    selection = ("--workloads", "idle", "--peers", peer)
    done = run_bench(*selection, *SHORT, "--rounds", "1", "--json", str(output))
    samples = measured(json.loads(output.read_text()), "idle", peer)
    assert done.returncode == (0 if samples else 1), done.stdout + done.stderr
    for sample in samples:
        assert sample["messages"] > 0
        assert sample["bytes_per_connection"] > 0


def test_peers_that_are_built(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    if not list(REPOSITORY.glob("bench/.build/gnet-*")):
        pytest.skip("gnet has not been built here: that downloads modules, and is left to a run of the suite")
    output = tmp_path / "result.json"
    selection = ("--workloads", "echo,datagram,http", "--connections", "5", "--peers", "gnet")
    done = run_bench(*selection, *SHORT, "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert measured(result, "echo-64-5", "gnet")
    assert measured(result, "datagram", "gnet")
    assert measured(result, "http-16", "gnet") or shutil.which("wrk") is None


@pytest.mark.clients
def test_redis(run_bench: Callable[..., Any], tmp_path: Path) -> None:
    for tool in ("redis-server", "redis-benchmark"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on PATH")
    output = tmp_path / "result.json"
    done = run_bench("--workloads", "redis-get-16", *SHORT, "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert measured(result, "redis-get-16", "redis-server")[0]["messages_per_second"] > 0


@pytest.mark.clients
def test_http(run_bench: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not on PATH")
    output = tmp_path / "result.json"
    peers = ("--peers", "netcore,asyncio")
    done = run_bench(
        "--workloads", "http-1", *peers, *SHORT, "--seconds", "1", "--rounds", "1", "--json", str(output)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    for peer in ("netcore", "asyncio"):
        (sample,) = measured(result, "http-1", peer)
        assert sample["messages"] > 0
        assert 0 < sample["p50_us"] <= sample["p99_us"]


@pytest.mark.clients
def test_asgi(run_bench: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not on PATH")
    output = tmp_path / "result.json"
    peers = ("--peers", "netcore.aio,asyncio")
    # In a shorter time a busy machine may see no request through, as below.
    done = run_bench(
        "--workloads", "asgi", *peers, *SHORT, "--seconds", "1", "--rounds", "1", "--json", str(output)
    )
    result = json.loads(output.read_text())
    samples = [
        measured(result, f"asgi-{name}", peer)
        for name in ("plain", "starlette")
        for peer in ("netcore.aio", "asyncio")
    ]
    assert done.returncode == (0 if any(samples) else 1), done.stdout + done.stderr
    for (sample,) in filter(None, samples):
        assert sample["messages"] > 0


@pytest.mark.clients
def test_pipelined_http(run_bench: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not on PATH")
    output = tmp_path / "result.json"
    peers = ("netcore", "uvicorn", "granian", "node")
    selection = ("--workloads", "http-16", "--peers", ",".join(peers))
    # In a shorter time node gives no answer at all to so many at once, on a busy machine.
    done = run_bench(*selection, *SHORT, "--seconds", "1", "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    for peer in peers:
        for sample in measured(result, "http-16", peer):
            assert sample["messages_per_second"] > 0
            assert sample["cpu_us_per_message"] > 0
            assert "p50_us" not in sample
    assert measured(result, "http-16", "netcore")


def test_a_missing_peer_is_reported(run_bench: Callable[..., Any], compiler: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    arguments = ("--workloads", "echo", "--connections", "2", "--peers", "c-epoll,uvloop")
    python = ("--python", str(tmp_path / "none"))
    done = run_bench(*arguments, *python, *SHORT, "--rounds", "1", "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    peer = json.loads(output.read_text())["workloads"]["echo-64-2"]["peers"]["uvloop"]
    assert peer["status"] == "missing"
    assert "No such file" in peer["reason"]
    assert "| uvloop (missing) |" in done.stdout


def test_the_list_names_every_workload_and_peer(run_bench: Callable[..., Any]) -> None:
    done = run_bench("--list", "--profile", "full")
    assert done.returncode == 0
    for name in (
        "echo-65536-5000",
        "connect",
        "frames",
        "lines",
        "datagram",
        "kcp-echo",
        "kcp-lossy",
        "loops",
        "mixed",
        "open-50",
        "open-80",
        "idle",
        "memory",
        "tls-64-50",
        "tls-resumed",
        "http-1",
        "http-16",
        "asgi-plain",
        "asgi-starlette",
        "tasks-tcp",
        "redis-set-16",
        "timers",
        "gil-50",
        "watched-echo",
        "processes-rest",
    ):
        assert f"\n{name} " in done.stdout or done.stdout.startswith(name)
    for peer in (
        *(
            "c-epoll",
            "netcore",
            "netcore-io_uring",
            "netcore-cold",
            "netcore.aio",
            "uvloop",
            "asyncio",
            "gevent",
            "twisted",
        ),
        *("node", "gnet", "kcp-go", "netty", "uvicorn", "granian", "netcore-admin"),
        *("netcore-2-shared", "netcore-2-watched", "uvicorn-2", "gunicorn-2", "node-2"),
    ):
        assert peer in done.stdout


def test_the_quick_profile_names_what_its_goals_need(run_bench: Callable[..., Any], tmp_path: Path) -> None:
    done = run_bench("--list", "--other", str(tmp_path))
    assert done.returncode == 0
    for name in ("echo-16384-50", "open-80", "http-16", "netcore-other", "netcore-2", "granian"):
        assert name in done.stdout
    assert "twisted" not in done.stdout
    assert "timers" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--peers", "nobody"],
        ["--peers", "asyncio", "--baseline", "uvloop"],
        ["--rounds", "0"],
        ["--sizes", "64,0"],
        ["--workloads", "nothing"],
        ["--workloads", "redis", "--peers", "node"],
        ["--load", __file__],
    ],
    ids=" ".join,
)
def test_wrong_arguments_end_with_status_2(run_bench: Callable[..., Any], arguments: list[str]) -> None:
    done = run_bench(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
