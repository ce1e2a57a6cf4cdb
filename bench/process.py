"""Starting, awaiting and ending the processes of a measurement, each on its own CPU."""

import functools
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench import family
from bench.launchers import environment

READY = "ready to serve"
"""What each process of a server says that has several."""

_START_TIMEOUT = 60.0
_SETTLES = 0.2  # seconds from its word to its first accept
_STOP_TIMEOUT = 30.0
_PROBE_INTERVAL = 0.01
PROBE_TIMEOUT = 1.0  # seconds
_SPARE_DESCRIPTORS = 100  # what a process has besides its connections
_KCP_HEADER = struct.Struct("<IBBHIIII")  # skywind3000/kcp, protocol.txt
_KCP_PUSH, _KCP_ACK = 81, 82
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class RunError(Exception):
    """A server or the load generator did not do its job; the text says what went wrong."""


@dataclass(frozen=True)
class Cpus:
    """Where the two sides run; the same number when this process may use one CPU only."""

    server: frozenset[int]
    load: frozenset[int]

    def shared(self) -> "Cpus":
        """Both sides on all of them, for a server that needs more than one."""
        both = self.server | self.load
        return Cpus(both, both)


@dataclass(frozen=True)
class Server:
    """A server that does its job on 127.0.0.1."""

    port: int
    pid: int

    def family(self) -> list[int]:
        """It and its workers, which are processes."""
        return family.descendants(self.pid)

    def cpu_seconds(self) -> float:
        """User and system time of all its threads, also of those that have ended, and of its workers."""
        return sum(map(family.cpu_seconds, self.family()))


def pick_cpus() -> Cpus:
    """Takes the first two CPUs this process may use (0 and 1 unless confined elsewhere)."""
    usable = sorted(os.sched_getaffinity(0))
    return Cpus(server=frozenset(usable[:1]), load=frozenset(usable[:2][-1:]))


def raise_descriptor_limit(wanted: int = 0) -> None:
    """Raises RLIMIT_NOFILE to its hard limit, also for children; if allowed, that one to `wanted` first."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        with suppress(ValueError, OSError):  # it takes CAP_SYS_RESOURCE: setrlimit(2)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, wanted))
            hard = wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """How many a process can hold, by its RLIMIT_NOFILE."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_DESCRIPTORS


def too_few_descriptors(connections: int) -> str | None:
    """Says that no process can hold so many connections, or None."""
    most = most_connections()
    return f"a process can hold {most} connections here, not {connections}" if most < connections else None


def accepts_stream(port: int) -> bool:
    """Connects to 127.0.0.1:`port` and closes again; says whether it could."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PROBE_TIMEOUT) as probe:
            # With nobody listening, a connect within the ephemeral range may meet itself
            # (simultaneous open, RFC 9293 section 3.5).
            return bool(probe.getsockname() != probe.getpeername())
    except OSError:
        return False


def answers_datagram(port: int) -> bool:
    """Sends a datagram to 127.0.0.1:`port` and says whether it came back."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.settimeout(PROBE_TIMEOUT / 10)
        try:
            probe.connect(("127.0.0.1", port))
            probe.send(b"probe")
            return probe.recv(16) == b"probe"
        except OSError:
            return False


def answers_kcp(port: int) -> bool:
    """Sends a message by KCP to 127.0.0.1:`port` and says whether it came back; that is then acknowledged."""
    conversation = random.getrandbits(32)

    def segment(command: int, timestamp: int, acknowledged: int, payload: bytes = b"") -> bytes:
        fields = (conversation, command, 0, 128, timestamp, 0, acknowledged, len(payload))
        return _KCP_HEADER.pack(*fields) + payload

    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.settimeout(PROBE_TIMEOUT)
        try:
            probe.connect(("127.0.0.1", port))
            probe.send(segment(_KCP_PUSH, 0, 0, b"probe"))
            while not (data := probe.recv(2048)).endswith(b"probe"):
                pass  # a receipt has come first
        except OSError:
            return False
        timestamp = _KCP_HEADER.unpack(data[-_KCP_HEADER.size - 5 : -5])[4]
        probe.send(segment(_KCP_ACK, timestamp, 1))
        return True


