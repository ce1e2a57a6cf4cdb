"""Starting, awaiting and ending the processes of a measurement, each on its own CPU."""

import functools
import os
import resource
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from bench.registry import Peer, environment

_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 10.0
_CONNECT_INTERVAL = 0.01


class RunError(Exception):
    """A server or the load generator did not do its job; the text says what went wrong."""


@dataclass(frozen=True)
class Cpus:
    """Where the two sides run; the same number when this process may use one CPU only."""

    server: int
    load: int


@dataclass(frozen=True)
class Server:
    """A server that accepts connections on 127.0.0.1."""

    port: int
    pid: int


def pick_cpus() -> Cpus:
    """Takes the first two CPUs this process may use (0 and 1 unless confined elsewhere)."""
    usable = sorted(os.sched_getaffinity(0))
    return Cpus(server=usable[0], load=usable[min(1, len(usable) - 1)])


def raise_descriptor_limit() -> None:
    """Raises RLIMIT_NOFILE to its hard limit, for this process and its children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def serving(peer: Peer, cpu: int) -> Iterator[Server]:
    """Runs `peer` on `cpu` for the length of the block; it accepts once the block begins.

    Every server has then seen one connection come and go. That is part of the method, not only a
    way to wait: it is the state of any server after its first client, and it can matter a lot.
    asyncio receives into 256 KiB of fresh memory, which glibc maps and unmaps for each message
    until one such block has been freed whole, as at a connection's end: from then on it comes from
    the heap (M_MMAP_THRESHOLD, mallopt(3)), at a third of the cost per message.

    Raises:
        RunError: it ended or did not accept in time; the last line it wrote is included.
    """
    port = _free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            peer.command(port),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_pin(cpu),
        )
        try:
            _await_accepting(process, port, log)
            yield Server(port, process.pid)
            if process.poll() is not None:
                raise RunError(f"the server ended under load: {_last_line(log, process)}")
        finally:
            _stop(process)


def run_load(command: Sequence[str], cpu: int, timeout: float) -> str:
    """Runs a load generator on `cpu` and returns what it printed.

    Raises:
        RunError: it failed, complained, or took longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, preexec_fn=_pin(cpu)
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(f"the load generator did not end within {timeout:g} s") from error
    complaints = done.stderr.strip().splitlines()
    if done.returncode or complaints:
        first = complaints[0] if complaints else f"exit status {done.returncode}"
        raise RunError(f"{first} ({len(complaints)} complaints)" if len(complaints) > 1 else first)
    return done.stdout


def _pin(cpu: int) -> "functools.partial[None]":
    # In the child before exec: every thread the program ever starts inherits it.
    return functools.partial(os.sched_setaffinity, 0, {cpu})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_accepting(process: "subprocess.Popen[bytes]", port: int, log: IO[str]) -> None:
    give_up = time.monotonic() + _START_TIMEOUT
    while not _accepts(port):
        if process.poll() is not None:
            raise RunError(f"the server ended at once: {_last_line(log, process)}")
        if time.monotonic() > give_up:
            raise RunError(f"the server did not accept within {_START_TIMEOUT:g} s")
        time.sleep(_CONNECT_INTERVAL)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            # With nobody listening, a connect within the ephemeral range may meet itself
            # (simultaneous open, RFC 9293 section 3.5).
            return bool(probe.getsockname() != probe.getpeername())
    except OSError:
        return False


def _last_line(log: IO[str], process: "subprocess.Popen[bytes]") -> str:
    log.seek(0)
    return (log.read().strip().splitlines() or [f"exit status {process.returncode}"])[-1]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
