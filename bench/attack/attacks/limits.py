"""A process that may not have what it wants: descriptors, memory, threads, connections."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

from bench.attack.base import CLEAN, UNHARMED, Figures, at_least, at_most, attack, exactly
from bench.attack.peers import await_end, connect, send_quietly
from bench.attack.scene import Scene
from bench.attack.target import serving

MEMORY = 96 << 20


def crowd(port: int, count: int, seconds: float) -> int:
    """Connects, more than can be served, and stays for a while."""
    socks = []
    for _ in range(count):
        with contextlib.suppress(ConnectionError):  # it may be turned away
            socks.append(connect(port))
    time.sleep(seconds)
    for sock in socks:
        sock.close()
    return len(socks)


@attack(
    "no-descriptors",
    "more connections than the process may have descriptors",
    {
        "busy, of the time": at_most(0.6),
        "lines of log": at_most(10),
        "serves on": exactly(1),
        **UNHARMED,
        **CLEAN,
    },
)
def no_descriptors(scene: Scene) -> Figures:
    seconds = scene.size(2, 10)
    with serving("echo", descriptors=40) as target, target.neighbour() as neighbour:
        attacker = scene.begin(crowd, target.port, scene.size(200, 2000), seconds)
        scene.await_connections(target, 10)
        time.sleep(0.3)
        before = target.cpu()
        time.sleep(seconds / 2)
        busy = (target.cpu() - before) / (seconds / 2)
        scene.finish(attacker)
        left = target.rest(staying=1)
        return {
            "busy, of the time": busy,
            "serves on": target.serves_a_newcomer(),
            **neighbour.figures(),
            **left,
            **target.said(),
        }


def send_without_end(port: int, count: int) -> int:
    """Sends to a server that keeps everything, until it has had enough; returns how many it has ended."""
    socks = [connect(port) for _ in range(count)]
    for _ in range(64):
        for sock in socks:
            sock.settimeout(1.0)
            send_quietly(sock, bytes(1 << 20))
    ended = await_end(socks, 1)
    for sock in socks:
        sock.close()
    return ended


@attack(
    "no-memory",
    "peers who send more than the process may have memory, to a server that keeps it",
    {"alive": exactly(1), "ended": at_least(1), "serves on": exactly(1), **CLEAN},
)
def no_memory(scene: Scene) -> Figures:
    with serving("hoard", memory=MEMORY) as target:
        ended = scene.attack(send_without_end, target.port, scene.size(4, 16))
        alive = target.alive()
        left = target.rest() if alive else {}
        return {"alive": alive, "ended": ended, "serves on": alive and target.serves_a_newcomer(), **left}


def live_without_threads(port: int) -> dict[str, int]:
    """Tries to start engines while no thread can be started, and again when they can."""
    import netcore

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0")  # whatever is opened once
    before, told = descriptors(), 0
    threading.stack_size(
        1 << 47
    )  # more than there is: pthread_create(3) fails as it does at a limit of threads
    engine = netcore.Engine(netcore.EventHandler(), f"tcp://127.0.0.1:{port}")
    for start in (engine.start, lambda: netcore.run(netcore.EventHandler(), f"tcp://127.0.0.1:{port}")):
        try:
            start()
        except RuntimeError:
            told += 1
    stopped = bool(engine.stop(5)) and not engine.running
    left = descriptors() - before
    with socket.socket() as sock:
        listens = sock.connect_ex(("127.0.0.1", port)) == 0
    threading.stack_size(0)
    with netcore.Engine(netcore.EventHandler(), f"tcp://127.0.0.1:{port}") as later:
        starts = later.running
    return {
        "told": told,
        "stopped": stopped,
        "descriptors left": left,
        "still listening": listens,
        "starts later": starts,
    }


@attack(
    "no-threads",
    "engines that start where no thread can be started",
    {
        "told": at_least(1),  # run() may do without
        "stopped": exactly(1),
        "descriptors left": at_most(0),
        "still listening": exactly(0),
        "starts later": exactly(1),
    },
)
def no_threads(scene: Scene) -> Figures:
    figures: Figures = scene.attack(live_without_threads, scene.free_port())
    return figures


def linger(port: int, count: int, seconds: float) -> int:
    """Connects to who closes at once, and goes on sending; returns how many were told goodbye."""
    socks = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(socks) < count:
            socks.append(connect(port))
        for sock in socks:
            send_quietly(sock, b"x")
        time.sleep(0.01)
    greeted = 0
    for sock in socks:
        sock.settimeout(0.05)
        try:
            greeted += sock.recv(3) == b"bye"
        except OSError:
            continue
        finally:
            sock.close()
    return greeted


@attack(
    "lingering-peers",
    "peers that go on sending after their connection has been closed, beyond max_connections",
    {"descriptors": at_most(8 + 4), "told goodbye": at_least(8), **CLEAN},
)
def lingering_peers(scene: Scene) -> Figures:
    with serving("bye", max_connections=8, close_timeout=1.0) as target:
        with target.watching() as most:
            greeted = scene.attack(linger, target.port, 60, scene.size(2, 6))
        return {"descriptors": most["descriptors"], "told goodbye": greeted, **target.rest()}
