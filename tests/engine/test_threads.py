"""Every method that may be called on any thread, called on another one while the loops are busy."""

from __future__ import annotations

import inspect
import random
import socket
import threading
from contextlib import suppress

import pytest

from netcore import CloseReason, Conn, Engine, EventLoop, Timer
from netcore.testing import RecordingHandler
from netcore.worker import WorkerPool

TIMES = 100


class Load:
    """An echo engine of two loops, and clients that keep it busy and check every byte."""

    def __init__(self):
        self.engine = Engine(RecordingHandler(on_traffic=self.echo), "tcp://127.0.0.1:0", num_event_loops=2)
        self.handler = self.engine._handler
        self.faults = []
        self.turns = 0
        self.over = threading.Event()
        self.stopping = False
        self.engine.start()
        address = self.engine.addresses[0]
        # The first connection is the one that is called, by which nobody's bytes are touched.
        self.idle = socket.create_connection((address.host, address.port), timeout=30)
        self.conn = self.handler.wait_for("on_open").conn
        self.threads = [threading.Thread(target=self.ping, args=(i,)) for i in range(3)]
        for thread in self.threads:
            thread.start()
        self.handler.wait_for("on_open", 4)
        self.handler.wait_for("on_traffic", 10)

    @staticmethod
    def echo(conn):
        conn.write(conn.read())

    def ping(self, seed):
        rng = random.Random(seed)
        address = self.engine.addresses[0]
        with socket.create_connection((address.host, address.port), timeout=30) as sock:
            while not self.over.is_set():
                data = rng.randbytes(rng.randrange(1, 3000))
                back = self.exchange(sock, data)
                if back != data:
                    # What a client sends while the engine stops may be answered by the end alone.
                    if not (self.stopping and data.startswith(back)):
                        self.faults.append((seed, len(data), len(back)))
                    return
                self.turns += 1

    @staticmethod
    def exchange(sock, data):
        """Returns what came back before the far end closed or reset the connection."""
        back = b""
        with suppress(ConnectionResetError, BrokenPipeError):
            sock.sendall(data)
            while len(back) < len(data) and (piece := sock.recv(len(data) - len(back))):
                back += piece
        return back

    def new_conn(self):
        """Another connection, and its far end."""
        near, far = socket.socketpair()
        far.settimeout(30)
        return self.engine.enroll(near).result(30), far

    def await_tasks(self):
        for loop in self.engine.loops:
            done = threading.Event()
            loop.execute(done.set)
            assert done.wait(30)

    def end(self):
        turns = self.turns
        while self.turns == turns and any(thread.is_alive() for thread in self.threads):
            self.over.wait(0.0005)  # nobody was stopped by what was called
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.idle.close()
        assert self.engine.stop(30)
        assert self.faults == []


@pytest.fixture
def load():
    load = Load()
    yield load
    load.end()


def asynchronously(load, start, count=TIMES):
    """Starts calls that take a callback; each must run once, on the loop, in the order of the calls."""
    called = []
    for i in range(count):
        start(lambda conn, error, i=i: called.append((i, error, conn.loop.in_loop())))
    load.await_tasks()
    assert called == [(i, None, True) for i in range(count)]


def async_write(load):
    asynchronously(load, lambda callback: load.conn.async_write(b"ab", callback))
    assert read_all(load.idle, 2 * TIMES) == b"ab" * TIMES


def async_writev(load):
    asynchronously(load, lambda callback: load.conn.async_writev([b"a", bytearray(b"b")], callback))
    assert read_all(load.idle, 2 * TIMES) == b"ab" * TIMES


def read_all(sock, size):
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def wake(load):
    before = load.handler.names(load.conn).count("on_traffic")
    asynchronously(load, load.conn.wake)
    assert load.handler.names(load.conn).count("on_traffic") == before + TIMES


def close(load):
    for _ in range(20):
        conn, far = load.new_conn()
        done = threading.Event()
        conn.close(lambda c, error, done=done: done.set())
        conn.close()
        assert done.wait(30)
        assert conn.closed and conn.close_reason is CloseReason.LOCAL
        assert far.recv(1) == b""
        far.close()


def abort(load):
    for _ in range(20):
        conn, far = load.new_conn()
        conn.abort()
        conn.abort()
        with suppress(ConnectionResetError):
            assert far.recv(1) == b""
        far.close()


