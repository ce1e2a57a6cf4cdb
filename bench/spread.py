"""How evenly connections spread over processes: `python -m bench.spread`.

Each process serves with one loop. They have a listener each on one port (SO_REUSEPORT), or one listener
that all were given, watched with EPOLLEXCLUSIVE or, to compare, without. A share is a process's part of all
connections, times the number of processes: 1 is fair. "Sleeps" is how often the processes went to sleep, and
so were woken, for each connection.
"""

import argparse
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import netcore
from netcore.poll import EpollPoller, Interest

KINDS = {
    "own": "a listener each, SO_REUSEPORT",
    "shared": "one listener, EPOLLEXCLUSIVE",
    "herd": "one listener, without",
}


class _Herd(EpollPoller):
    """Has all processes woken, as if there were no EPOLLEXCLUSIVE."""

    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest & ~int(Interest.EXCLUSIVE))


class _Greeter(netcore.EventHandler):
    def on_open(self, conn: netcore.Conn) -> None:
        conn.write(b"!")


def _serve(kind: str, where: str) -> None:
    """Serves until standard input ends, and tells for each line of it how many connections there are."""
    poller = _Herd if kind == "herd" else "epoll"
    with netcore.Engine(_Greeter(), where, reuse_port=kind == "own", poller=poller) as engine:
        print("ready", flush=True)
        for _ in sys.stdin:
            print(engine.connection_count, _sleeps(), flush=True)


def _sleeps() -> int:
    """How often the threads of this process have gone to sleep; proc(5)."""
    total = 0
    for status in Path("/proc/self/task").glob("*/status"):
        total += int(re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.MULTILINE)[0])
    return total


@contextmanager
def _processes(kind: str, count: int) -> Iterator[tuple[tuple[str, int], list[subprocess.Popen[str]]]]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        if kind == "own":
            listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEPORT, 1
            )  # it does not listen: it keeps the port
        listener.bind(("127.0.0.1", 0))
        name = listener.getsockname()
        if kind != "own":
            listener.listen(4096)
        where = f"tcp://127.0.0.1:{name[1]}" if kind == "own" else f"fd://{listener.fileno()}"
        servers = []
        for _ in range(count):
            line = [sys.executable, "-m", "bench.spread", "--serve", kind, where]
            server = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[listener.fileno()]
            )
            servers.append(stack.enter_context(server))
            assert _ask(server, "") == ["ready"]
        if kind != "own":
            listener.close()
        try:
            yield name, servers
        finally:
            for server in servers:
                server.communicate()


def _ask(server: subprocess.Popen[str], text: str = "\n") -> list[str]:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(text)
    server.stdin.flush()
    return server.stdout.readline().split()


def _measure(kind: str, processes: int, connections: int, at_once: int) -> tuple[list[int], float]:
    """Connects, so many at once, and returns how many each process has, and its sleeps per connection."""
    with _processes(kind, processes) as (name, servers), ExitStack() as stack:
        before = sum(int(_ask(server)[1]) for server in servers)
        for begin in range(0, connections, at_once):
            socks = [stack.enter_context(socket.socket()) for _ in range(min(at_once, connections - begin))]
            for sock in socks:
                sock.connect(name)
            for sock in socks:
                assert sock.recv(1) == b"!"
        told = [_ask(server) for server in servers]
        sleeps = sum(int(answer[1]) for answer in told) - before
        return [int(answer[0]) for answer in told], sleeps / connections


def main() -> None:
    """Measures, and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.spread", description=__doc__)
    parser.add_argument("--processes", default="2,4", help="how many, for each row (%(default)s)")
    parser.add_argument("--connections", default="50,500,5000", help="likewise (%(default)s)")
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "WHERE"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        _serve(*wanted.serve)
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("| listeners | processes | connections | they come | smallest share | largest | sleeps each |")
    print("|---|---|---|---|---|---|---|")
    for kind, meaning in KINDS.items():
        for processes in map(int, wanted.processes.split(",")):
            for connections in map(int, wanted.connections.split(",")):
                for at_once, how in ((1, "one by one"), (50, "50 at once")):
                    counts, sleeps = _measure(kind, processes, connections, at_once)
                    assert sum(counts) == connections, counts
                    low, high = (each * processes / connections for each in (min(counts), max(counts)))
                    row = f"{meaning} | {processes} | {connections} | {how}"
                    print(f"| {row} | {low:.2f} | {high:.2f} | {sleeps:.1f} |", flush=True)


if __name__ == "__main__":
    main()
