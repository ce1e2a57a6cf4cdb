"""Sockets that share the ring of an io_uring poller: what the kernel fetches by itself, and its limits."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from netcore.poll import Interest, IoUringPoller, Readiness
from netcore.sockets import IoUringSockets, NativeSockets, PureSockets, open_sockets, unpack_name
from netcore.testing import check_sockets
from netcore.testing.conformance import wires

pytestmark = pytest.mark.poller("io_uring")

READ, WRITE, EDGE = Interest.READ, Interest.WRITE, Interest.EDGE
MODES = range(4)
BUFFER = 4096
BUFFERS = 512


class Rig:
    """A poller, its sockets, and pairs of which one end is registered."""

    def __init__(self, mode: int, receive_cap: int = 65536) -> None:
        self.poller = IoUringPoller(mode)
        self.sockets = IoUringSockets(self.poller.ring, receive_cap)
        self.peers: list[socket.socket] = []
        self.owned: set[int] = set()

    def adopt(self, sock: socket.socket, interest: int) -> int:
        sock.setblocking(False)
        fd = sock.detach()
        self.sockets.attach(fd)
        self.owned.add(fd)
        self.poller.register(fd, interest)
        return fd

    def pair(self, interest: int = READ, tcp: bool = False) -> tuple[int, socket.socket]:
        if tcp:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                far = socket.create_connection(listener.getsockname())
                near = listener.accept()[0]
        else:
            near, far = socket.socketpair()
        far.settimeout(5)
        self.peers.append(far)
        return self.adopt(near, interest), far

    def until(self, fd: int, flags: int = Readiness.READABLE) -> int:
        for _ in range(50):
            readiness = dict(self.poller.wait(5)).get(fd, 0)
            if readiness & flags:
                return readiness
        raise AssertionError(f"descriptor {fd} is not reported with {flags}")

    def quiet(self, fd: int) -> bool:
        return all(fd not in dict(self.poller.wait(0)) for _ in range(3))

    def receive(self, fd: int) -> bytes:
        (n,) = self.sockets.receive([fd])
        assert n >= 0, os.strerror(-n)
        return self.sockets.arena[:n]

    def close(self) -> None:
        self.sockets.close(list(self.owned))
        self.poller.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture(params=MODES)
def rig(request: pytest.FixtureRequest) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**arguments: int) -> Rig:
        rigs.append(Rig(request.param, **arguments))
        return rigs[-1]

    yield make
    for made in rigs:
        made.close()


@pytest.mark.parametrize("mode", MODES)
def test_passes_the_check(mode: int) -> None:
    pollers: list[IoUringPoller] = []

    def make() -> IoUringSockets:
        pollers.append(IoUringPoller(mode))
        return IoUringSockets(pollers[-1].ring)

    check_sockets(make)
    for poller in pollers:
        poller.close()


def test_they_are_chosen_with_their_poller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETCORE_SOCKETS", raising=False)
    poller = IoUringPoller()
    assert type(open_sockets(4096, poller)) is IoUringSockets
    assert type(open_sockets(4096, object())) is NativeSockets
    for name, kind in (("native", NativeSockets), ("pure", PureSockets)):
        monkeypatch.setenv("NETCORE_SOCKETS", name)
        assert type(open_sockets(4096, poller)) is kind
    poller.close()


def test_a_wait_brings_the_bytes_along(rig: Callable[..., Rig]) -> None:
    made = rig()
    for tcp in (False, True):
        fd, peer = made.pair(tcp=tcp)
        peer.sendall(b"first")
        assert made.until(fd) == Readiness.READABLE
        assert made.receive(fd) == b"first"
        assert made.sockets.receive([fd]) == [-errno.EAGAIN]
        assert made.quiet(fd)


def test_what_is_not_asked_for_stays_readable(rig: Callable[..., Rig]) -> None:
    made = rig(receive_cap=BUFFER + 100)
    fd, peer = made.pair()
    data = random.Random(1).randbytes(3 * BUFFER + 17)
    peer.sendall(data)
    got = b""
    while len(got) < len(data):
        made.until(fd)
        piece = made.receive(fd)
        assert 0 < len(piece) <= BUFFER + 100
        got += piece
    assert got == data
    assert made.quiet(fd)


def test_the_end_comes_after_the_bytes_and_is_repeated(rig: Callable[..., Rig]) -> None:
    made = rig()
    for tcp in (False, True):
        fd, peer = made.pair(tcp=tcp)
        peer.sendall(b"last")
        peer.shutdown(socket.SHUT_WR)
        made.until(fd)
        assert made.receive(fd) == b"last"
        for _ in range(2):
            made.until(fd)
            assert made.receive(fd) == b""
        assert not made.sockets.send([fd, fd], [b"still", b" there"])
        assert peer.recv(100) == b"still there"


def test_a_reset_is_told_once_and_then_the_end(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair(tcp=True)
    assert made.quiet(fd)
    wires.reset(peer)
    made.until(fd)
    assert made.sockets.receive([fd]) == [-errno.ECONNRESET]
    assert made.sockets.receive([fd]) == [0]


def test_a_reset_is_told_although_nothing_is_asked_of_the_socket(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair(tcp=True)
    made.poller.modify(fd, 0)
    assert made.quiet(fd)
    wires.reset(peer)
    assert made.until(fd, Readiness.ERROR | Readiness.HANGUP)
    assert made.sockets.receive([fd]) == [-errno.ECONNRESET]


def test_a_reset_that_a_receive_has_met_is_told_when_nothing_is_asked_any_more(
    rig: Callable[..., Rig],
) -> None:
    made = rig()
    fd, peer = made.pair(0, tcp=True)
    wires.reset(peer)
    assert wires.wait_ready(fd)
    made.poller.modify(fd, READ)  # receives at once, and takes the error from the socket
    made.poller.modify(fd, 0)
    for _ in range(2):
        assert made.until(fd, Readiness.ERROR)
    assert made.sockets.receive([fd]) == [-errno.ECONNRESET]


@pytest.mark.parametrize("interest", [0, WRITE, EDGE, WRITE | EDGE])
@pytest.mark.parametrize("early", [False, True])
def test_a_peers_end_that_nobody_reads_ends_no_waits(
    rig: Callable[..., Rig], interest: int, early: bool
) -> None:
    made = rig()
    fd, peer = made.pair(interest if early else READ, tcp=True)
    while not made.sockets.send([fd], [bytes(65536)]):
        pass
    peer.shutdown(socket.SHUT_WR)
    if not early:
        made.until(fd)
        made.poller.modify(fd, interest)
    wires.wait_ready(fd)
    waits = 0
    end = time.monotonic() + 0.05
    while (left := end - time.monotonic()) > 0:
        assert made.poller.wait(left) == []
        waits += 1
    assert waits < 10
    for _ in range(3 if interest & WRITE else 0):
        peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while peer.recv(1 << 20):
                pass
        assert made.until(fd, Readiness.WRITABLE) == Readiness.WRITABLE
        while not made.sockets.send([fd], [bytes(65536)]):
            pass
    made.poller.modify(fd, READ)
    made.until(fd)
    assert made.receive(fd) == b""


def test_a_pause_keeps_what_has_come_and_fetches_no_more(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair()
    peer.sendall(b"one ")
    made.until(fd)
    made.poller.unregister(fd)
    peer.sendall(b"two ")
    assert made.quiet(fd)
    peer.sendall(b"three")
    assert made.quiet(fd)
    made.poller.register(fd, READ)
    got = b""
    while got != b"one two three":
        made.until(fd)
        got += made.receive(fd)


def test_what_is_unregistered_can_still_be_received_in_order(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair()
    peer.sendall(b"held ")
    made.until(fd)
    made.poller.unregister(fd)
    peer.sendall(b"later")
    assert made.receive(fd) == b"held "
    assert made.receive(fd) == b"later"
    assert made.sockets.receive([fd]) == [-errno.EAGAIN]
    peer.close()
    assert made.receive(fd) == b""


def test_without_buffers_left_sockets_are_read_in_the_plain_way(rig: Callable[..., Rig]) -> None:
    made = rig()
    rng = random.Random(2)
    pairs = [made.pair() for _ in range(40)]
    contents: dict[int, bytes] = {}
    for fd, peer in pairs:
        peer.setblocking(False)
        data = rng.randbytes(1 << 20)
        contents[fd] = data[: peer.send(data)]
    assert sum(map(len, contents.values())) > BUFFERS * BUFFER
    got = dict.fromkeys(contents, b"")
    while got != contents:
        ready = [fd for fd, _ in made.poller.wait(5)]
        for fd in ready:
            got[fd] += made.receive(fd)
            assert contents[fd].startswith(got[fd])
    for fd, peer in pairs:  # and they all come back to the ring
        peer.send(b"small")
        made.until(fd)
        assert made.receive(fd) == b"small"
    assert made.poller.wait(0) == []


def test_sockets_that_hold_all_buffers_in_a_pause_starve_nobody(rig: Callable[..., Rig]) -> None:
    made = rig()
    held: dict[int, bytes] = {}
    while sum(map(len, held.values())) < 2 * BUFFERS * BUFFER:
        fd, peer = made.pair()
        peer.setblocking(False)
        held[fd] = bytes(peer.send(bytes(1 << 20)))
        made.poller.wait(1)
        made.poller.unregister(fd)
    other, peer = made.pair()
    for text in (b"one", b"two"):
        peer.sendall(text)
        made.until(other)
        assert made.receive(other) == text
    for fd, data in held.items():
        made.poller.register(fd, READ)
        left = len(data)
        while left:
            left -= len(made.receive(fd))


def test_a_dialled_socket_is_fetched_from_once_it_is_attached(rig: Callable[..., Rig]) -> None:
    made = rig()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.socket()
        near.setblocking(False)
        near.connect_ex(listener.getsockname())
        made.poller.register(near.fileno(), WRITE)
        made.until(near.fileno(), Readiness.WRITABLE)
        made.poller.unregister(near.fileno())
        far = listener.accept()[0]
    made.peers.append(far)
    fd = made.adopt(near, READ)
    far.sendall(b"hello")
    made.until(fd)
    assert made.receive(fd) == b"hello"
    with made.sockets.borrow(fd) as sock:
        far.sendall(b"fetched")
        made.until(fd)
        with pytest.raises(BlockingIOError):
            sock.recv(1)  # it has left the socket
    assert made.receive(fd) == b"fetched"


def test_edges_are_told_once(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair(READ | EDGE)
    assert made.quiet(fd)
    for text in (b"one", b"two"):
        peer.sendall(text)
        assert made.until(fd) & Readiness.READABLE
        assert made.quiet(fd)
    assert made.receive(fd) == b"onetwo"
    made.poller.modify(fd, READ | WRITE | EDGE)
    assert made.until(fd, Readiness.WRITABLE)
    assert made.quiet(fd)
    made.poller.modify(fd, READ | WRITE | EDGE)
    assert made.until(fd, Readiness.WRITABLE), "asked anew, an edge is told anew"


def test_both_directions_are_watched_at_once(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair(READ | WRITE)
    peer.sendall(b"in")
    assert made.until(fd, Readiness.WRITABLE)
    assert made.until(fd, Readiness.READABLE)
    made.poller.modify(fd, READ)
    assert made.until(fd) == Readiness.READABLE
    assert made.receive(fd) == b"in"
    assert made.quiet(fd)


@pytest.mark.parametrize("tcp", [False, True])
def test_closing_ends_the_stream_although_the_kernel_is_receiving(rig: Callable[..., Rig], tcp: bool) -> None:
    made = rig()
    for unregister in (False, True):
        pairs = [made.pair(READ | WRITE, tcp) for _ in range(30)]
        made.poller.wait(0)
        if unregister:
            for fd, _ in pairs:
                made.poller.unregister(fd)
        fds = [fd for fd, _ in pairs]
        made.sockets.close(fds)
        made.owned.difference_update(fds)
        for _, peer in pairs:
            assert peer.recv(1) == b""


def test_a_reset_of_ours_is_seen_by_the_peer(rig: Callable[..., Rig]) -> None:
    made = rig()
    fd, peer = made.pair(tcp=True)
    made.poller.wait(0)
    made.sockets.reset(fd)
    made.owned.discard(fd)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)


def test_a_reused_number_knows_nothing_of_its_predecessor(rig: Callable[..., Rig]) -> None:
    made = rig()
    numbers = set()
    for i in range(20):
        fd, peer = made.pair(READ | (EDGE if i % 2 else 0))
        numbers.add(fd)
        assert made.quiet(fd)
        peer.sendall(b"%d" % i)
        made.until(fd)
        if i % 3:
            assert made.receive(fd) == b"%d" % i
        made.sockets.close([fd])
        made.owned.discard(fd)
    assert len(numbers) < 20


def listen(made: Rig, backlog: int = 1024) -> tuple[int, tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    name = listener.getsockname()
    return made.adopt(listener, READ), name


def accept_all(made: Rig, listener: int, count: int, limit: int = 64) -> list[tuple[int, bytes]]:
    accepted: list[tuple[int, bytes]] = []
    while len(accepted) < count:
        made.until(listener)
        batch, error = made.sockets.accept(listener, limit)
        assert not error
        assert len(batch) <= limit
        accepted += batch
    made.owned.update(fd for fd, _ in accepted)
    return accepted


def test_connections_are_accepted_and_named(rig: Callable[..., Rig]) -> None:
    made = rig()
    listener, name = listen(made)
    clients = [socket.create_connection(name) for _ in range(150)]
    made.peers += clients
    accepted = accept_all(made, listener, 150, limit=40)
    assert made.quiet(listener)
    peers = {(address.host, address.port) for address in (unpack_name(packed) for _, packed in accepted)}
    assert peers == {client.getsockname() for client in clients}
    for fd, _ in accepted:
        assert not os.get_blocking(fd)
        assert not os.get_inheritable(fd)


def test_nothing_is_accepted_ahead_of_being_asked_for(rig: Callable[..., Rig]) -> None:
    made = rig()
    listener, name = listen(made)
    made.poller.wait(0)
    before = len(os.listdir("/proc/self/fd"))
    clients = [socket.create_connection(name) for _ in range(5)]
    made.peers += clients
    made.until(listener)
    assert len(os.listdir("/proc/self/fd")) == before + 5
    accept_all(made, listener, 2, limit=2)
    assert len(os.listdir("/proc/self/fd")) == before + 7


def test_who_waits_behind_a_closed_listener_is_left_to_its_duplicate(rig: Callable[..., Rig]) -> None:
    made = rig()
    listener, name = listen(made)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, os.dup(listener)) as successor:
        client = socket.create_connection(name, timeout=5)
        made.peers.append(client)
        made.until(listener)
        made.sockets.close([listener])
        made.owned.discard(listener)
        successor.setblocking(True)
        successor.settimeout(5)
        with successor.accept()[0] as accepted:
            accepted.sendall(b"!")
            assert client.recv(1) == b"!"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(name)


def test_a_paused_listener_leaves_connections_to_the_backlog(rig: Callable[..., Rig]) -> None:
    made = rig()
    listener, name = listen(made)
    made.poller.wait(0)
    made.poller.unregister(listener)
    made.poller.wait(0)
    before = len(os.listdir("/proc/self/fd"))
    clients = [socket.create_connection(name) for _ in range(5)]
    made.peers += clients
    assert made.quiet(listener)
    assert len(os.listdir("/proc/self/fd")) == before + 5
    made.poller.register(listener, READ)
    accept_all(made, listener, 5)


def test_out_of_descriptors_is_told_and_passes(rig: Callable[..., Rig]) -> None:
    resource = pytest.importorskip("resource")
    made = rig()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    made.peers.append(client)
    with open(__file__, "rb") as probe:
        lowest = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        listener = made.adopt(listening, READ)
        made.until(listener)
        assert made.sockets.accept(listener, 8) == ([], -errno.EMFILE)
        made.poller.unregister(listener)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    made.poller.register(listener, READ)
    accept_all(made, listener, 1)


def test_who_closes_a_handed_over_socket_beside_the_end_touches_no_ring() -> None:
    """A connection may be handed to a loop that has just ended, and is closed on the other one's thread."""
    for _ in range(100):
        made = Rig(0)
        fds = [near.detach() for near, far in (socket.socketpair() for _ in range(20)) if far.close() is None]
        for fd in fds:
            made.sockets.attach(fd)
        both = threading.Barrier(2)

        def close(made: Rig = made, fds: list[int] = fds, both: threading.Barrier = both) -> None:
            both.wait()
            for fd in fds:
                made.sockets.reset(fd)

        thread = threading.Thread(target=close)
        thread.start()
        both.wait()
        made.poller.close()
        thread.join()


