"""Random histories of connections that move to and fro: every byte, every callback, and every count."""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from movers import HALVES, Poor, crowded, give, skip_where_they_stay, until

from netcore import Engine, EventHandler


@pytest.fixture(autouse=True)
def _where_connections_move():
    skip_where_they_stay()


LOOPS, CONNS = 3, 3

loops, conns = st.integers(0, LOOPS - 1), st.integers(0, CONNS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), loops),
        st.tuples(st.just("give"), loops, loops),
        st.tuples(st.just("peer sends"), conns, st.integers(1, 3)),
        st.tuples(st.just("peer takes"), conns),
        st.tuples(st.just("asked here"), conns),
        st.tuples(st.just("asked elsewhere"), conns),
        st.tuples(st.just("woken elsewhere"), conns),
        st.tuples(st.just("paused elsewhere"), conns),
        st.tuples(st.just("resumed elsewhere"), conns),
        st.tuples(st.just("deadline"), conns),
    ),
    max_size=60,
)


class Noting(EventHandler):
    """Keeps what each connection has brought, and answers all of it."""

    def __init__(self):
        self.received = {}
        self.closed = []

    def on_traffic(self, conn):
        data = conn.read()
        self.received.setdefault(conn.id, bytearray()).extend(data)
        conn.write(data.upper())

    def on_close(self, conn, error):
        self.closed.append(conn)


