"""What stands between the suite and its servers: variants, processes, the protocol, the kernel's stub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("importable")


def test_netcore_has_the_same_variants_in_every_job() -> None:
    from bench.catalogue import workloads
    from bench.registry import Registry

    values = dict.fromkeys(("port", "connections", "warmup", "seconds", "count", "certificate", "key"), 1)
    seen: dict[str, int] = {}
    for workload in workloads(Registry("python", other="/a tree"), [(64, 1)]):
        peers = {peer.name: peer for peer in workload.peers}
        without_kernel = workload.name.startswith(("gil", "timers", "tasks"))
        if workload.name.startswith("processes"):
            continue  # it is about how many processes there are
        for subject in {"netcore", "netcore.aio"} & peers.keys():
            seen[subject] = seen.get(subject, 0) + 1
            others = ("netcore-2", "netcore-admin", "netcore-access_log", "netcore-watchdog")
            own = [name for name in peers if name.partition("-")[0] == subject and name not in others]
            expected = ["", "-io_uring", "-cold", "-other"]
            assert own == [subject + each for each in expected if each != "-io_uring" or not without_kernel]
            plain = peers[subject].command(**values)
            assert peers[f"{subject}-cold"].command(**values) == ["env", "NETCORE_HOT=0", *plain]
            assert peers[f"{subject}-other"].command(**values) == ["env", "PYTHONPATH=/a tree", *plain]
            if not without_kernel:
                asking = ["env", "NETCORE_POLLER=io_uring", *plain]
                assert peers[f"{subject}-io_uring"].command(**values) == asking
    assert min(seen["netcore"], seen["netcore.aio"]) > 10


def test_other_interpreters_run_the_same_programs() -> None:
    from bench import arguments
    from bench.catalogue import peer_names
    from bench.registry import Registry

    pythons = arguments.parse(["--pythons", "pypy=/a/pypy3,next=/b/python"]).pythons
    registry = Registry(sys.executable, pythons=pythons)
    peers = {peer.name: peer for peer in registry.stream_echo()}
    for subject in ("netcore", "netcore.aio", "asyncio"):
        plain = peers[subject].command(port=1)
        assert peers[f"{subject}-pypy"].command(port=1) == ["/a/pypy3", *plain[1:]]
        assert peers[f"{subject}-next"].command(port=1) == ["/b/python", *plain[1:]]
        assert peers[f"{subject}-pypy"].settle > peers[subject].settle == 0
    assert peers["netcore-next"].missing() is not None
    assert "uvloop-pypy" not in peer_names(registry)
    assert arguments.parse(["--pythons", "a=b", "--peers", "netcore-a"]).peers == ["netcore-a"]
    for wrong in ("pypy", "=/a/pypy3", "pypy="):
        with pytest.raises(SystemExit):
            arguments.parse(["--pythons", wrong])


def test_the_loops_of_asyncio_run_one_program() -> None:
    from bench.catalogue import workloads
    from bench.registry import Registry

    values = dict.fromkeys(("port", "seconds", "count", "certificate", "key"), 1)
    programs = []
    for workload in workloads(Registry("python"), [(64, 1)]):
        peers = {peer.name: peer for peer in workload.peers}
        if "netcore.aio" in peers and workload.name != "frames":  # where one of them writes otherwise
            name, other = peers["netcore.aio"].command(**values), peers["asyncio"].command(**values)
            (own,) = [(one, two) for one, two in zip(name, other, strict=True) if one != two]
            assert own[0].removesuffix(":new_event_loop").removeprefix("--loop=") == "netcore.aio"
            assert own[1].removeprefix("--loop=") == "asyncio"
            programs.append(other[1])
    assert len(programs) > 20


def test_another_tree_without_its_native_part_is_missing(tmp_path: Path) -> None:
    from bench.registry import Registry

    package = tmp_path / "netcore"
    (package / "_native").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "_native" / "__init__.py").write_text("MISSING = 'nobody has compiled it'\n")
    peers = {peer.name: peer for peer in Registry(sys.executable, other=str(tmp_path)).stream_echo()}
    assert peers["netcore-other"].missing() == "nobody has compiled it"


def test_the_time_of_a_server_is_also_that_of_its_workers() -> None:
    from bench.process import Server

    # Forks a worker that works for a twentieth of a second of CPU time, then says so.
    program = """
