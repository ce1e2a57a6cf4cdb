"""The process under attack.

    python -m bench.attack.server JSON

It prints its addresses, then answers each line of its standard input with a line of figures, and ends when
that ends. Everything else about it is read from outside: a process that has no descriptor left cannot look.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
from contextlib import redirect_stdout
from typing import Any

from bench.attack.handlers import OPTIONS, Counting, counted
from netcore import Engine
from netcore.tls import server_context

FAILED = ("unopened", "proxy_failures", "tls_handshake_failures")
"""Metrics of what has ended before it was open."""


def main() -> None:
    """Serves what the argument describes."""
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.WARNING)
    if wanted["plain_signals"]:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with redirect_stdout(sys.stderr):  # what examples say of themselves
        secured = {"tls": server_context(*wanted["certificate"])} if wanted["certificate"] else {}
        options = {**secured, **OPTIONS.get(wanted["server"], {}), **wanted["options"]}
        engine = Engine(counted(wanted["server"]), *wanted["addresses"], **options)
        engine.start()
    _await_loops(engine)
    print(json.dumps([str(address) for address in engine.addresses]), flush=True)
    _limit(wanted)
    for _ in sys.stdin:
        metrics = engine.metrics()
        failed = {name: getattr(metrics, name) for name in FAILED}
        print(json.dumps({"connections": engine.connection_count, **failed, **Counting.calls}), flush=True)
    engine.stop(10)


def _await_loops(engine: Engine) -> None:
    """Waits until the loops have turned: before that they have not opened all that they keep open."""
    for loop in engine.loops:
        turned = threading.Event()
        loop.execute(turned.set)
        turned.wait()


def _limit(wanted: dict[str, Any]) -> None:
    """Takes what this process may have, now that it serves."""
    if descriptors := wanted["descriptors"]:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = len(os.listdir("/proc/self/fd")) + descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if memory := wanted["memory"]:
        with open("/proc/self/statm") as statm:
            size = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))


if __name__ == "__main__":
    main()
