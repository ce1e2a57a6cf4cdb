"""What has to pass before a connection opens, and does not: TLS handshakes and PROXY headers."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import time
from dataclasses import dataclass

from bench.attack.base import CLEAN, UNHARMED, Figures, at_least, at_most, attack, exactly
from bench.attack.peers import await_end, connect, send_quietly
from bench.attack.scene import Scene
from bench.attack.target import Target, serving

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"
"""A header of the PROXY protocol."""


def client_hello() -> bytes:
    """What a client of TLS says first."""
    context = ssl.create_default_context()
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="x.example").do_handshake()
    return outgoing.read()


def costly_hello() -> bytes:
    """What a client says that has a server compute: it names the largest group, and sends noise for a key."""

    def vector(data: bytes, size: int = 2) -> bytes:
        return len(data).to_bytes(size, "big") + data

    def extension(kind: int, data: bytes) -> bytes:
        return kind.to_bytes(2, "big") + vector(data)

    group = b"\1\4"  # ffdhe8192
    extensions = (
        extension(43, vector(b"\3\4", 1)),
        extension(10, vector(group)),
        extension(13, vector(b"\4\3\x08\4")),
        extension(51, vector(group + vector(b"\x7f" + os.urandom(1023)))),
    )
    hello = (
        b"\3\3" + os.urandom(32) + b"\0" + vector(b"\x13\1") + vector(b"\0", 1) + vector(b"".join(extensions))
    )
    return b"\x16\3\1" + vector(b"\1" + vector(hello, 3))


OPENINGS = {"tls": client_hello, "proxy": lambda: LINE}


@dataclass
class _Peer:
    sock: socket.socket
    since: float
    rest: bytes


def stall(port: int, count: int, opening: str, patience: float) -> list[float]:
    """Opens as many connections of each of three kinds, and looks how long the server bears with them.

    Some say nothing, some half of what is to be said, and some a byte of it per second.

    Returns:
        How many the server has ended; the shortest and the longest time that one was there, in seconds.
    """
    said = OPENINGS[opening]()
    poll = selectors.DefaultSelector()
    peers: list[_Peer] = []
    for first, rest in ((b"", b""), (said[: len(said) // 2], b""), (b"", said[:-1])):
        for _ in range(count):
            sock = connect(port)
            peers.append(_Peer(sock, time.monotonic(), rest))
            sock.sendall(first)
            poll.register(sock, selectors.EVENT_READ, peers[-1])
    times = []
    end, tick = time.monotonic() + patience, 0.0
    while len(times) < len(peers) and time.monotonic() < end:
        if time.monotonic() >= tick:
            tick = time.monotonic() + 1
            for peer in peers:
                if peer.rest and send_quietly(peer.sock, peer.rest[:1]):
                    peer.rest = peer.rest[1:]
        for key, _ in poll.select(max(tick - time.monotonic(), 0)):
            peer = key.data
            with contextlib.suppress(OSError):
                if peer.sock.recv(4096):
                    continue  # an alert
            times.append(time.monotonic() - peer.since)
            peer.rest = b""
            poll.unregister(peer.sock)
            peer.sock.close()
    return [len(times), min(times, default=0.0), max(times, default=0.0)]


STALLED = {
    "not ended": exactly(0),
    "not counted": exactly(0),
    "shortest, of the time-out": at_least(0.95),
    "longest, of the time-out": at_most(2.5),
    "memory per peer, KB": at_most(40),
    "lines of log": at_most(5),
    "tracebacks": exactly(0),
    **UNHARMED,
    **CLEAN,
}


def _stalled(scene: Scene, target: Target, opening: str, timeout: float, counter: str, kinds: int) -> Figures:
    """Lets peers of three kinds stall; so many kinds of them count as failures."""
    count = scene.size(300, 1000)
    with target.neighbour() as neighbour, target.watching() as most:
        ended, shortest, longest = scene.attack(stall, target.port, count, opening, timeout + 15)
        left = target.rest(staying=1)
        figures = target.ask()
        return {
            "not ended": 3 * count - ended,
            "not counted": abs(kinds * count - figures[counter]) + abs(3 * count - figures["unopened"]),
            "shortest, of the time-out": shortest / timeout,
            "longest, of the time-out": longest / timeout,
            "memory per peer, KB": most["memory, MB"] * 1000 / (3 * count),
            **neighbour.figures(),
            **left,
            **target.said(),
        }


@attack(
    "tls-stalls", "TLS handshakes that do not begin, end in their midst, or come a byte per second", STALLED
)
def tls_stalls(scene: Scene) -> Figures:
    timeout = scene.size(3, 10)
    with serving("echo", secured=True, tls_handshake_timeout=timeout) as target:
        # Who has not said a byte has begun no handshake.
        return _stalled(scene, target, "tls", timeout, "tls_handshake_failures", 2)


@attack(
    "proxy-stalls", "PROXY headers that do not come, end in their midst, or come a byte per second", STALLED
)
def proxy_stalls(scene: Scene) -> Figures:
    timeout = scene.size(3, 10)
    with serving("echo", ahead=LINE, proxy_protocol=True, proxy_protocol_timeout=timeout) as target:
        return _stalled(scene, target, "proxy", timeout, "proxy_failures", 3)


def send_and_wait(port: int, count: int, data: str) -> int:
    """Says something on connections one after the other; returns how many the server has ended."""
    ended = 0
    for _ in range(count):
        with connect(port) as sock:
            send_quietly(sock, bytes.fromhex(data))
            ended += await_end([sock], 15)
    return ended


@attack(
    "tls-costly-keys",
    "ClientHellos that would have OpenSSL compute for a sixth of a second each",
    {
        "not ended": exactly(0),
        "CPU per peer, ms": at_most(20),
        "lines of log": at_most(5),
        "tracebacks": exactly(0),
        **UNHARMED,
        **CLEAN,
    },
)
def tls_costly_keys(scene: Scene) -> Figures:
    count = scene.size(100, 1000)
    with serving("echo", secured=True) as target, target.neighbour() as neighbour:
        before = target.cpu()
        ended = scene.attack(send_and_wait, target.port, count, costly_hello().hex())
        return {
            "not ended": count - ended,
            "CPU per peer, ms": (target.cpu() - before) * 1000 / count,
            **neighbour.figures(),
            **target.rest(staying=1),
            **target.said(),
        }


def say_much(port: int, count: int, seconds: float) -> int:
    """Sends the longest headers, of the smallest parts, and more behind; returns how many are answered."""
    header = SIGNATURE + b"\x21\x11\xff\xff" + bytes([192, 0, 2, 7, 192, 0, 2, 1, 156, 64, 1, 187])
    header += b"\xe0\0\0" * ((0xFFFF - 12) // 3)
    socks = [connect(port) for _ in range(count)]
    answered = 0
    for sock in socks:
        sock.sendall(header + b"hello")
    for sock in socks:
        with contextlib.suppress(OSError):
            answered += sock.recv(5) == b"hello"
    time.sleep(seconds)
    for sock in socks:
        sock.close()
    return answered


@attack(
    "proxy-tlvs",
    "PROXY headers of 64 KiB, made of parts that say nothing, on connections that stay",
    {
        "not served": exactly(0),
        "memory per peer, KB": at_most(150),
        "tracebacks": exactly(0),
        **UNHARMED,
        **CLEAN,
    },
)
def proxy_tlvs(scene: Scene) -> Figures:
    count = scene.size(300, 1000)
    with (
        serving("echo", ahead=LINE, proxy_protocol=True) as target,
        target.neighbour() as neighbour,
        target.watching() as most,
    ):
        answered = scene.attack(say_much, target.port, count, scene.size(1, 5))
        left = target.rest(staying=1)
        return {
            "not served": count - answered,
            "memory per peer, KB": most["memory, MB"] * 1000 / count,
            **neighbour.figures(),
            **left,
            **target.said(),
        }
