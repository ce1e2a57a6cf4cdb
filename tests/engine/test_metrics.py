"""``Engine.metrics``: each number against what has been made to happen."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from contextlib import suppress

import pytest

from netcore import Action, CloseReason, Engine, EventHandler, Metrics
from netcore.testing import RecordingHandler
from netcore.testing.conformance import wires


def echo(conn):
    conn.write(conn.read())


def wait_until(condition, timeout=30):
    """What is counted is counted a moment after a peer can see it."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.001)


def test_an_engine_that_has_not_started_has_counted_nothing():
    metrics = Engine(EventHandler(), "tcp://127.0.0.1:0").metrics()
    assert metrics == Metrics()
    assert set(dataclasses.astuple(metrics)) == {0}


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}], ids=["level", "edge"])
@pytest.mark.parametrize("loops", [1, 3])
def test_traffic(serve, dial, receive, loops, options):
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, num_event_loops=loops, **options)
    socks = [dial(engine) for _ in range(6)]
    for i, sock in enumerate(socks):
        for _ in range(i + 1):
            sock.sendall(bytes(1000))
            assert receive(sock, 1000) == bytes(1000)
    wait_until(lambda: engine.metrics().bytes_sent == 21_000)
    metrics = engine.metrics()
    assert metrics.accepted == metrics.opened == metrics.connections == 6
    assert metrics.bytes_received == 21_000
    assert 21 <= metrics.messages <= 42
    assert metrics.turns and metrics.events
    assert metrics.closed == metrics.errors == metrics.outbound_buffered == 0
    parts = [loop.metrics() for loop in engine.loops]
    assert Metrics.total(parts).bytes_received == 21_000
    assert all(part.accepted == 6 / loops for part in parts)
    for sock in socks:
        sock.close()
    wait_until(lambda: engine.metrics().closed_eof == 6)
    engine.stop()
    metrics = engine.metrics()
    assert (metrics.connections, metrics.closed, metrics.bytes_received) == (0, 6, 21_000)


def test_closes_by_reason(serve, dial):
    def on_traffic(conn):
        data = conn.read()
        if data == b"close":
            conn.close()
        elif data == b"abort":
            conn.abort()
        elif data == b"time":
            conn.set_deadline(0.001)
        elif data == b"fail":
            raise LookupError("on purpose")
        else:
            conn.write(bytes(8 << 20))

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, max_outbound=1 << 20)
    for wish in (b"close", b"abort", b"time", b"fail", b"overflow"):
        dial(engine).sendall(wish)
    handler.wait_for("on_close", 5)
    dial(engine)
    handler.wait_for("on_open", 6)
    engine.stop()
    metrics = engine.metrics()
    assert metrics.closed_local == 2
    assert metrics.closed_timeout == metrics.closed_overflow == metrics.closed_shutdown == 1
    assert metrics.closed_error == 1  # that of the callback
    assert metrics.closed_eof == 0
    assert metrics.closed == metrics.opened == 6
    assert metrics.errors == 1
    assert metrics.timers >= 1


@pytest.mark.wine("a reset is read as the end of the stream")
def test_a_reset_is_counted_as_an_error(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler)
    sock = dial(engine)
    handler.wait_for("on_open")
    wires.reset(sock)
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.ERROR
    wait_until(lambda: engine.metrics().closed_error == 1)
    metrics = engine.metrics()
    assert (metrics.bytes_received, metrics.messages) == (0, 0)


def test_how_connections_come_about(serve, dial, request):
    handler = RecordingHandler()
    engine = serve(handler, max_connections=5, max_connections_policy="refuse")
    engine.dial(engine.addresses[0]).result(30)
    ours, theirs = socket.socketpair()
    request.addfinalizer(theirs.close)
    engine.enroll(ours).result(30)
    with pytest.raises(OSError):
        engine.dial("tcp://{}:{}".format(*wires.refusing_name())).result(30)
    dial(engine)
    handler.wait_for("on_open", 4)
    metrics = engine.metrics()
    assert (metrics.accepted, metrics.dialled, metrics.enrolled, metrics.dial_failures) == (2, 1, 1, 1)
    dial(engine)
    handler.wait_for("on_open", 5)
    with suppress(ConnectionResetError):
        dial(engine)
    wait_until(lambda: engine.metrics().refused == 1)
    assert engine.metrics().connections == engine.metrics().opened == 5