def test_what_was_never_registered_is_closed_without_the_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Rig(0)
    released: list[object] = []

    class Noting:
        def __getattr__(self, name: str) -> object:
            return getattr(made.poller._lib, name)

        def nc_io_uring_release(self, handle: object, count: int, fds: list[int]) -> int:
            released.extend(fds)
            return made.poller._lib.nc_io_uring_release(handle, count, fds)

    monkeypatch.setattr(made.sockets, "_lib", Noting())
    registered, _ = made.pair()
    near, far = socket.socketpair()
    made.sockets.attach(near.fileno())
    made.sockets.close([registered, near.detach()])
    assert released == [registered]
    made.owned.clear()
    far.close()
    made.close()


def test_five_thousand_connections() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 10_200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"the limit of open files is {hard}, and {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    made = Rig(0)
    try:
        peers = dict(made.pair() for _ in range(5000))
        for _ in range(2):
            for fd, peer in peers.items():
                peer.send(b"%d" % fd)
            waiting = set(peers)
            while waiting:
                fds = [fd for fd, _ in made.poller.wait(5)]
                at = 0
                for fd, n in zip(fds, made.sockets.receive(fds), strict=True):
                    assert made.sockets.arena[at : at + n] == b"%d" % fd
                    at += n
                    waiting.remove(fd)
                assert not made.sockets.send(fds, [b"!"] * len(fds))
            assert all(peer.recv(2) == b"!" for peer in peers.values())
    finally:
        made.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [400, BUFFERS + 100], ids=["more than a wait reports", "than buffers"])
def test_who_asks_for_one_socket_gets_what_is_there(mode: int, count: int) -> None:
    rig = Rig(mode)
    with contextlib.closing(rig.poller):
        pairs = [rig.pair() for _ in range(count)]
        rig.poller.wait(0)
        for _, peer in pairs:
            peer.send(b"x")
        rig.poller.wait(0)
        assert [rig.sockets.receive([fd]) for fd, _ in reversed(pairs)] == [[1]] * count
        assert {rig.sockets.receive_one(fd) for fd, _ in pairs} == {-errno.EAGAIN}
        for _, peer in pairs:
            peer.close()
        assert {rig.sockets.receive_one(fd) for fd, _ in pairs} == {0}
        rig.sockets.close([fd for fd, _ in pairs])
