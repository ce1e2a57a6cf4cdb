"""Every method for any thread, from eight threads, while connections come and go."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from contextlib import suppress

import pytest

from netcore import (
    Conn,
    ConnectionClosedError,
    EngineNotRunningError,
    EventHandler,
    UnsupportedOperationError,
    WrongThreadError,
)
from netcore.connection import CheckedStreamConnection
from netcore.sockets import set_keep_alive

THREADS = 8
CALLS_EACH = 80


def keep_alive_can_be_set():
    with socket.socket() as sock:
        try:
            set_keep_alive(sock, True, 10, 10, 3)
        except OSError:  # Wine
            return False
    return True


KEEP_ALIVE = keep_alive_can_be_set()


class Busy(EventHandler):
    """Echoes, and keeps the connections where the hammers find them."""

    def __init__(self):
        self.conns = []
        self.calls = Counter()
        self.lock = threading.Lock()

    def count(self, name):
        with self.lock:
            self.calls[name] += 1

    def on_open(self, conn):
        self.count("open")
        self.conns.append(conn)

    def on_traffic(self, conn):
        with suppress(ConnectionClosedError):  # a hammer may have closed it in this very turn
            conn.write(conn.read())

    def on_close(self, conn, error):
        self.count("close")

    def on_error(self, conn, error):
        self.count(repr(error))


class Hammer:
    """One thread's worth of calls; counts the callbacks that it is owed."""

    def __init__(self, engine, handler, seed):
        self.engine, self.handler = engine, handler
        self.chance = random.Random(seed)
        self.owed = self.ran = 0
        self.lock = threading.Lock()
        self.faults = []

    def callback(self, conn, error):
        with self.lock:
            self.ran += 1
        if not conn.loop.in_loop() or not isinstance(error, None | ConnectionClosedError):
            self.faults.append(f"callback with {error!r}")

    def owe(self):
        with self.lock:
            self.owed += 1
        return self.callback

    def on_conn(self, conn):
        return {
            "async_write": lambda: conn.async_write(bytearray(b"x" * 100), self.owe()),
            "async_writev": lambda: conn.async_writev([b"a", bytearray(b"b")], self.owe()),
            "wake": lambda: conn.wake(self.owe()),
            "close": lambda: self.chance.random() < 0.1 and conn.close(self.owe()),
            "abort": lambda: self.chance.random() < 0.1 and conn.abort(),
            "pause_reading": lambda: conn.pause_reading(),
            "resume_reading": lambda: conn.resume_reading(),
            "dup": lambda: socket.close(conn.dup()),
            "set_read_buffer": lambda: conn.set_read_buffer(65536),
            "set_write_buffer": lambda: conn.set_write_buffer(65536),
            "set_linger": lambda: conn.set_linger(-1),
            "set_no_delay": lambda: conn.set_no_delay(True),
            "set_keep_alive": lambda: KEEP_ALIVE and conn.set_keep_alive(True, 10, 10, 3),
            "looks": lambda: (
                (conn.id, conn.fd, conn.network, conn.closed, conn.close_reason, conn.paused),
                (str(conn.local_address), str(conn.remote_address), repr(conn)),
            ),
        }

    def on_engine(self, conn):
        engine, loop = self.engine, conn.loop
        return {
            "execute": lambda: loop.execute(self.task, self.owe()),
            "schedule": lambda: loop.schedule(0, self.task, self.owe()),
            "cancel": lambda: loop.schedule(60, int).cancel(),
            "get": lambda: engine.get(conn.id),
            "dup_listener": lambda: socket.close(engine.dup_listener()),
            "dial": self.dial,
            "enroll": self.enroll,
            "looks": lambda: (
                engine.connection_count,
                engine.running,
                engine.loops,
                loop.in_loop(),
                repr(engine),
            ),
            "drain": lambda: engine.drain(0),
        }

    @staticmethod
    def task(callback):
        callback_conn = type(
            "Nowhere", (), {"loop": type("Loop", (), {"in_loop": staticmethod(lambda: True)})}
        )
        callback(callback_conn, None)

    def dial(self):
        # Another hammer may abort the accepted end before this one has seen that it is connected.
        with suppress(ConnectionResetError):
            self.engine.dial(self.engine.addresses[0], timeout=30).result(30).close()

    def enroll(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:  # once enrolled it is detached, and closing it does nothing
            self.engine.enroll(ours).result(30)

    def run(self):
        for _ in range(CALLS_EACH):
            conn = self.chance.choice(self.handler.conns[-20:])
            calls = self.on_conn(conn) if self.chance.random() < 0.8 else self.on_engine(conn)
            name = self.chance.choice(list(calls))
            try:
                calls[name]()
            except ConnectionClosedError:
                if name in ("async_write", "async_writev", "wake", "close", "abort"):
                    self.faults.append(f"{name} raised because the connection has closed")
            except UnsupportedOperationError:
                if conn.network == "tcp":
                    self.faults.append(f"{name} is not supported")
            except BaseException as error:
                self.faults.append(f"{name}: {error!r}")


@pytest.mark.parametrize("debug", [True, False])
def test_every_method_for_any_thread(serve, dial, debug):
    handler = Busy()
    engine = serve(handler, num_event_loops=2, debug=debug)
    stop = threading.Event()

    def come_and_go(seed):
        chance = random.Random(seed)
        while not stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", engine.addresses[0].port)) as sock:
                sock.settimeout(0.05)
                for _ in range(chance.randrange(4)):
                    sock.sendall(b"hello")
                    sock.recv(5)

    peers = [threading.Thread(target=come_and_go, args=(i,)) for i in range(2)]
    for peer in peers:
        peer.start()
    while not handler.conns:
        dial(engine)
    hammers = [Hammer(engine, handler, seed) for seed in range(THREADS)]
    threads = [threading.Thread(target=hammer.run) for hammer in hammers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads), "a call hangs"
    stop.set()
    for peer in peers:
        peer.join(30)
    assert engine.stop(30)
    assert [fault for hammer in hammers for fault in hammer.faults] == []
    assert sum(hammer.ran for hammer in hammers) == sum(hammer.owed for hammer in hammers) > 100
    calls = handler.calls
    assert calls.pop("open") == calls.pop("close") > 10
    assert not calls, "what on_error was told"


def test_the_hammer_misses_no_method():
    """Each public method of a connection is either hammered or refused by debug mode."""
    hammered = set(Hammer(None, None, 0).on_conn(None))
    public = {name for name in dir(Conn) if not name.startswith("_") and callable(getattr(Conn, name))}
    checked = {name for name in public if name in vars(CheckedStreamConnection)}
    assert public - checked - hammered == set()
    assert not checked & hammered


def test_debug_mode_refuses_every_other_method(serve, dial):
    handler = Busy()
    engine = serve(handler, debug=True)
    sock = dial(engine)
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    (conn,) = handler.conns
    checked = [name for name in vars(CheckedStreamConnection) if not name.startswith(("_", "check_"))]
    assert len(checked) > 15
    for name in checked:
        with pytest.raises(WrongThreadError, match=name):
            found = getattr(conn, name)
            found(b"x") if name in ("write", "read_into") else found(None)
    sock.sendall(b"y")
    assert sock.recv(1) == b"y", "none of these did any harm"


def test_an_engine_that_has_ended_is_harmless(serve, dial):
    handler = Busy()
    engine = serve(handler)
    dial(engine)
    while not handler.conns:
        pass
    engine.stop()
    hammer = Hammer(engine, handler, 0)
    (conn,) = handler.conns
    for calls in (hammer.on_conn(conn), hammer.on_engine(conn)):
        for call in calls.values():
            with suppress(ConnectionClosedError, EngineNotRunningError):
                call()
