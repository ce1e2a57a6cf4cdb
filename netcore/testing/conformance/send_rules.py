"""What batched sending must do."""

from __future__ import annotations

import errno
import random
import selectors
import socket
from collections.abc import Callable
from typing import Final

from netcore._machine import current
from netcore.sockets import Chunk
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.send_drain import Drain, Writer
from netcore.testing.conformance.sockets_bench import SocketsBench, receive_exactly
from netcore.testing.conformance.wires import wait_ready

__all__ = ["DEAD", "SEND_RULES"]

_LARGE: Final = bytes(range(256)) * 64
"""16 KiB: from 8 KiB on an implementation may treat chunks in another way."""

_STREAM: Final = 1 << 18
"""Bytes sent to each peer that receives meanwhile: many times what the kernel takes at once."""

DEAD: Final = {-errno.EPIPE, -errno.ECONNRESET, -errno.ECONNABORTED, -errno.ENOTCONN, -errno.EPROTOTYPE}
"""How a write to a dead connection fails (EPROTOTYPE: macOS, while the socket is being torn down)."""


def _expect_all(
    bench: SocketsBench, batch: list[tuple[int, Chunk]], peers: dict[int, socket.socket], what: str
) -> None:
    """Sends a batch that fits into the kernel's buffers and checks what each peer gets."""
    left = bench.send(batch)
    require(not left, f"send() of {what} reports exceptions: {sorted(left.items())[:3]}.")
    for fd, peer in peers.items():
        expected = b"".join(chunk for other, chunk in batch if other == fd)
        got = receive_exactly(peer, len(expected), f"after send() of {what} bytes are missing.")
        require(got == expected, f"send() of {what} changes bytes or their order.")


