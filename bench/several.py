"""Servers of several processes: who they are, and what is done to them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.figures import CPU, RATE
from bench.launchers import PEERS, Computing, NodeScript, PythonModule
from bench.peer import Peer
from bench.registry import Registry
from bench.workloads import Http, Load, Replacement, Rest, Workload
from bench.workloads.replacement import boot_beside, by_sighup, by_sigusr2

_ONE, _TWO, _TWO_SHARED, _TWO_WATCHED = "netcore", "netcore-2", "netcore-2-shared", "netcore-2-watched"
"""No supervisor; two processes with a listener each; with one for both; such as are asked how they are."""

_SHARED = "one process and two; server and load share all CPUs"
_COMPUTED = 50  # microseconds
_CLUSTER_SETTLES = 3.0  # seconds of load, in which two compilers share the CPUs with what they compile for
_HANG_TIMEOUT = 4.0
_ECHO = {"connections": 50, "size": 64, "depth": 1}
_NETCORE = "import netcore.supervisor"
_HTTPTOOLS = "import httptools"
_ASGI = "http_application:computing"


def workloads(registry: Registry) -> list[Workload]:
    """Returns all of them."""
    return [*_load(registry), *_computing(registry), *_replacements(registry), _rest(registry)]


def _load(registry: Registry) -> Iterator[Workload]:
    yield Load(
        name="processes-echo",
        title=f"stream echo, 64 B, 50 connections, {_SHARED}",
        peers=tuple(_counts(registry, "several_echo:SayingEcho")),
        generator="load_stream",
        shape=_ECHO,
        several_cpus=True,
        compared=(CPU, RATE),
    )
    yield Http(
        name="processes-http",
        title=f"HTTP/1.1 plaintext, 50 connections, wrk, {_SHARED}",
        peers=tuple(_counts(registry, "several_http:SayingHttp", _HTTPTOOLS)),
        connections=50,
        depth=1,
        several_cpus=True,
    )


def _computing(registry: Registry) -> Iterator[Workload]:
    yield Load(
        name="processes-compute",
        title=f"stream echo that computes {_COMPUTED} us per message, 50 connections, {_SHARED}",
        peers=tuple(_computing_python(registry, _counts(registry, "several_echo:ComputingEcho"))),
        generator="load_stream",
        options=("--naps",),
        shape=_ECHO,
        several_cpus=True,
        compared=(RATE, CPU),
    )
    yield Http(
        name="processes-compute-http",
        title=f"HTTP/1.1 that computes {_COMPUTED} us per request, 50 connections, wrk, {_SHARED}",
        peers=tuple(_computing_http(registry)),
        connections=50,
        depth=1,
        several_cpus=True,
        compared=(RATE, CPU),
    )


def _replacements(registry: Registry) -> Iterator[Workload]:
    peers = tuple(_two(registry, "several_echo:SayingEcho"))
    for name, signal, how in (
        ("replace", "SIGHUP", by_sighup),
        ("upgrade", "SIGUSR2", by_sigusr2),
    ):
        yield Replacement(
            name=f"processes-{name}",
            title=f"1000 short connections a second while {signal} replaces two processes, again and again",
            peers=peers,
            replace=how,
            beside=boot_beside(registry.python),
        )


def _rest(registry: Registry) -> Workload:
    own, _ = _two(registry, "several_echo:SayingEcho")
    watched = _netcore(registry, _TWO_WATCHED, "several_echo:SayingEcho", 2, hang_timeout=_HANG_TIMEOUT)
    return Rest("processes-rest", "a supervisor of two processes that nobody talks to", (own, watched))


def _netcore(
    registry: Registry,
    name: str,
    target: str,
    processes: int,
    listeners: str = "own",
    hang_timeout: float = 0.0,
    needs: str = "",
) -> Peer:
    program = registry.script("several_netcore.py", f"{_NETCORE}\n{needs}")
    arguments = (target, "{port}", str(processes), listeners, str(hang_timeout))
    return Peer(name, program, arguments, processes=processes)


def _two(registry: Registry, target: str, needs: str = "") -> Iterator[Peer]:
    yield _netcore(registry, _TWO, target, 2, needs=needs)
    yield _netcore(registry, _TWO_SHARED, target, 2, listeners="shared", needs=needs)


def _counts(registry: Registry, target: str, needs: str = "") -> Iterator[Peer]:
    yield _netcore(registry, _ONE, target, 1, needs=needs)
    yield from _two(registry, target, needs)


def _computing_http(registry: Registry) -> Iterator[Peer]:
    uvicorn = registry.uvicorn("uvicorn-2", "uvloop", _ASGI)
    options = (
        "--workers=2 --bind=127.0.0.1:{port} --worker-class=uvicorn_worker.UvicornWorker --log-level=error"
    )
    gunicorn = PythonModule(registry.python, "gunicorn", "import gunicorn, uvicorn_worker, httptools, uvloop")
    servers = (
        *_counts(registry, "several_http:ComputingHttp", _HTTPTOOLS),
        replace(uvicorn, arguments=(*uvicorn.arguments, "--workers=2", "--lifespan=on"), processes=2),
        Peer(
            "gunicorn-2",
            gunicorn,
            (*options.split(), "--log-level=error", f"--chdir={PEERS}", _ASGI),
            processes=2,
        ),
    )
    yield from _computing_python(registry, servers)
    node = Computing(NodeScript("cluster_node.js"), NodeScript("compute.js"), _COMPUTED)
    yield Peer("node-2", node, ("{port}", "2"), settle=_CLUSTER_SETTLES, processes=2)


def _computing_python(registry: Registry, peers: Iterable[Peer]) -> Iterator[Peer]:
    reference = registry.script("compute.py", "")
    return (replace(peer, launcher=Computing(peer.launcher, reference, _COMPUTED)) for peer in peers)
