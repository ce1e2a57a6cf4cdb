"""Interpreters beside the main one: what of netcore serves in them, and how the rest is refused."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import netcore
from netcore._signals import hears_signals

pytestmark = [
    pytest.mark.native,
    pytest.mark.posix,
    pytest.mark.skipif(
        not (importlib.util.find_spec("_interpreters") or importlib.util.find_spec("_xxsubinterpreters")),
        reason="this Python has one interpreter",
    ),
]

# What an interpreter can do, told on standard output.
INSIDE = """
import asyncio, json, socket
import netcore, netcore.aio
from netcore._native import COLD, MISSING

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())

def engine():
    try:
        with netcore.Engine(Echo(), "tcp://127.0.0.1:0") as engine:
            with socket.create_connection((engine.addresses[0].host, engine.addresses[0].port)) as sock:
                sock.sendall(b"hello")
                return sock.recv(5).decode()
    except RuntimeError as error:
        return str(error)

async def aio():
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.close()
        return (await reader.read()).decode()

print(json.dumps([MISSING, COLD, engine(), netcore.aio.run(aio())]), flush=True)
"""

# One after the other, before and after the main interpreter has netcore.
OUTSIDE = f"""
import sys
try:
    import _interpreters
    create, run = _interpreters.create, _interpreters.exec
except ImportError:
    import _xxsubinterpreters as _interpreters
    create, run = (lambda kind: _interpreters.create(isolated=kind == "isolated")), _interpreters.run_string
inside = {INSIDE!r}
for _ in range(2):
    interpreter = create(sys.argv[1])
    if failed := run(interpreter, inside):
        sys.exit(str(failed))
    _interpreters.destroy(interpreter)
    exec(inside)
"""


def told(kind: str) -> list[Any]:
    """Runs all in another process; returns what was told, in the order of ``OUTSIDE``."""
    home = str(Path(netcore.__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NETCORE_")}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", OUTSIDE, kind],
        cwd=home,  # not the source tree, where another netcore than the one under test may lie
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_that_shares_the_gil_has_all_but_the_hot_half() -> None:
    first, main, second, again = told("legacy")
    assert (
        first
        == second
        == ["", "netcore's hot half does not load: it serves the main interpreter only", "hello", ""]
    )
    assert main == again == ["", "", "hello", ""]


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="all share one GIL, or CPython 3.12 frees ssl's memory twice"
)
def test_one_with_a_gil_of_its_own_has_no_native_part_and_no_engine() -> None:
    first, main, second, again = told("isolated")
    for missing, cold, engine, aio in (first, second):
        assert missing.startswith("netcore's native part does not load: module ")
        assert cold.startswith("netcore's hot half does not load: module ")
        assert missing.endswith("does not support loading in subinterpreters")
        assert cold.endswith("does not support loading in subinterpreters")
        assert engine == "daemon threads are disabled in this (sub)interpreter"
        assert aio == ""
    assert main == again == ["", "", "hello", ""]


def test_signals_are_heard_on_the_main_thread_alone() -> None:
    heard = [hears_signals()]
    thread = threading.Thread(target=lambda: heard.append(hears_signals()))
    thread.start()
    thread.join()
    assert heard == [True, False]