class World:
    """An engine whose loops have their turns when the test says so, and peers of its connections."""

    def __init__(self, elsewhere, options):
        self.handler = Noting()
        self.engine = Engine(self.handler, "tcp://127.0.0.1:0", num_event_loops=LOOPS, **options)
        self.engine.start(hosted=True)
        self.elsewhere = elsewhere
        self.peers, self.conns = [], []
        for i in range(CONNS):
            near, far = socket.socketpair()
            far.setblocking(False)
            future = self.engine.loops[i % LOOPS].enroll(near)
            self.turn_all()
            self.peers.append(far)
            self.conns.append(future.result(0))
        self.sent = [bytearray() for _ in range(CONNS)]
        self.taken = [bytearray() for _ in range(CONNS)]
        self.written = [bytearray() for _ in range(CONNS)]
        self.called = [[] for _ in range(CONNS)]
        self.number = 0

    def turn_all(self):
        for loop in self.engine.loops:
            loop.turn(0)

    def do(self, what, who, more=0):
        self.number += 1
        if what == "turn":
            self.engine.loops[who].turn(0)
        elif what == "give":
            source, target = self.engine.loops[who], self.engine.loops[more]
            if source is not target:
                source.post(source.moving.give, [Poor(target)])
        elif what == "peer sends":
            data = b"abcdefghijklmnopqrstuvwxyz"[self.number % 20 :][:more]
            self.sent[who] += data
            self.peers[who].send(data)
        elif what == "peer takes":
            self.take(who)
        elif what == "asked here":
            self.ask(who)
        elif what == "deadline":
            self.conns[who].set_deadline(60)
        else:
            conn = self.conns[who]
            call = {
                "asked elsewhere": lambda: self.ask(who),
                "woken elsewhere": lambda: conn.wake(self.promise(who)),
                "paused elsewhere": conn.pause_reading,
                "resumed elsewhere": conn.resume_reading,
            }[what]
            self.elsewhere.submit(call).result(30)
        self.check_counts()

    def promise(self, who):
        """Makes a callback that has to come once, after those that were promised before it."""
        self.number += 1
        number = self.number
        self.called[who].append([number, 0])

        def callback(conn, error):
            assert error is None
            entry = next(entry for entry in self.called[who] if entry[0] == number)
            assert all(done for earlier, done in self.called[who] if earlier < number)
            entry[1] += 1

        return callback

    def ask(self, who):
        self.number += 1
        data = b"%d;" % self.number
        self.written[who] += data
        self.conns[who].async_write(data, self.promise(who))

    def take(self, who):
        try:
            while data := self.peers[who].recv(65536):
                self.taken[who] += data
        except BlockingIOError:
            pass

    def check_counts(self):
        engine = self.engine
        assert engine.connection_count == CONNS
        assert set(engine.connections()) == set(self.conns)
        for conn in self.conns:
            assert engine.get(conn.id) is conn
            assert conn in conn.loop.connections()
        assert sum(loop.connection_count for loop in engine.loops) == CONNS

    def finish(self):
        for conn in self.conns:
            conn.resume_reading()
        for _ in range(12):
            self.turn_all()
        deadline = time.monotonic() + 5  # where a pair of sockets is TCP, bytes take their time
        for who, conn in enumerate(self.conns):
            self.take(who)
            while len(self.taken[who]) < len(self.sent[who] + self.written[who]):
                assert time.monotonic() < deadline
                self.turn_all()
                self.take(who)
            assert self.handler.received.get(conn.id, b"") == self.sent[who]
            letters = bytes(byte for byte in self.taken[who] if byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            others = bytes(byte for byte in self.taken[who] if byte in b"0123456789;")
            assert letters == self.sent[who].upper()
            assert others == self.written[who]
            assert [done for _, done in self.called[who]] == [1] * len(self.called[who])
            if conn.deadlines is not None:
                assert conn.deadlines.slot is not None, "nobody looks after its deadlines"
        assert not self.handler.closed

    def close(self):
        self.engine.stop()
        for _ in range(100):
            if all(loop.finished for loop in self.engine.loops):
                break
            self.turn_all()
        self.engine.end_hosted()
        for peer in self.peers:
            peer.close()


@pytest.mark.parametrize("options", HALVES)
# Under Wine a turn takes a hundred times as long.
@settings(max_examples=10 if os.name == "nt" else settings().max_examples)
@given(steps=STEPS)
def test_histories(options, steps):
    with ThreadPoolExecutor(1) as elsewhere:
        world = World(elsewhere, options)
        try:
            for step in steps:
                world.do(*step)
            world.finish()
        finally:
            world.close()
    assert len(world.handler.closed) == CONNS


@pytest.mark.parametrize("options", HALVES)
def test_under_load(serve, dial, options):
    """Peers and threads write all the time, while everything idle goes to and fro between three loops."""
    rounds, size = 150, 10
    errors, where = [], threading.local()

    class Careful(EventHandler):
        def on_open(self, conn):
            conn.context = bytearray()

        def on_traffic(self, conn):
            if not conn.loop.in_loop():
                errors.append("on_traffic on another thread than the loop's")
            if getattr(where, "busy", False):
                errors.append("on_traffic within on_traffic")
            where.busy = True
            data = conn.read()
            conn.context += data
            conn.write(data)
            where.busy = False

    engine = serve(Careful(), num_event_loops=3, **crowded, **options)
    peers = [dial(engine) for _ in range(12)]
    until(lambda: len(engine.connections()) == len(peers))
    by_port = {conn.remote_address.port: conn for conn in engine.connections()}
    of_peers = [by_port[peer.getsockname()[1]] for peer in peers]
    homes, over, moves = set(), threading.Event(), threading.Semaphore(0)

    def move():
        at = 0
        while not over.is_set():
            source = engine.loops[at % 3]
            for step in (1, 2):
                give(source, engine.loops[(at + step) % 3])
            source.execute((given := threading.Event()).set)
            given.wait(30)  # or more would be asked of it than it does, and ever less of the rest
            at += 1
            moves.release()
            homes.update((conn.id, conn.loop.index) for conn in of_peers)
            if engine.connection_count < len(peers):
                errors.append("a connection was not counted")
            if any(engine.get(conn.id) is not conn for conn in of_peers):
                errors.append("a connection was not found")

    def push(mark):
        for number in range(rounds):
            for conn in of_peers:
                conn.async_write(b"%s%08d;" % (mark, number), called.append)

    called = Calls()
    mover = threading.Thread(target=move)
    pushers = [threading.Thread(target=push, args=(mark,)) for mark in (b"x", b"y")]
    for thread in (mover, *pushers):
        thread.start()
    taken = {peer: bytearray() for peer in peers}
    try:
        for number in range(rounds):
            for peer in peers:
                peer.sendall(b"z%08d;" % number)
            assert moves.acquire(timeout=30)
            if number % 3 == 0:
                for peer in peers:
                    taken[peer] += peer.recv(4096)
        for peer in peers:
            while len(taken[peer]) < 3 * rounds * size:
                data = peer.recv(65536)
                assert data
                taken[peer] += data
    finally:
        over.set()
        for thread in (mover, *pushers):
            thread.join(30)
    until(lambda: len(called) == 2 * rounds * len(peers))
    assert not errors, errors[0]
    for peer, conn in zip(peers, of_peers, strict=True):
        pieces = bytes(taken[peer]).split(b";")[:-1]
        for mark in (b"x", b"y", b"z"):
            mine = [piece for piece in pieces if piece.startswith(mark)]
            assert mine == [b"%s%08d" % (mark, number) for number in range(rounds)]
        assert bytes(conn.context) == b"".join(b"z%08d;" % number for number in range(rounds))
    assert len(homes) > len(peers), "nothing has moved"


class Calls(list):
    """Takes what callbacks are called with."""

    def append(self, conn, error):
        super().append((conn, error))
