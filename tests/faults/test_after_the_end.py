"""Whatever may be called on any thread may be called when all is over: it works, or says that it cannot."""

from __future__ import annotations

import socket
import threading

import pytest

from netcore import ConnectionClosedError, EngineNotRunningError, UnsupportedOperationError
from netcore.testing import RecordingHandler

ALLOWED = (ConnectionClosedError, EngineNotRunningError, UnsupportedOperationError)

ON_A_CONNECTION = {
    "id": lambda conn: conn.id,
    "fd": lambda conn: conn.fd,
    "addresses": lambda conn: (conn.local_address, conn.remote_address, conn.network),
    "loop": lambda conn: conn.loop.index,
    "closed": lambda conn: (conn.closed, conn.close_reason, conn.paused),
    "pause_reading": lambda conn: conn.pause_reading(),
    "resume_reading": lambda conn: conn.resume_reading(),
    "async_write": lambda conn: conn.async_write(b"x"),
    "async_writev": lambda conn: conn.async_writev([b"x", bytearray(b"y")]),
    "wake": lambda conn: conn.wake(),
    "close": lambda conn: conn.close(),
    "abort": lambda conn: conn.abort(),
    "dup": lambda conn: conn.dup(),
    "set_read_buffer": lambda conn: conn.set_read_buffer(8192),
    "set_write_buffer": lambda conn: conn.set_write_buffer(8192),
    "set_linger": lambda conn: conn.set_linger(0),
    "set_no_delay": lambda conn: conn.set_no_delay(True),
    "set_keep_alive": lambda conn: conn.set_keep_alive(True, 10, 10, 3),
    "repr": repr,
}
ON_A_LOOP = {
    "in_loop": lambda loop: loop.in_loop(),
    "counts": lambda loop: (loop.connection_count, loop.unfinished, loop.lingering, loop.listening),
    "execute": lambda loop: loop.execute(int),
    "schedule": lambda loop: loop.schedule(1, int).cancel(),
    "dial": lambda loop: loop.dial("tcp://127.0.0.1:1"),
    "connections": lambda loop: loop.connections(),
    "metrics": lambda loop: loop.metrics(),
    "fileno": lambda loop: loop.fileno(),
    "find": lambda loop: loop.find(1),
    "turn": lambda loop: loop.turn(0),
    "finished": lambda loop: loop.finished,
    "repr": repr,
}
ON_AN_ENGINE = {
    "stop": lambda engine: engine.stop(0),
    "join": lambda engine: engine.join(0),
    "stop_accepting": lambda engine: engine.stop_accepting(),
    "drain": lambda engine: engine.drain(0),
    "facts": lambda engine: (engine.addresses, engine.connection_count, engine.loops, engine.running),
    "get": lambda engine: engine.get(1),
    "connections": lambda engine: engine.connections(),
    "dial": lambda engine: engine.dial("tcp://127.0.0.1:1"),
    "dup_listener": lambda engine: engine.dup_listener(),
    "rebalance": lambda engine: engine.rebalance(),
    "listen": lambda engine: engine.listen("tcp://127.0.0.1:0"),
    "stop_listening": lambda engine: engine.stop_listening("tcp://127.0.0.1:0"),
    "metrics": lambda engine: engine.metrics(),
    "repr": repr,
}


@pytest.fixture
def gone(serve, dial):
    """An engine that has ended, with a stream, a dialled datagram connection and a server's datagram."""
    handler = RecordingHandler()
    engine = serve(handler, "tcp://127.0.0.1:0", "udp://127.0.0.1:0")
    dial(engine)
    stream = handler.wait_for("on_open").conn
    udp = engine.dial(str(engine.addresses[1])).result(30)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"?", (engine.addresses[1].host, engine.addresses[1].port))
        datagram = handler.wait_for("on_traffic").conn
        assert engine.stop(30)
    return engine, {"stream": stream, "dialled": udp, "datagram": datagram}


def attempt(call, target):
    try:
        call(target)
    except ALLOWED:
        pass


@pytest.mark.parametrize("kind", ["stream", "dialled", "datagram"])
def test_on_a_connection(gone, kind):
    for call in ON_A_CONNECTION.values():
        attempt(call, gone[1][kind])


@pytest.mark.parametrize("kind", ["stream", "dialled", "datagram"])
def test_callbacks_run_once_all_the_same(gone, kind):
    conn, ran = gone[1][kind], []
    for i, call in enumerate((conn.wake, conn.close)):
        call(lambda conn, error, i=i: ran.append((i, type(error))))
    conn.async_write(b"x", lambda conn, error: ran.append((2, type(error))))
    assert ran == [(0, ConnectionClosedError), (1, type(None)), (2, ConnectionClosedError)]


def test_on_a_loop(gone):
    for call in ON_A_LOOP.values():
        attempt(call, gone[0].loops[0])


def test_on_an_engine(gone):
    for call in ON_AN_ENGINE.values():
        attempt(call, gone[0])


def test_a_socket_that_is_enrolled_too_late_stays_the_callers(gone):
    one, other = socket.socketpair()
    with other:
        future = gone[0].loops[0].enroll(one)
        assert isinstance(future.exception(30), EngineNotRunningError)
        one.close()
        assert other.recv(1) == b""


def test_in_the_last_callbacks(serve, dial):
    """While the loop ends, on its thread and on another."""
    failures = []

    def try_all(conn):
        loop = conn.loop
        for calls, target in ((ON_A_CONNECTION, conn), (ON_A_LOOP, loop)):
            for name, call in calls.items():
                if name in ("turn", "fileno"):
                    continue
                try:
                    attempt(call, target)
                except BaseException as error:
                    failures.append((name, error))

    def on_close(conn, error):
        try_all(conn)
        other = threading.Thread(target=try_all, args=(conn,))
        other.start()
        other.join()

    handler = RecordingHandler(on_close=on_close)
    engine = serve(handler)
    dial(engine)
    handler.wait_for("on_open")
    assert engine.stop(30)
    assert failures == []