def pause_and_resume(load):
    for _ in range(TIMES):
        load.conn.pause_reading()
        load.conn.resume_reading()
    load.await_tasks()
    assert not load.conn.paused
    load.idle.sendall(b"still read")
    assert read_all(load.idle, 10) == b"still read"


def facts_of_a_connection(load):
    conn = load.conn
    for _ in range(TIMES):
        assert conn.id == load.conn.id and conn.fd >= 0 and conn.network == "tcp"
        assert conn.remote_address.port == load.idle.getsockname()[1]
        assert conn.peer_address == conn.remote_address and conn.proxy is None and conn.tls is None
        assert conn.local_address == load.engine.addresses[0]
        assert conn.loop in load.engine.loops
        assert not conn.closed and conn.close_reason is None and not conn.paused
        assert conn.bytes_received >= 0 <= conn.bytes_sent and 0 <= conn.age < 3600


def dup(load):
    for _ in range(TIMES):
        socket.close(load.conn.dup())


def socket_options(load):
    for i in range(TIMES):
        load.conn.set_read_buffer(65536 + i)
        load.conn.set_write_buffer(65536 + i)
        load.conn.set_linger(-1)
        load.conn.set_no_delay(bool(i % 2))
        load.conn.set_keep_alive(True, 30 + i, 10, 4)


def facts_of_an_engine(load):
    for _ in range(TIMES):
        engine = load.engine
        assert engine.running and len(engine.loops) == 2 and engine.addresses[0].port
        assert 1 <= engine.connection_count <= 4
        assert engine.get(load.conn.id) is load.conn and engine.get(-1) is None
        assert load.conn in engine.connections()
        assert load.conn in load.conn.loop.connections()


def metrics(load):
    last = load.engine.metrics()
    for _ in range(TIMES):
        now = load.engine.metrics()
        assert now.bytes_received >= last.bytes_received and now.turns >= last.turns
        assert 0 <= load.engine.stuck_for() < 3600 and 0 <= load.engine.loops[0].stuck_for() < 3600
        assert load.engine.timings() is load.engine.loops[0].timings() is None
        assert sum(loop.metrics().accepted for loop in load.engine.loops) == now.accepted
        last = now


def dial_and_enroll(load):
    futures = [load.engine.dial(load.engine.addresses[0], context=i) for i in range(10)]
    futures += [load.engine.loops[i % 2].dial(load.engine.addresses[0], i) for i in range(10, 20)]
    assert [future.result(30).context for future in futures] == list(range(20))
    pairs = [socket.socketpair() for _ in range(20)]
    futures = [load.engine.enroll(near) for near, _ in pairs[:10]]
    futures += [load.engine.loops[0].enroll(near) for near, _ in pairs[10:]]
    for (_, far), future in zip(pairs, futures, strict=True):
        future.result(30)
        far.close()
    assert len({future.result().id for future in futures}) == 20
    assert all(loop.connection_count for loop in load.engine.loops)


def dup_listener(load):
    for _ in range(20):
        with socket.socket(fileno=load.engine.dup_listener()) as listener:
            assert listener.getsockname()[1] == load.engine.addresses[0].port


def listen_and_stop_listening(load):
    for _ in range(20):
        address = load.engine.listen("tcp://127.0.0.1:0")
        with socket.create_connection((address.host, address.port), timeout=30):
            load.engine.stop_listening(address)


def rebalance(load):
    for _ in range(50):
        assert load.engine.rebalance() >= 0


def execute(load):
    for loop in load.engine.loops:
        ran = []
        for i in range(TIMES):
            loop.execute(lambda i, ran=ran, loop=loop: ran.append((i, loop.in_loop())), i)
        assert not loop.in_loop() and loop.index in (0, 1) and loop.logger
        load.await_tasks()
        assert ran == [(i, True) for i in range(TIMES)]


def schedule_and_cancel(load):
    ran, done = [], threading.Event()
    timers = [load.engine.loops[i % 2].schedule(0.0005, ran.append, i) for i in range(TIMES)]
    for timer in timers[::2]:
        timer.cancel()
        timer.cancel()
    last = load.engine.loops[0].schedule(0.005, done.set)
    assert isinstance(last, Timer)
    assert done.wait(30)
    for _ in range(2):  # the timers of a turn come after its tasks
        load.await_tasks()
    assert set(ran) >= set(range(1, TIMES, 2))
    assert len(ran) == len(set(ran))


