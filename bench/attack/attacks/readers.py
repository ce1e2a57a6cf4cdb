"""Peers that take answers slowly, not at all, too fast, or leave in the midst of them."""

from __future__ import annotations

import socket
import time

from bench.attack.base import CLEAN, UNHARMED, Figures, at_least, at_most, attack, exactly
from bench.attack.peers import await_end, connect, reset, several
from bench.attack.scene import Scene
from bench.attack.target import serving

SMALL = 4096
HIGH_WATER = 256 << 10
MAXIMUM = 1 << 20
BOUNDED = {"high_water": HIGH_WATER, "low_water": HIGH_WATER // 4, "socket_send_buffer": 65536}
"""What the kernel takes of an answer is in nobody's account; here it is not much."""


def ask_and_take_little(port: int, count: int, seconds: float) -> int:
    """Asks for much and takes a little now and then; returns how many are still served at the end."""
    socks = [connect(port, SMALL) for _ in range(count)]
    for sock in socks:
        sock.sendall(b"all")
    end = time.monotonic() + seconds
    taken = 0
    while time.monotonic() < end:
        taken = sum(bool(sock.recv(100)) for sock in socks)
        time.sleep(0.1)
    for sock in socks:
        reset(sock)
    return taken


@attack(
    "slow-readers",
    "peers that ask for 8 MiB each and take a hundred bytes now and then",
    # Each may have its high-water mark and a chunk in memory; the rest is what the allocator makes of it.
    {"served": at_least(1), "memory per peer, KB": at_most(800), **UNHARMED, **CLEAN},
)
def slow_readers(scene: Scene) -> Figures:
    count = scene.size(40, 400)
    with (
        serving("answers", **BOUNDED) as target,
        target.neighbour() as neighbour,
        target.watching() as most,
    ):
        served = scene.attack(ask_and_take_little, target.port, count, scene.size(1, 10))
        left = target.rest(staying=1)
        each = most["memory, MB"] * 1000 / count
        return {"served": served, "memory per peer, KB": each, **neighbour.figures(), **left}


def ask_and_take_nothing(port: int, count: int) -> int:
    """Asks for much and takes nothing; returns how many are cut off."""
    socks = [connect(port, SMALL) for _ in range(count)]
    for sock in socks:
        sock.sendall(b"all")
    return await_end(socks, 10)


@attack(
    "no-readers",
    "peers that ask for 8 MiB each and take nothing, of a server that minds no water marks",
    {
        "not cut off": exactly(0),
        "memory per peer, KB": at_most(4 * MAXIMUM / 1000),
        "memory kept, MB": at_most(24),
        **UNHARMED,
        **CLEAN,
    },
)
def no_readers(scene: Scene) -> Figures:
    count = scene.size(30, 300)
    with (
        serving("blunt", max_outbound=MAXIMUM, socket_send_buffer=65536) as target,
        target.neighbour() as neighbour,
    ):
        before = target.resident()
        with target.watching() as most:
            cut_off = scene.attack(ask_and_take_nothing, target.port, count)
            left = target.rest(staying=1)
        return {
            "not cut off": count - cut_off,
            "memory per peer, KB": most["memory, MB"] * 1000 / count,
            "memory kept, MB": max(target.resident() - before, 0) / 1e6,
            **neighbour.figures(),
            **left,
        }


def take_everything(port: int, seconds: float) -> int:
    """Reads as fast as it can; returns the megabytes."""
    taken, buffer = 0, bytearray(1 << 20)
    end = time.monotonic() + seconds
    with connect(port) as sock:
        sock.sendall(b"all")
        while time.monotonic() < end:
            taken += sock.recv_into(buffer)
    return taken >> 20


@attack(
    "fast-reader",
    "a peer that reads as fast as it can, of a server that writes while it may",
    {"taken, MB": at_least(1), **UNHARMED, **CLEAN},
)
def fast_reader(scene: Scene) -> Figures:
    with serving("pour") as target, target.neighbour() as neighbour:
        taken = scene.attack(take_everything, target.port, scene.size(4, 10))
        return {"taken, MB": taken, **neighbour.figures(), **target.rest(staying=1)}


def leave_in_the_midst(port: int, count: int) -> int:
    def once(number: int) -> int:
        sock = connect(port)
        sock.sendall(b"GET")
        sock.shutdown(socket.SHUT_WR)
        try:
            got = len(sock.recv(1000))
        except OSError:
            got = 0
        if number % 2:
            sock.close()
        else:
            reset(sock)
        return bool(got)

    return several(once, count)


@attack(
    "leaving-readers",
    "peers that leave while a file is sent to them, and SIGPIPE ends the process",
    {"alive": exactly(1), "begun": at_least(1), **UNHARMED, **CLEAN},
)
def leaving_readers(scene: Scene) -> Figures:
    with serving("download", plain_signals=True) as target, target.neighbour() as neighbour:
        begun = scene.attack(leave_in_the_midst, target.port, scene.size(100, 2000))
        time.sleep(0.1)
        alive = target.alive()
        left = target.rest(staying=1) if alive else {}
        return {"alive": alive, "begun": begun, **neighbour.figures(), **left}


def stay_half_open(port: int, count: int) -> int:
    """Asks, says that it will ask no more, and stays without taking anything; returns how many are ended."""
    socks = [connect(port, SMALL) for _ in range(count)]
    for sock in socks:
        sock.sendall(b"all")
        sock.shutdown(socket.SHUT_WR)
    time.sleep(3)
    return len(socks)


@attack(
    "half-open-ends",
    "peers that half-close and stay, without taking the answer",
    {**UNHARMED, **CLEAN},
)
def half_open_ends(scene: Scene) -> Figures:
    with serving("answers", close_timeout=0.5) as target, target.neighbour() as neighbour:
        attacker = scene.begin(stay_half_open, target.port, scene.size(50, 500))
        scene.await_connections(target, 10)
        left = target.rest(staying=1, patience=2.5)  # they are all still there
        scene.finish(attacker)
        return {**neighbour.figures(), **left}
