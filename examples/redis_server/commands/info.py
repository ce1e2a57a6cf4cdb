"""What there is to know about the server: INFO, TIME and MEMORY."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..encoding import memory_usage
from ..errors import SYNTAX, CommandError
from ..identity import COMPATIBLE_WITH
from ..numeric import parse_integer
from ..process import cpu_seconds, description, resident_memory
from ..table import Group
from ..wire import bulks, integer

if TYPE_CHECKING:
    from ..server import Server
    from ..session import Session

GROUP = Group("server", "")

Fields = Mapping[str, object]
_ARGUMENT_KEY = (2, 2, 1)
_DEFAULT_SAMPLES = 5


@GROUP.add("info", -1, "loading stale", since="1.0.0", syntax="[section [section ...]]", dangerous=True)
def info(session: Session, request: list[bytes]) -> bytes:
    """Returns facts and statistics about the server."""
    names = {name.lower().decode("latin-1") for name in request[1:]}
    everything = not names or names & {"default", "all", "everything"}
    sections = [
        f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in section(session.server).items())
        for title, section in _SECTIONS.items()
        if everything or title.lower() in names
    ]
    return session.wire.verbatim("\r\n".join(sections))


@GROUP.add("time", 1, "loading stale fast", since="2.6.0")
def time(session: Session, request: list[bytes]) -> bytes:
    """Returns the time in seconds since the epoch, and the microseconds beyond."""
    seconds, microseconds = divmod(int(session.server.clock() * 1_000_000), 1_000_000)
    return bulks([b"%d" % seconds, b"%d" % microseconds])


GROUP.container("memory", "Looks at how much memory values take.", since="4.0.0")


@GROUP.add(
    "memory|usage",
    -3,
    "readonly",
    keys=_ARGUMENT_KEY,
    since="4.0.0",
    syntax="key [SAMPLES count]",
)
def memory_usage_(session: Session, request: list[bytes]) -> bytes:
    """Estimates how many bytes a key and its value take."""
    key, options = request[2], request[3:]
    samples = _DEFAULT_SAMPLES
    if options:
        if len(options) != 2 or options[0].upper() != b"SAMPLES":
            raise CommandError(SYNTAX)
        samples = parse_integer(options[1])
        if samples < 0:
            raise CommandError(SYNTAX)
    value = session.keyspace.peek(key)
    return session.wire.null if value is None else integer(memory_usage(key, value, samples))


GROUP.add_help("memory", since="4.0.0")


def _server(server: Server) -> Fields:
    uptime = int(server.clock() - server.started)
    return {
        "redis_version": COMPATIBLE_WITH,
        "redis_mode": "standalone",
        **description(),
        "run_id": server.run_id,
        "tcp_port": server.port,
        "server_time_usec": int(server.clock() * 1_000_000),
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime // 86400,
        "hz": server.config.integer("hz"),
        "configured_hz": server.config.integer("hz"),
    }


def _clients(server: Server) -> Fields:
    return {"connected_clients": len(server.sessions), "blocked_clients": 0}


def _memory(server: Server) -> Fields:
    used = resident_memory()
    return {
        "used_memory": used,
        "used_memory_human": f"{used / 1024 / 1024:.2f}M",
        "used_memory_rss": used,
        "maxmemory": 0,
        "maxmemory_human": "0B",
        "maxmemory_policy": "noeviction",
    }


def _persistence(server: Server) -> Fields:
    return {"loading": 0, "rdb_bgsave_in_progress": 0, "aof_enabled": 0, "aof_rewrite_in_progress": 0}


def _stats(server: Server) -> Fields:
    keyspace = server.keyspace
    return {
        "total_connections_received": server.connections,
        "total_commands_processed": server.commands,
        "instantaneous_ops_per_sec": round(server.rate),
        "expired_keys": keyspace.expired,
        "evicted_keys": 0,
        "keyspace_hits": keyspace.hits,
        "keyspace_misses": keyspace.misses,
        "pubsub_channels": 0,
        "pubsub_patterns": 0,
    }


def _replication(server: Server) -> Fields:
    return {"role": "master", "connected_slaves": 0, "master_repl_offset": 0}


def _cpu(server: Server) -> Fields:
    user, system = cpu_seconds()
    return {"used_cpu_sys": f"{system:.6f}", "used_cpu_user": f"{user:.6f}"}


def _cluster(server: Server) -> Fields:
    return {"cluster_enabled": 0}


def _keyspace(server: Server) -> Fields:
    keyspace = server.keyspace
    if not keyspace.values:
        return {}
    return {"db0": f"keys={len(keyspace.values)},expires={len(keyspace.deadlines)},avg_ttl=0"}


_SECTIONS: dict[str, Callable[[Server], Fields]] = {
    "Server": _server,
    "Clients": _clients,
    "Memory": _memory,
    "Persistence": _persistence,
    "Stats": _stats,
    "Replication": _replication,
    "CPU": _cpu,
    "Cluster": _cluster,
    "Keyspace": _keyspace,
}