def stop_accepting_and_drain(load):
    load.engine.stop_accepting()
    load.engine.stop_accepting()
    assert not load.engine.drain(0)
    load.over.set()
    load.idle.close()
    assert load.engine.drain(30)
    with pytest.raises(OSError):
        socket.create_connection((load.engine.addresses[0].host, load.engine.addresses[0].port))


def join_and_stop(load):
    assert not load.engine.join(0)
    load.stopping = True
    joined = threading.Thread(target=load.engine.join)
    joined.start()
    assert load.engine.stop(30) and load.engine.stop(0) and load.engine.join(0)
    joined.join(30)
    assert not joined.is_alive() and not load.engine.running
    load.over.set()


def submit(load):
    with WorkerPool(2) as pool:
        futures = [pool.submit(pow, i, 2) for i in range(TIMES)]
        assert [future.result(30) for future in futures] == [i * i for i in range(TIMES)]


def run_for(load):
    results, done = [], threading.Event()

    def then(conn, result, error):
        results.append((result, error, conn.loop.in_loop()))
        if len(results) == TIMES:
            done.set()

    with WorkerPool(4) as pool:
        for i in range(TIMES):
            pool.run_for(load.conn, pow, i, 2, then=then)
        assert done.wait(30)
    assert results == [(i * i, None, True) for i in range(TIMES)]
    load.await_tasks()
    assert not load.conn.paused


CALLS = {
    async_write: "Conn.async_write",
    async_writev: "Conn.async_writev",
    wake: "Conn.wake",
    close: "Conn.close",
    abort: "Conn.abort",
    pause_and_resume: "Conn.pause_reading Conn.resume_reading",
    facts_of_a_connection: "Conn.id Conn.fd Conn.network Conn.loop "
    "Conn.local_address Conn.remote_address Conn.peer_address Conn.proxy Conn.tls Conn.closed "
    "Conn.close_reason Conn.paused Conn.bytes_received Conn.bytes_sent Conn.age",
    dup: "Conn.dup",
    socket_options: "Conn.set_read_buffer Conn.set_write_buffer Conn.set_linger Conn.set_no_delay "
    "Conn.set_keep_alive",
    facts_of_an_engine: "Engine.addresses Engine.connection_count Engine.loops Engine.running Engine.get "
    "EventLoop.connections",
    metrics: "Engine.metrics EventLoop.metrics Engine.stuck_for EventLoop.stuck_for Engine.timings "
    "EventLoop.timings",
    dial_and_enroll: "Engine.dial Engine.enroll EventLoop.dial EventLoop.enroll EventLoop.connection_count",
    dup_listener: "Engine.dup_listener",
    listen_and_stop_listening: "Engine.listen Engine.stop_listening",
    rebalance: "Engine.rebalance",
    execute: "EventLoop.execute EventLoop.in_loop",
    schedule_and_cancel: "EventLoop.schedule Timer.cancel",
    stop_accepting_and_drain: "Engine.stop_accepting Engine.drain",
    join_and_stop: "Engine.stop Engine.join",
    submit: "WorkerPool.submit",
    run_for: "WorkerPool.run_for",
}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, marks=[pytest.mark.wine("keep-alive cannot be set")] * (call is socket_options))
        for call in CALLS
    ],
    ids=lambda call: call.__name__,
)
def test_on_another_thread_under_load(load, call):
    call(load)


def test_no_method_was_forgotten():
    wanted = set()
    for cls in (Conn, EventLoop, Timer, WorkerPool):
        for name, member in vars(cls).items():
            if not name.startswith("_") and "Any thread." in (inspect.getdoc(member) or ""):
                wanted.add(f"{cls.__name__}.{name}")
    wanted |= {
        f"Engine.{name}"
        for name in (
            *("stop", "join", "stop_accepting", "drain", "addresses", "connection_count", "loops", "running"),
            *("get", "dial", "enroll", "dup_listener", "metrics", "listen", "stop_listening"),
            "rebalance",
            *("stuck_for", "timings"),
        )
    }
    assert wanted == set(" ".join(CALLS.values()).split())