@contextmanager
def serving(
    command: Callable[[int], Sequence[str]],
    cpus: frozenset[int],
    serves: Callable[[int], bool] = accepts_stream,
    processes: int = 1,
) -> Iterator[Server]:
    """Runs a server on `cpus` for the length of the block; it serves once the block begins.

    Every server has then seen one connection come and go. That is part of the method, not only a
    way to wait: it is the state of any server after its first client, and it can matter a lot.
    asyncio receives into 256 KiB of fresh memory, which glibc maps and unmaps for each message
    until one such block has been freed whole, as at a connection's end: from then on it comes from
    the heap (M_MMAP_THRESHOLD, mallopt(3)), at a third of the cost per message.

    Args:
        command: Makes the command line for a port.
        cpus: Where it may run.
        serves: Asks the port whether the server is there.
        processes: How many of its processes say `READY`, if it has several: their listeners may be there
            before them.

    Raises:
        RunError: it ended or did not serve in time; the last line it wrote is included.
    """
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command(port),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # by which those are found who take over from it
            preexec_fn=pin(cpus),
        )
        try:
            if processes > 1:
                _await(process, lambda: _words(log) >= processes, log)
                time.sleep(_SETTLES)
            _await(process, lambda: serves(port), log)
            yield Server(port, process.pid)
            if process.poll() is not None and not family.heads(process.pid):
                raise RunError(f"the server ended under load: {_last_line(log, process)}")
        finally:
            _stop(process)


def run_load(
    command: Sequence[str],
    cpus: frozenset[int],
    timeout: float,
    meanwhile: Callable[[], object] | None = None,
) -> str:
    """Runs a load generator on `cpus` and returns what it printed.

    Args:
        command: The command line.
        cpus: Where it may run.
        timeout: Seconds.
        meanwhile: Called again and again as long as it runs.

    Raises:
        RunError: it failed, complained, or took longer than `timeout` seconds.
    """
    done = _run(command, cpus, timeout, meanwhile)
    complaints = done.stderr.strip().splitlines()
    if done.returncode or complaints:
        first = complaints[0] if complaints else f"exit status {done.returncode}"
        raise RunError(f"{first} ({len(complaints)} complaints)" if len(complaints) > 1 else first)
    return done.stdout


def run_program(command: Sequence[str], cpus: frozenset[int], timeout: float) -> str:
    """Runs a program that measures itself on `cpus` and returns the last line it printed.

    Raises:
        RunError: it failed, printed nothing, or took longer than `timeout` seconds.
    """
    done = _run(command, cpus, timeout)
    printed = done.stdout.strip().splitlines()
    if done.returncode or not printed:
        complaints = done.stderr.strip().splitlines()
        raise RunError(complaints[-1] if complaints else f"exit status {done.returncode}")
    return printed[-1]


def _run(
    command: Sequence[str],
    cpus: frozenset[int],
    timeout: float,
    meanwhile: Callable[[], object] | None = None,
) -> "subprocess.CompletedProcess[str]":
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment(), stdout=pipe, stderr=pipe, text=True, preexec_fn=pin(cpus)
    ) as process:
        try:
            while meanwhile is not None and process.poll() is None:
                meanwhile()
            printed, complained = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise RunError(f"{os.path.basename(command[0])} did not end within {timeout:g} s") from error
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, printed, complained)


def pin(cpus: frozenset[int]) -> "functools.partial[None]":
    """Returns what has a child of this process run there: a `preexec_fn`."""
    # In the child before exec: every thread the program ever starts inherits it.
    return functools.partial(os.sched_setaffinity, 0, cpus)


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody has, and that the system gives to nobody who does not name it.

    One that the system picks would be among those of clients, thousands of which may come and go
    before the server has started (ip_local_port_range, ip(7)).
    """
    ports = range(10_000, int(_EPHEMERAL.read_text().split()[0])) or range(10_000, 65_536)
    while True:
        port = random.choice(ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _await(process: "subprocess.Popen[bytes]", serves: Callable[[], bool], log: IO[str]) -> None:
    give_up = time.monotonic() + _START_TIMEOUT
    while not serves():
        if process.poll() is not None:
            raise RunError(f"the server ended at once: {_last_line(log, process)}")
        if time.monotonic() > give_up:
            raise RunError(f"the server did not answer within {_START_TIMEOUT:g} s")
        time.sleep(_PROBE_INTERVAL)


def _words(log: IO[str]) -> int:
    """Counts those who have said that they are ready; its place in the file is also theirs, and stays."""
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace").count(READY)


def _last_line(log: IO[str], process: "subprocess.Popen[bytes]") -> str:
    log.seek(0)
    return (log.read().strip().splitlines() or [f"exit status {process.returncode}"])[-1]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends a server, or whoever has taken over from it, and what either leaves behind."""
    _signal(family.heads(process.pid), signal.SIGTERM)
    give_up = time.monotonic() + _STOP_TIMEOUT
    while left := family.in_session(process.pid):
        if time.monotonic() > give_up:
            _signal(left, signal.SIGKILL)
        process.poll()  # lest it stays as a zombie
        time.sleep(_PROBE_INTERVAL)
    process.wait()


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, number)
