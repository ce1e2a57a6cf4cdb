"""All workloads, and what the profiles take of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import process, several, watched
from bench.figures import BULK, CPU, GIL, P50, P99, RATE, STEP, TIMER
from bench.goals import TASKS, peers_needed
from bench.peer import Peer
from bench.registry import Registry
from bench.workloads import (
    BadLine,
    Capacity,
    Http,
    IdleMemory,
    Load,
    MostlyIdle,
    OpenLoop,
    Program,
    RedisCommand,
    Timing,
    TlsIdleMemory,
    TlsLoad,
    Workload,
)
from bench.workloads.tls import shakes_hands

SIZES = (64, 512, 4096, 65536)
CONNECTIONS = (1, 50, 500, 5000)
_GOAL_CELLS = ((64, 1), (64, 50), (64, 500), (512, 5000), (4096, 50), (16384, 50), (65536, 200))
_MOSTLY_IDLE = 20_000
_FEWEST_MOSTLY_IDLE = 10_000


@dataclass(frozen=True)
class Profile:
    """How much is measured.

    Attributes:
        cells: The (size, connections) of the stream echo.
        workloads: Names and groups; None for all.
        peers: Names, to which each workload adds those that the goals need of it; None for all.
    """

    rounds: int
    timing: Timing
    cells: tuple[tuple[int, int], ...]
    workloads: tuple[str, ...] | None = None
    peers: tuple[str, ...] | None = None

    def takes(self, workload: Workload, peer: Peer) -> bool:
        """Whether the peer is measured in the workload."""
        return self.peers is None or peer.name in self.peers or peer.name in peers_needed(workload.name)


PROFILES = {
    "quick": Profile(
        rounds=3,
        timing=Timing(warmup=0.3, seconds=0.8),
        cells=_GOAL_CELLS,
        workloads=(
            *(
                "echo",
                "connect",
                "frames",
                "lines",
                "datagram",
                "kcp",
                "loops",
                "open",
                "mixed",
                "idle",
                "memory",
                "tls",
            ),
            *("redis-get-1", "redis-get-16", "http", "asgi", "tasks", "gil-50", "watched-echo", "processes"),
        ),
        peers=("c-epoll", "c-batch", "redis-server", "netcore", "netcore-io_uring", "netcore.aio", "uvloop"),
    ),
    "full": Profile(
        rounds=5,
        timing=Timing(warmup=0.5, seconds=2.0),
        cells=(*((size, count) for size in SIZES for count in CONNECTIONS), (16384, 50), (65536, 200)),
    ),
}


def workloads(registry: Registry, cells: Iterable[tuple[int, int]], depth: int = 1) -> list[Workload]:
    """Returns every workload there is, the stream echo with these cells and this depth."""
    return [
        *(_stream_echo(registry, size, connections, depth) for size, connections in cells),
        *_other_loads(registry),
        *_kcp(registry),
        *_open_loops(registry),
        _mostly_idle(registry),
        IdleMemory("memory", "memory per idle connection, Pss", registry.stream_echo(), 10_000),
        *_tls(registry),
        *_redis(registry),
        *_http(registry),
        *_asgi(registry),
        *_tasks(registry),
        _timers(registry),
        *_gil(registry),
        *watched.workloads(registry),
        *several.workloads(registry),
    ]


def peer_names(registry: Registry) -> list[str]:
    """Returns the names of all peers, each once."""
    names = (peer.name for workload in workloads(registry, [(64, 1)]) for peer in workload.peers)
    return list(dict.fromkeys(names))


def _stream_echo(registry: Registry, size: int, connections: int, depth: int) -> Load:
    return Load(
        name=f"echo-{size}-{connections}" + (f"-{depth}" if depth > 1 else ""),
        title=f"stream echo, {size} B, {connections} connections",
        peers=registry.stream_echo(),
        generator="load_stream",
        shape={"connections": connections, "size": size, "depth": depth},
    )


def _other_loads(registry: Registry) -> Iterable[Workload]:
    yield Load(
        name="connect",
        title="connect, echo 64 B, close; 50 under way",
        peers=registry.stream_echo(),
        generator="load_connect",
        shape={"connections": 50, "size": 64},
    )
    yield Load(
        name="frames",
        title="length-field frames, 64 B, 16 deep, 50 connections",
        peers=registry.frames(),
        generator="load_stream",
        options=("--frames",),
        shape={"connections": 50, "size": 64, "depth": 16},
    )
    yield Load(
        name="lines",
        title="lines of 64 B by a coroutine each, 50 connections",
        peers=registry.lines(),
        generator="load_stream",
        options=("--lines",),
        shape={"connections": 50, "size": 64, "depth": 1},
    )
    yield Load(
        name="datagram",
        title="datagram echo, 64 B, 200 under way from 10 sockets",
        peers=registry.datagram_echo(),
        generator="load_datagram",
        shape={"sockets": 10, "size": 64, "depth": 20},
        serves=process.answers_datagram,
    )
    yield Load(
        name="loops",
        title="stream echo, 64 B, 200 connections, one loop and two; server and load share all CPUs",
        peers=registry.several_loops(),
        generator="load_stream",
        shape={"connections": 200, "size": 64, "depth": 1},
        several_cpus=True,
        compared=(CPU, RATE),
    )
    yield Load(
        name="mixed",
        title="100 connections of 64 B beside one that sends 64 KiB as fast as it goes, 8 under way",
        peers=registry.stream_echo(),
        generator="load_mixed",
        shape={"connections": 100, "size": 64, "bulk_size": 65536, "bulk_depth": 8},
        compared=(P99, P50, BULK),
    )


def _kcp(registry: Registry) -> Iterable[Workload]:
    peers = registry.kcp_echo()
    yield Load(
        name="kcp-echo",
        title="KCP echo, 64 B, 200 sessions",
        peers=peers,
        generator="load_stream_kcp",
        shape={"sessions": 200, "size": 64, "depth": 1},
        serves=process.answers_kcp,
    )
    yield Load(
        name="kcp-bulk",
        title="KCP echo, 16 KiB, 32 under way in one session",
        peers=peers,
        generator="load_stream_kcp",
        shape={"sessions": 1, "size": 16384, "depth": 32},
        serves=process.answers_kcp,
        compared=(RATE, CPU),
    )
    yield BadLine(
        name="kcp-lossy",
        title="open loop, 64 B, 50 sessions, 20 messages a second each, over 20 ms with 5 % loss",
        peers=registry.kcp_and_tcp(),
        by_tcp=("tcp",),
        loss=0.05,
        delay=0.02,
        connections=50,
        size=64,
        rate=1000,
    )


def _open_loops(registry: Registry) -> Iterable[Workload]:
    peers = registry.stream_echo()
    capacity = Capacity(peers[0], connections=50, size=64)
    for percent, share in ((50, "half"), (80, "four fifths")):
        yield OpenLoop(
            name=f"open-{percent}",
            title=f"open loop, 64 B, 50 connections, {share} of what {peers[0].name} takes in a closed one",
            peers=peers,
            capacity=capacity,
            percent=percent,
        )


def _mostly_idle(registry: Registry) -> Workload:
    connections = max(_FEWEST_MOSTLY_IDLE, min(_MOSTLY_IDLE, process.most_connections()))
    return MostlyIdle(
        name="idle",
        title=f"stream echo, 64 B, {connections} connections, one in a hundred active at a time",
        peers=registry.stream_echo(),
        connections=connections,
        active=connections // 100,
    )


def _tls(registry: Registry) -> Iterable[Workload]:
    peers = registry.tls_echo()
    for size in (64, 16384):
        yield TlsLoad(
            name=f"tls-{size}-50",
            title=f"TLS 1.3 echo, {size} B, 50 connections",
            peers=peers,
            generator="load_stream_tls",
            shape={"connections": 50, "size": size, "depth": 1},
            serves=shakes_hands,
        )
    for name, how, options in (("handshake", "full", ()), ("resumed", "resumed", ("--resumed",))):
        yield TlsLoad(
            name=f"tls-{name}",
            title=f"connect, TLS 1.3 handshake ({how}), echo 64 B, close; 50 under way",
            peers=peers,
            generator="load_connect_tls",
            options=options,
            shape={"connections": 50, "size": 64},
            serves=shakes_hands,
        )
    yield TlsIdleMemory("tls-memory", "memory per idle TLS 1.3 connection, Pss", peers, 2000)


def _redis(registry: Registry) -> Iterable[Workload]:
    for command in ("get", "set"):
        for depth in (1, 16):
            yield RedisCommand(
                name=f"redis-{command}-{depth}",
                title=f"Redis {command.upper()}, -P {depth}",
                peers=registry.redis(),
                command=command,
                depth=depth,
            )


def _http(registry: Registry) -> Iterable[Workload]:
    for connections, depth, how in ((50, 1, "one request at a time"), (256, 16, "pipelined 16 deep")):
        yield Http(
            name=f"http-{depth}",
            title=f"HTTP/1.1 plaintext, {connections} connections, {how}, wrk",
            peers=registry.http(),
            connections=connections,
            depth=depth,
        )


def _asgi(registry: Registry) -> Iterable[Workload]:
    for name, title, module in (
        ("plain", "plain ASGI", "http_application"),
        ("starlette", "Starlette", "starlette_application"),
    ):
        yield Http(
            name=f"asgi-{name}",
            title=f"{title} application on uvicorn, 50 connections, one request at a time, wrk",
            peers=registry.asgi(f"{module}:asgi", f"import {module}"),
            connections=50,
            depth=1,
        )


def _tasks(registry: Registry) -> Iterable[Workload]:
    for case, title in TASKS.items():
        yield Program(
            name=f"tasks-{case}",
            title=f"a loop that runs tasks: {title}",
            peers=registry.tasks(case),
            values={},
            compared=(STEP,),
        )


def _timers(registry: Registry) -> Program:
    return Program(
        name="timers",
        title="100 000 timers, armed and mostly cancelled",
        peers=registry.timers(),
        values={"count": 100_000},
        compared=(TIMER,),
    )


def _gil(registry: Registry) -> Iterable[Workload]:
    for connections in (1, 50, 500):
        yield Program(
            name=f"gil-{connections}",
            title=f"Python time holding the GIL, echo, {connections} connections",
            peers=registry.gil(),
            values={"connections": connections},
            compared=(GIL,),
            preloaded="kernel_stub",
        )


def select(everything: Sequence[Workload], names: Iterable[str] | None) -> list[Workload]:
    """Returns the workloads with one of these names or in one of these groups, in their own order.

    A group is what stands before a name's first dash. None: all.

    Raises:
        ValueError: there is no such workload or group.
    """
    if names is None:
        return list(everything)
    wanted = set(names)
    chosen = [each for each in everything if wanted & {each.name, group(each.name)}]
    unknown = wanted - {each.name for each in chosen} - {group(each.name) for each in chosen}
    if unknown:
        raise ValueError(f"no workload or group is called {', '.join(sorted(unknown))}")
    return chosen


def group(name: str) -> str:
    """Returns the part of a workload's name before the first dash."""
    return name.partition("-")[0]
