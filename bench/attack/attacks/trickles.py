"""Many peers that do next to nothing, for as long as they are let."""

from __future__ import annotations

import time

from bench.attack.base import CLEAN, UNHARMED, Figures, at_least, at_most, attack, exactly
from bench.attack.peers import await_end, connect, send_quietly
from bench.attack.scene import Scene
from bench.attack.target import serving


def trickle(port: int, count: int, first: str, seconds: float) -> int:
    """Sends a beginning, then a byte now and then; returns how many the server has had enough of."""
    socks = [connect(port) for _ in range(count)]
    for sock in socks:
        sock.sendall(first.encode())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for sock in socks:
            send_quietly(sock, b"a")
        time.sleep(0.05)
    ended = await_end(socks, 0.01)
    for sock in socks:
        sock.close()
    return ended


SLOW = {"memory per peer, KB": at_most(40), "tracebacks": exactly(0), **UNHARMED, **CLEAN}


def _slow(scene: Scene, server: str, first: str) -> Figures:
    count = scene.size(150, 1000)
    with serving(server) as target, target.neighbour() as neighbour, target.watching() as most:
        scene.attack(trickle, target.port, count, first, scene.size(1, 20))
        left = target.rest(staying=1)
        each = most["memory, MB"] * 1000 / count
        return {"memory per peer, KB": each, **neighbour.figures(), **left, **target.said()}


@attack("slow-http", "requests whose header comes a byte at a time, to the HTTP example", SLOW)
def slow_http(scene: Scene) -> Figures:
    return _slow(scene, "http", "GET / HTTP/1.1\r\nHost: x\r\nX: ")


@attack("slow-lines", "lines that come a byte at a time, to the tutorial's commands", SLOW)
def slow_lines(scene: Scene) -> Figures:
    return _slow(scene, "lines", "upper ")


def stay(port: int, count: int, seconds: float) -> int:
    """Connects and waits; returns how many the server has ended."""
    socks = [connect(port) for _ in range(count)]
    return await_end(socks, seconds)


@attack(
    "idle-crowd",
    "connections that do nothing at all, until an idle deadline ends them",
    {
        "most at once": at_least(100),
        "not ended": exactly(0),
        "memory per peer, KB": at_most(8),
        **UNHARMED,
        **CLEAN,
    },
)
def idle_crowd(scene: Scene) -> Figures:
    count = min(scene.size(1500, 20_000), scene.most_descriptors() - 200)
    with (
        serving("echo", idle_timeout=scene.size(2, 10)) as target,
        target.neighbour() as neighbour,
        target.watching() as most,
    ):
        ended = scene.attack(stay, target.port, count, 20)
        left = target.rest(staying=1)
        return {
            "most at once": most["descriptors"],
            "not ended": count - ended,
            "memory per peer, KB": most["memory, MB"] * 1000 / count,
            **neighbour.figures(),
            **left,
        }