def _sends_chunks_in_order(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    _expect_all(bench, [(fd, b"one")], {fd: peer}, "one chunk")
    _expect_all(bench, [(fd, b"chunk %d, " % i) for i in range(200)], {fd: peer}, "200 chunks for one socket")


def _sends_to_several_sockets(bench: SocketsBench) -> None:
    peers = dict(bench.pair(tcp=i == 0) for i in range(4))
    fds = list(peers)
    batch: list[tuple[int, Chunk]] = [(fds[i * i % 4], b"<%d>" % i) for i in range(100)]
    batch += [(fds[i % 4], b"[%d]" % i) for i in range(100)]
    _expect_all(bench, batch, peers, "chunks for several sockets, interleaved,")


def _sends_thousands_of_chunks(bench: SocketsBench) -> None:
    peers = dict(bench.pair() for _ in range(10))
    fds = list(peers)
    batch: list[tuple[int, Chunk]] = [(fds[i // 3 % 10], b"%d," % i) for i in range(5000)]
    _expect_all(bench, batch, peers, "5000 chunks")
    _expect_all(bench, batch[:7], peers, "a few chunks after thousands")


def _sends_every_kind_of_chunk(bench: SocketsBench) -> None:
    peers = dict(bench.pair() for _ in range(2))
    first, second = peers
    kinds: list[Chunk] = [
        b"small",
        _LARGE,
        b"",
        memoryview(_LARGE)[5:9000],
        memoryview(b"view"),
        memoryview(bytearray(b"of a mutable"))[3:],
        _LARGE[:8192],
        memoryview(b""),
        _LARGE[:8191],
        b"end",
    ]
    for start in range(len(kinds)):
        turned = kinds[start:] + kinds[:start]
        _expect_all(bench, [(first, c) for c in turned], peers, "large, small and empty chunks")
        both = [(fd, c) for c in turned[:4] for fd in (first, second)]
        _expect_all(bench, both, peers, "large and small chunks, interleaved,")


def _sends_nothing(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    require(not bench.send([]), "send() of no chunks reports exceptions.")
    require(not bench.send([(fd, b""), (fd, memoryview(b"")), (fd, b"")]), "send() of empty chunks fails.")
    _expect_all(bench, [(fd, b"something")], {fd: peer}, "something after nothing")


def _fill(bench: SocketsBench, fd: int) -> int:
    """Sends until the kernel takes no more; returns how many bytes it took."""
    taken = 0
    for size in (1 << 20, 1):  # where a large chunk is refused, a small one may still fit
        left = 0
        while left < size:
            left = bench.send([(fd, bytes(size))]).get(0, 0)
            require(left >= 0, f"send() to a socket whose peer does not receive fails with {left}.")
            taken += size - left
            require(taken < 1 << 28, "send() never reports that a peer receives nothing.")
    return taken


def _reports_a_short_write(bench: SocketsBench) -> None:
    (fd, peer), (other, other_peer) = bench.pair(), bench.pair()
    random_bytes = random.Random(1).randbytes(1_000_003) * 64
    late: list[Chunk] = [b"late", b"", _LARGE, b"later"]
    batch: list[tuple[int, Chunk]] = [
        (fd, random_bytes),
        (fd, b"behind"),
        (other, b"other"),
        *((fd, c) for c in late),
    ]
    batch += [(other, _LARGE), (fd, b"last")]
    left = bench.send(batch)
    require(left, "send() of 64 MB to a peer that does not receive reports no exception.")
    n = left.pop(0, 0)
    require(n > 0, f"send() of more than the kernel takes reports {n} bytes of the first chunk left.")
    rest = {i: len(chunk) for i, (to, chunk) in enumerate(batch) if i and to == fd and chunk}
    require(
        left == rest, "after a short write not all later chunks of that socket are reported as left, in full."
    )
    got = receive_exactly(other_peer, 5 + len(_LARGE), "a short write on one socket delays another.")
    require(got == b"other" + _LARGE, "a short write on one socket changes the bytes of another.")
    sent = len(random_bytes) - n
    got = receive_exactly(peer, sent, "send() reports fewer bytes left than there are.")
    require(got == random_bytes[:sent], "a short write changes bytes.")
    _expect_silence(peer, "after a short write a later chunk of that socket overtakes.")


def _expect_silence(peer: socket.socket, sentence: str) -> None:
    peer.setblocking(False)
    try:
        got = peer.recv(100)
    except BlockingIOError:
        return
    raise AssertionError(f"{sentence.rstrip('.')}: {got!r} arrives.")


def _reports_a_full_socket(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    taken = _fill(bench, fd)
    left = bench.send([(fd, b"one"), (fd, _LARGE), (fd, b"two")])
    require(
        left == {0: 3, 1: len(_LARGE), 2: 3}, "send() to a full socket does not report every chunk in full."
    )
    receive_exactly(peer, taken, "send() reports fewer bytes left than there are.")
    _expect_all(bench, [(fd, b"room again")], {fd: peer}, "a chunk to a socket that has room again")


def _reports_errors(bench: SocketsBench) -> None:
    (dead, peer), (fine, fine_peer), (shut, _) = bench.pair(), bench.pair(), bench.pair()
    peer.close()
    bench.until_dead(dead)
    bench.sockets.shutdown_write(shut)
    batch: list[tuple[int, Chunk]] = [
        (fine, b"a"),
        (dead, b"lost"),
        (dead, b"too"),
        (shut, _LARGE),
        (fine, b"b"),
    ]
    left = bench.send([*batch, (dead, b"again"), (shut, b"again"), (fine, b"c")])
    require(left.get(1, 0) in DEAD, f"send() to a closed peer gives {left.get(1)} instead of -EPIPE.")
    wanted = -errno.ESHUTDOWN if current().facts.sockets_are_handles else -errno.EPIPE  # Windows, or others
    require(left.get(3) == wanted, f"send() after shutdown_write() gives {left.get(3)} instead of {wanted}.")
    for i in (2, 5, 6):
        require(i in left, "after an error not every later chunk of that socket is reported.")
    require(set(left) == {1, 2, 3, 5, 6}, "an error on one socket is reported for another.")
    require(receive_exactly(fine_peer, 3, "an error on one socket stops another.") == b"abc", "bytes change.")


def _stops_a_socket_at_its_first_error(bench: SocketsBench) -> None:
    # Packets, because one that is too long fails without making the socket useless for the next.
    kind = getattr(socket, "SOCK_SEQPACKET", None)
    try:
        near, far = socket.socketpair(type=kind) if kind is not None else (None, None)
    except (OSError, ValueError):  # the latter where pairs are made of TCP sockets
        return
    if near is None or far is None:
        return
    fd, peer = bench.adopt(near), bench.keep(far)
    other, _ = bench.pair()
    too_long = bytes(16 << 20)
    for gap in ([], [(other, b"between")], [(fd, b"")], [(other, b"between"), (fd, b"")]):
        batch: list[tuple[int, Chunk]] = [(fd, too_long), *gap, (fd, b"late")]
        left = bench.send(batch)
        require(left.get(0) == -errno.EMSGSIZE, f"send() of a packet that is too long gives {left.get(0)}.")
        require(len(batch) - 1 in left, "after an error not every later chunk of that socket is reported.")
        _expect_silence(peer, "after a chunk that failed a later one of the same socket is sent.")


def _never_overtakes_while_the_peer_receives(bench: SocketsBench) -> None:
    rng = random.Random(2)
    drain = Drain(bench.surroundings)
    writers = []
    for _ in range(4):
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        writers.append(Writer(bench.adopt(near), rng.randbytes(_STREAM), rng))
        drain.add(bench.keep(far), _STREAM)
    with drain:
        while (pending := [writer for writer in writers if writer.pending]) and not drain.overdue:
            before = sum(writer.sent for writer in writers)
            batch = [(w.fd, chunk) for w in writers for chunk in w.next_chunks()]
            rng.shuffle(writers)
            order = _interleave(batch, rng)
            left = bench.send(order)
            for writer in writers:
                writer.settle(
                    [(chunk, left.get(i, 0)) for i, (fd, chunk) in enumerate(order) if fd == writer.fd]
                )
            if sum(writer.sent for writer in writers) == before:
                wait_ready(
                    pending[0].fd, selectors.EVENT_WRITE
                )  # spinning would hold up the receiving thread
    require(not drain.overdue, "sending to peers that receive makes no progress.")
    got = set(drain.received)
    sentence = (
        "with short writes and repeated sends a peer gets other bytes than were sent, or in another order."
    )
    require(got == {writer.data for writer in writers}, sentence)


def _interleave(batch: list[tuple[int, Chunk]], rng: random.Random) -> list[tuple[int, Chunk]]:
    """Mixes the chunks of several sockets, in runs, keeping the order within each socket."""
    queues: dict[int, list[Chunk]] = {}
    for fd, chunk in batch:
        queues.setdefault(fd, []).append(chunk)
    mixed: list[tuple[int, Chunk]] = []
    while queues:
        fd = rng.choice(list(queues))
        for _ in range(rng.choice((1, 1, 2, 100))):
            if fd in queues:
                mixed.append((fd, queues[fd].pop(0)))
                if not queues[fd]:
                    del queues[fd]
    return mixed


SEND_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _sends_chunks_in_order,
    _sends_to_several_sockets,
    _sends_thousands_of_chunks,
    _sends_every_kind_of_chunk,
    _sends_nothing,
    _reports_a_short_write,
    _reports_a_full_socket,
    _reports_errors,
    _stops_a_socket_at_its_first_error,
    _never_overtakes_while_the_peer_receives,
)
