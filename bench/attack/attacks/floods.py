"""More of something than anybody can want: connections, resets, datagrams, reasons to complain."""

from __future__ import annotations

import contextlib
import socket
import time

from bench.attack.base import CLEAN, UNHARMED, Figures, at_least, at_most, attack, exactly
from bench.attack.peers import connect, reset, several
from bench.attack.scene import Scene
from bench.attack.target import serving

QUIET = {"lines of log": at_most(10)}
"""A stranger does not fill the log."""


def come_and_go(port: int, count: int) -> int:
    def once(number: int) -> int:
        sock = connect(port)
        sock.sendall(b"x")
        served = sock.recv(1) == b"x"
        reset(sock)
        return served

    return several(once, count)


@attack(
    "connection-flood",
    "connections that ask one thing and go, on eight threads",
    {"not served": exactly(0), **UNHARMED, **CLEAN, **QUIET},
)
def connection_flood(scene: Scene) -> Figures:
    count = scene.size(800, 20_000)
    with serving("echo") as target, target.neighbour() as neighbour:
        served = scene.attack(come_and_go, target.port, count)
        left = target.rest(staying=1)
        return {"not served": count - served, **neighbour.figures(), **left, **target.said()}


def come_and_reset(port: int, count: int) -> int:
    def once(number: int) -> int:
        with contextlib.suppress(ConnectionError):
            reset(connect(port))
        return 1

    return several(once, count)


@attack(
    "reset-storm",
    "connections that are reset at once, before or after they have been accepted",
    {"unpaired": exactly(0), **UNHARMED, **CLEAN, **QUIET},
)
def reset_storm(scene: Scene) -> Figures:
    with serving("echo") as target, target.neighbour() as neighbour:
        scene.attack(come_and_reset, target.port, scene.size(1_500, 30_000))
        left = target.rest(staying=1)
        calls = target.ask()
        unpaired = calls.get("open", 0) - calls.get("close", 0) - 1
        return {"unpaired": unpaired, **neighbour.figures(), **left, **target.said()}


def shoot(port: int, size: int, seconds: float) -> int:
    """Sends datagrams as fast as it can, and sees to it that the server still answers."""
    sent, end = 0, time.monotonic() + seconds
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        data = bytes(size)
        while time.monotonic() < end:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    sock.send(data)
            sent += 100
    return sent


def answers_datagrams(port: int) -> bool:
    """Whether a server of datagrams answers one of a hundred."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.1)
        for _ in range(100):
            sock.send(b"are you there?")
            with contextlib.suppress(TimeoutError):
                return sock.recv(100) == b"are you there?"
    return False


BOTH = ("tcp://127.0.0.1:0", "udp://127.0.0.1:0")


@attack(
    "datagram-flood",
    "datagrams, as fast as two processes can, on the loop of the neighbour's stream",
    {"sent": at_least(1000), "answers later": exactly(1), **UNHARMED, **QUIET},
)
def datagram_flood(scene: Scene) -> Figures:
    with serving("echo", *BOTH) as target, target.neighbour() as neighbour:
        attackers = [scene.begin(shoot, target.port_of(1), size, scene.size(1, 10)) for size in (64, 1200)]
        sent = sum(scene.finish(attacker) for attacker in attackers)
        answers = answers_datagrams(target.port_of(1))
        return {"sent": sent, "answers later": answers, **neighbour.figures(), **target.said()}


@attack(
    "empty-datagrams",
    "datagrams without a byte, edge-triggered, to a handler that takes its time",
    {"sent": at_least(1000), **UNHARMED, **QUIET},
)
def empty_datagrams(scene: Scene) -> Figures:
    edges = scene.supports_edges()
    with serving("busy", *BOTH, edge_triggered=edges) as target, target.neighbour() as neighbour:
        sent = scene.attack(shoot, target.port_of(1), 0, scene.size(4, 10))
        return {"sent": sent, **neighbour.figures(), **target.said()}


@attack(
    "log-flood",
    "datagrams that are longer than the server takes, each a reason to complain",
    {"sent": at_least(1000), "answers later": exactly(1), **QUIET},
)
def log_flood(scene: Scene) -> Figures:
    with serving("echo", "udp://127.0.0.1:0", read_buffer_cap=1024) as target:
        sent = scene.attack(shoot, target.port, 1500, scene.size(1, 10))
        return {"sent": sent, "answers later": answers_datagrams(target.port), **target.said()}
