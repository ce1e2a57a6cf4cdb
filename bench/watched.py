"""What it costs to be watched: by metrics and histograms, an access log, a watchdog."""

from collections.abc import Iterator

from bench.peer import Peer
from bench.registry import Registry
from bench.workloads import Load, Workload

_NEEDS = {
    "admin": "import netcore, h11, prometheus_client; netcore.Options(admin='')",
    "access_log": "import netcore; netcore.Options(access_log=True)",
    "watchdog": "import netcore; netcore.Options(watchdog=1)",
}
"""By how an echo is watched, what it takes."""


def workloads(registry: Registry) -> Iterator[Workload]:
    """Yields all of them, with variants of the stream echo that nobody watches for comparison."""
    peers = (*registry.plain_echo(), *_peers(registry))
    yield Load(
        name="watched-echo",
        title="stream echo, 64 B, 50 connections, watched in one way or another",
        peers=peers,
        generator="load_stream",
        shape={"connections": 50, "size": 64, "depth": 1},
    )
    yield Load(
        name="watched-connect",
        title="connect, echo 64 B, close; 50 under way, watched in one way or another",
        peers=peers,
        generator="load_connect",
        shape={"connections": 50, "size": 64},
    )


def _peers(registry: Registry) -> Iterator[Peer]:
    for how, needs in _NEEDS.items():
        yield Peer(f"netcore-{how}", registry.script("stream_netcore.py", needs), ("{port}", "1", how))
