"""What batched receiving must do."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import Final

from netcore.testing.conformance import wires
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.sockets_bench import SocketsBench, receive_exactly

__all__ = ["RECEIVE_RULES"]

_WOULD_BLOCK: Final = (-errno.EAGAIN, -errno.EWOULDBLOCK)
_MANY: Final = 300
"""More sockets than an implementation is likely to take at once."""


def _packs_the_arena_in_order(bench: SocketsBench) -> None:
    pairs = [bench.pair() for _ in range(5)]
    payloads = [bytes([i]) * size for i, size in enumerate((1, 1000, 3, 4096, 17))]
    for (fd, peer), payload in zip(pairs, payloads, strict=True):
        peer.sendall(payload)
        bench.arrival(fd)
    received = bench.receive([fd for fd, _ in pairs])
    require([n for n, _ in received] == [len(p) for p in payloads], "receive() gives wrong numbers of bytes.")
    sentence = "the arena does not have the bytes of the sockets one after the other."
    require([data for _, data in received] == payloads, sentence)


def _receives_on_either_network(bench: SocketsBench) -> None:
    for tcp in (False, True):
        fd, peer = bench.pair(tcp)
        for payload in (b"first", b"second"):
            peer.sendall(payload)
            bench.arrival(fd)
            require(bench.receive([fd]) == [(len(payload), payload)], "receive() loses or changes bytes.")


def _reports_what_is_not_data(bench: SocketsBench) -> None:
    (idle, _), (ended, ended_peer), (full, full_peer), (last, last_peer) = (bench.pair() for _ in range(4))
    ended_peer.close()
    full_peer.sendall(b"full")
    last_peer.sendall(b"last")
    last_peer.close()
    for fd in (ended, full, last):
        bench.arrival(fd)
    received = bench.receive([idle, full, ended, last, ended])
    numbers = [n for n, _ in received]
    require(
        numbers[0] in _WOULD_BLOCK,
        f"receive() gives {numbers[0]} instead of -EAGAIN with nothing to receive.",
    )
    require(
        numbers[2] == numbers[4] == 0, f"receive() gives {numbers[2]} instead of 0 at the end of a stream."
    )
    sentence = "receive() mixes up bytes behind a socket without any."
    require(received[1] == (4, b"full") and received[3] == (4, b"last"), sentence)
    require(bench.receive([last])[0][0] == 0, "receive() does not give 0 after the last bytes of a stream.")


def _reports_a_reset(bench: SocketsBench) -> None:
    (fd, peer), (other, other_peer) = bench.pair(tcp=True), bench.pair(tcp=True)
    other_peer.sendall(b"fine")
    wires.reset(peer)
    for waiting in (fd, other):
        bench.arrival(waiting)
    (n, _), fine = bench.receive([fd, other])
    require(n == -errno.ECONNRESET, f"receive() gives {n} instead of -ECONNRESET after a reset by the peer.")
    require(fine == (4, b"fine"), "receive() of a reset socket spoils that of the next.")


def _receives_nothing_of_no_sockets(bench: SocketsBench) -> None:
    require(len(bench.sockets.receive([])) == 0, "receive() of no sockets gives results.")


def _stops_when_the_arena_is_full(bench: SocketsBench) -> None:
    size = len(bench.sockets.arena)
    rng = random.Random(0)
    contents: dict[int, bytes] = {}
    total = 0
    while total <= 2 * size and len(contents) < 100:
        fd, peer = bench.pair()
        peer.setblocking(False)
        data = rng.randbytes(min(size, 1 << 20))
        sent = peer.send(data)
        contents[fd] = data[:sent]
        total += sent
        bench.arrival(fd)
    got: dict[int, bytes] = dict.fromkeys(contents, b"")
    waiting = list(contents)
    while waiting:
        for fd, (n, data) in zip(waiting, bench.receive(waiting), strict=True):
            require(n > 0, f"receive() gives {n} though the socket has bytes.")
            got[fd] += data
        waiting = [fd for fd in waiting if len(got[fd]) < len(contents[fd])]
    require(got == contents, "receiving more than the arena holds loses or changes bytes.")


def _receives_from_many(bench: SocketsBench) -> None:
    with bench.surroundings.more_descriptors(2 * _MANY):
        pairs = [bench.pair() for _ in range(_MANY)]
        payloads = [b"%d!" % i for i in range(_MANY)]
        for (_, peer), payload in zip(pairs, payloads, strict=True):
            peer.sendall(payload)
        bench.arrival(pairs[-1][0])
        received = bench.receive([fd for fd, _ in pairs])
        sentence = f"receiving from {_MANY} sockets loses or changes bytes."
        require([data for _, data in received] == payloads, sentence)


def _renews_the_arena(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    peer.sendall(b"old bytes")
    bench.arrival(fd)
    bench.receive([fd])
    old = bench.sockets.arena
    view = memoryview(old)[:9]
    bench.sockets.renew_arena()
    require(bench.sockets.arena is not old, "renew_arena() does not replace the arena.")
    require(len(bench.sockets.arena) == len(old), "renew_arena() changes the size of the arena.")
    peer.sendall(b"new ones")
    bench.arrival(fd)
    require(bench.receive([fd]) == [(8, b"new ones")], "receive() does not use the renewed arena.")
    require(
        view.tobytes() == b"old bytes",
        "receive() after renew_arena() changes the bytes under a view of the old arena.",
    )
    view.release()


def _receives_into_the_arena_of_now(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    for payload in (b"a" * 100, b"b" * 10):
        peer.sendall(payload)
        bench.arrival(fd)
        require(
            bench.receive([fd])[0][1] == payload,
            "the next receive() does not start at the arena's beginning.",
        )
    bench.sockets.send([fd], [b"pong"])
    require(
        receive_exactly(peer, 4, "what is sent after receiving does not arrive.") == b"pong", "bytes change."
    )


RECEIVE_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _packs_the_arena_in_order,
    _receives_on_either_network,
    _reports_what_is_not_data,
    _reports_a_reset,
    _receives_nothing_of_no_sockets,
    _stops_when_the_arena_is_full,
    _receives_from_many,
    _renews_the_arena,
    _receives_into_the_arena_of_now,
)