import os, sys, time
if os.fork() == 0:
    while time.process_time() < 0.05:
        pass
    print("done", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "done\n"
        assert Server(port=0, pid=process.pid).cpu_seconds() >= 0.05
        process.stdin.close()


def test_figures_follow_from_what_a_generator_prints() -> None:
    from bench.workloads.load import sample_of

    answer = {
        "messages": 100,
        "seconds": 2.0,
        "messages_per_second": 50.0,
        "p50_us": 1.0,
        "p99_us": 2.0,
        "p999_us": 3.0,
        "load_cpu_seconds": 0.5,
        "server_cpu_seconds": 1.0,
    }
    plain = sample_of(answer)
    assert plain["cpu_us_per_message"] == 10_000
    assert (plain["server_busy"], plain["load_busy"]) == (0.5, 0.25)
    assert "lost_share" not in plain
    assert sample_of({**answer, "lost": 25})["lost_share"] == 0.2
    # What spins is always busy, and of a mixed load nobody knows which part the time went into.
    assert "load_busy" not in sample_of({**answer, "lag_p99_us": 7.0})
    mixed = sample_of({**answer, "bulk_bytes": 4_000_000})
    assert mixed["bulk_mb_per_second"] == 2.0
    assert "cpu_us_per_message" not in mixed


@pytest.fixture
def protocol(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("httptools")
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench" / "peers"))
    import http_exchange

    return http_exchange


GET = b"GET /plaintext HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n\r\n"
POST = b"POST /elsewhere HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("size", [1, 7, len(GET), 10_000])
def test_pipelined_requests_are_answered_in_their_order(protocol: Any, size: int) -> None:
    exchange = protocol.Exchange(protocol.Site("here"))
    requests = GET * 16 + POST + GET
    answers = b"".join(exchange.answer(requests[at : at + size]) for at in range(0, len(requests), size))
    responses = answers.split(b"HTTP/1.1 ")[1:]
    assert [response[:3] for response in responses] == [b"200"] * 16 + [b"404", b"200"]
    for response in responses:
        head, _, body = response.partition(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        assert list(headers) == [b"Server", b"Date", b"Content-Type", b"Content-Length"]
        assert int(headers[b"Content-Length"]) == len(body)
        assert body == (b"Hello, World!" if response.startswith(b"200") else b"")


def test_what_is_no_http_is_refused(protocol: Any) -> None:
    with pytest.raises(protocol.MalformedRequest):
        protocol.Exchange(protocol.Site("here")).answer(b"not a request\r\n\r\n")


STUBBED = """
import ctypes, select, socket

stub = ctypes.CDLL(None)
stub.stub_messages.restype = ctypes.c_long
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
poller = select.epoll()
poller.register(listener, select.EPOLLIN)
waker, wakes = socket.socketpair()
poller.register(waker, select.EPOLLIN)
stub.stub_begin(3)


def refuses(call, *arguments):
    try:
        call(*arguments)
    except BlockingIOError:
        return True
    return False


assert dict(poller.poll(60)) == {listener.fileno(): select.EPOLLIN}
connections = {}
for _ in range(3):
    connection, name = listener.accept()
    assert name[0] == "127.0.0.1"
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connections[connection.fileno()] = connection
    poller.register(connection, select.EPOLLIN)
assert refuses(listener.accept)

for turn in range(1, 200):  # some of these waits are the kernel's, where nothing has happened
    for fd, events in poller.poll(60):
        assert events == select.EPOLLIN
        assert len(connections[fd].recv(1000)) == 64
        assert refuses(connections[fd].recv, 1000)
        assert connections[fd].send(b"x" * 64) == 64
assert 3 * 190 < stub.stub_messages() < 3 * 200

first = connections.pop(next(iter(connections)))
poller.unregister(first)
first.close()
told = {fd for _ in range(10) for fd, _ in poller.poll(60)}
assert told == connections.keys()

# A descriptor that is no connection is the kernel's business.
a, b = socket.socketpair()
a.send(b"real")
assert b.recv(10) == b"real"
poller.register(b, select.EPOLLIN)
a.send(b"again")
assert any(fd == b.fileno() for _ in range(200) for fd, _ in poller.poll(60))
"""


def test_the_stub_answers_instead_of_the_kernel(compiler: str) -> None:
    from bench import toolchain

    environment = {**os.environ, "LD_PRELOAD": str(toolchain.library("kernel_stub"))}
    command = [sys.executable, "-c", STUBBED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_plots_hold_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench import plots
    from bench.results import Outcome, Run, WorkloadResult

    def workload(**figures: float) -> WorkloadResult:
        outcomes = {
            "c-epoll": Outcome(samples=dict.fromkeys((1, 2), figures)),
            "netcore": Outcome(samples={1: {name: 90 * value for name, value in figures.items()}}),
            "gnet": Outcome(missing="go is not on PATH"),
        }
        return WorkloadResult("", {}, tuple(figures), "c-epoll", outcomes)

    one, both = workload(p99_us=1.0), workload(p99_us=3.0)
    run = Run("", "", {}, {}, {"open-50": one, "open-80": both})
    assert plots.levels(run, "http-16", "messages_per_second") == {}
    assert {peer: value.median for peer, value in plots.levels(run, "open-80", "p99_us").items()} == {
        "c-epoll": 3.0,
        "netcore": 270.0,
    }
    (drawn,) = plots.draw(run, tmp_path)
    assert drawn[1].name == "open-loop.svg"
    assert drawn[1].read_text().startswith("<?xml")


def test_the_legend_of_a_plot_is_within_it() -> None:
    pytest.importorskip("matplotlib")
    from bench import plots
    from bench.summary import Spread

    series = {peer: [(1.0, Spread(1, 1, 1, 1)), (2.0, Spread(2, 2, 2, 1))] for peer in plots._COLOURS}
    figure = plots.lines([("one", series), ("other", series)], "bytes")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(series)
    place = legend.get_window_extent()
    assert figure.bbox.x0 <= place.x0 and place.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= place.y0 and place.y1 <= min(axes.bbox.y0 for axes in figure.axes)
