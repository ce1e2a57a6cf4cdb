"""Bytes that are no protocol's, and those that nearly are, for every codec and example."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import socket

from bench.attack.base import CLEAN, UNHARMED, Figures, at_least, attack, exactly
from bench.attack.peers import connect, reset, send_quietly, several
from bench.attack.scene import Missing, Scene
from bench.attack.target import serving

GOOD: dict[str, list[bytes]] = {
    "frames": [b"\0\0\0\5hello", b"\0\0\0\0", b"\0\1\0\0" + bytes(65536), b"\xff\xff\xff\xff"],
    "delimited": [b"hello\n", b"\0\0", b"x" * 2000 + b"\n", b"\0\n\0\0\n"],
    "lines": [b"upper text\n", b"count 20\r\n", b"count 99999999999999999999\n", b"quit\n", b"x" * 3000],
    "http": [
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET /\xff%00%2e%2e/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
    ],
    "redis": [
        b"*1\r\n$4\r\nPING\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
        b"*2147483647\r\n$4\r\nPING\r\n",
        b"*1\r\n$536870913\r\n",
        b"*-1\r\n$-5\r\n",
        b'set a "b\r\n',
        b"*3\r\n$6\r\nHINCRBY\r\n$1\r\nk\r\n$20\r\n99999999999999999999\r\n",
    ],
    "websocket": [
        b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\x88\x80\0\0\0\0",
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://[x\r\n\r\n",
    ],
}
"""For each server what it understands, and what it must understand to refuse."""

NEEDS = {"http": "httptools", "redis": "hiredis", "websocket": "wsproto"}


def garble(chance: random.Random, good: list[bytes]) -> bytes:
    """Makes something that looks like one request or several, more or less."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.choice((1, 10, 100, 3000)))
    data = bytearray(b"".join(chance.choices(good, k=chance.randint(1, 4))))
    for _ in range(chance.choice((0, 1, 1, 2, 10))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randint(1, 10)]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 10))
            case 3:
                data[at:at] = data[: chance.randint(1, 20)]
    return bytes(data)


def talk_nonsense(port: int, server: str, count: int, seed: int) -> int:
    """Does; returns how often something was answered."""

    def once(number: int) -> int:
        chance = random.Random(f"{server} {seed} {number}")
        sock = connect(port)
        sock.settimeout(0.03)
        answered = 0
        for _ in range(chance.randint(1, 3)):
            send_quietly(sock, garble(chance, GOOD[server]))
            with contextlib.suppress(OSError):
                answered = bool(sock.recv(65536)) or answered
        if chance.random() < 0.3:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
                sock.recv(65536)
        if chance.random() < 0.3:
            reset(sock)
        else:
            sock.close()
        return int(answered)

    return several(once, count)


FUZZED = {
    "alive": exactly(1),
    "answered": at_least(1),
    "tracebacks": exactly(0),
    "serves on": exactly(1),
    **UNHARMED,
    **CLEAN,
}


def _fuzz(scene: Scene, server: str) -> Figures:
    needed = NEEDS.get(server)
    if needed and importlib.util.find_spec(needed) is None:
        raise Missing(f"{needed} is not installed")
    with serving(server, close_timeout=1.0) as target, target.neighbour() as neighbour:
        answered = scene.attack(talk_nonsense, target.port, server, scene.size(200, 5000), scene.seed)
        alive = target.alive()
        left = target.rest(staying=1) if alive else {}
        return {
            "alive": alive,
            "answered": answered,
            "serves on": alive and target.serves_a_newcomer(),
            **neighbour.figures(),
            **left,
            **target.said(),
        }


def _register(server: str) -> None:
    @attack(f"fuzz-{server}", f"random and nearly right bytes for the server called {server}", FUZZED)
    def fuzz(scene: Scene) -> Figures:
        return _fuzz(scene, server)


for _server in GOOD:
    _register(_server)