def test_output_that_waits_is_a_level(serve, dial, receive):
    size = 16 << 20
    handler = RecordingHandler(on_open=lambda conn: conn.write(bytes(size)) and None)
    engine = serve(handler)
    sock = dial(engine)
    handler.wait_for("on_open")
    wait_until(lambda: 0 < engine.metrics().outbound_buffered < size)
    receive(sock, size)
    wait_until(lambda: engine.metrics().bytes_sent == size)
    wait_until(lambda: engine.metrics().outbound_buffered == 0)


def test_files_count_as_sent(serve, dial, receive, tmp_path):
    (tmp_path / "x").write_bytes(bytes(1 << 20))

    def on_open(conn):
        with (tmp_path / "x").open("rb") as file:
            conn.sendfile(file)

    engine = serve(RecordingHandler(on_open=on_open))
    receive(dial(engine), 1 << 20)
    wait_until(lambda: engine.metrics().bytes_sent == 1 << 20)


def test_tasks_timers_and_their_errors(serve):
    engine = serve(RecordingHandler())
    loop = engine.loops[0]
    before = engine.metrics()
    done = threading.Event()
    for _ in range(10):
        loop.execute(int)
    loop.execute(int, "no number")
    loop.schedule(0.0, int, "no number either")
    later = [loop.schedule(1000, int) for _ in range(5)]
    loop.schedule(0.001, done.set)
    assert done.wait(30)
    wait_until(lambda: engine.metrics().timers == before.timers + 2)
    metrics = engine.metrics()
    assert metrics.tasks - before.tasks >= 11
    assert metrics.errors == 2
    assert metrics.timers_armed == 5
    assert metrics.tasks_pending == 0
    for timer in later:
        timer.cancel()
    assert engine.metrics().timers_armed == 0


def test_failures_to_accept_are_counted(world):
    w = world()
    w.sockets.fail_accept(w.LISTENER, 24)
    w.turns()
    metrics = w.loop.metrics()
    assert metrics.accept_failures == 1
    w.clock.advance(1)
    w.turns()
    w.connect()
    assert w.loop.metrics().accepted == 1


def test_an_edge_that_brings_nothing_is_no_message(serve, dial, receive):
    handler = RecordingHandler(on_traffic=lambda conn: (echo(conn), Action.NONE)[1])
    engine = serve(handler, edge_triggered=True)
    sock = dial(engine)
    for _ in range(10):
        sock.sendall(b"x")
        receive(sock, 1)
    metrics = engine.metrics()
    assert metrics.messages == metrics.bytes_received == 10


def test_datagrams(serve):
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, "udp://127.0.0.1:0")
    peer = RecordingHandler()
    client = serve(peer, "udp://127.0.0.1:0")
    conn = client.dial(engine.addresses[0]).result(30)
    client.loops[0].execute(lambda: [conn.write(bytes(100)) for _ in range(10)])
    peer.wait_for("on_traffic", 10)
    wait_until(lambda: engine.metrics().datagrams_sent == 10)
    for metrics in (engine.metrics(), client.metrics()):
        assert (metrics.datagrams_received, metrics.datagrams_sent) == (10, 10)
        assert (metrics.bytes_received, metrics.bytes_sent) == (1000, 1000)
        assert metrics.outbound_buffered == metrics.accepted == 0
    assert (client.metrics().dialled, client.metrics().connections, engine.metrics().connections) == (1, 1, 0)
    conn.close()
    peer.wait_for("on_close")
    wait_until(lambda: client.metrics().closed_local == 1)


def test_datagrams_that_the_kernel_refuses_are_not_sent(serve):
    handler = RecordingHandler(on_error=lambda conn, error: Action.NONE)
    engine = serve(handler, "udp://127.0.0.1:0")
    conn = engine.dial(engine.addresses[0]).result(30)

    def write():
        conn.write(b"small")
        conn.write(bytes(70_000))
        conn.write(b"small too")

    conn.loop.execute(write)
    handler.wait_for("on_error")
    handler.wait_for("on_traffic", 2)
    metrics = engine.metrics()
    assert (metrics.datagrams_sent, metrics.bytes_sent) == (2, 14)
