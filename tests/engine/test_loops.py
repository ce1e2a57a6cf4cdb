"""Several loops: balancing, threads, and calls from one to the other."""

from __future__ import annotations

import socket
import threading

import pytest

from netcore import EventHandler
from netcore._platform import FACTS, usable_cpu_count, usable_cpus
from netcore.poll import SelectPoller
from netcore.testing import RecordingHandler


class Second:
    """Puts everything on the second loop."""

    def pick(self, loops, remote):
        assert remote is not None
        return loops[1]


def loops_of(handler):
    return [event.conn.loop.index for event in handler.events if event.name == "on_open"]


@pytest.mark.parametrize(
    ("balancer", "expected"),
    [
        ("round-robin", [0, 1, 2, 0, 1, 2]),
        ("least-connections", [0, 1, 2, 0, 1, 2]),
        (Second(), [1] * 6),
    ],
)
def test_balancers(serve, dial, balancer, expected):
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=3, load_balancer=balancer)
    for i in range(6):
        dial(engine)
        handler.wait_for("on_open", i + 1)
    assert loops_of(handler) == expected
    assert sum(loop.connection_count for loop in engine.loops) == 6


def test_a_connection_from_another_loop_counts_once_while_it_opens(serve, dial):
    """A balancer may look in this very moment."""
    counts = []
    handler = RecordingHandler(on_open=lambda conn: counts.append(conn.loop.connection_count))
    engine = serve(handler, num_event_loops=2, load_balancer=Second())
    for i in range(3):
        dial(engine)
        handler.wait_for("on_open", i + 1)
    assert counts == [1, 2, 3]


def test_least_connections_counts_those_on_their_way(serve, dial):
    """The second loop is held up, so that what it is given stays on its way."""
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2, load_balancer="least-connections")
    held, release = threading.Event(), threading.Event()
    engine.loops[1].execute(lambda: (held.set(), release.wait(30)))
    assert held.wait(30)
    for _ in range(6):
        dial(engine)
    handler.wait_for("on_open", 3)
    release.set()
    handler.wait_for("on_open", 6)
    assert [loop.connection_count for loop in engine.loops] == [3, 3]


def test_source_address_hash_keeps_a_host_on_its_loop(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=4, load_balancer="source-address-hash")
    for _ in range(6):
        dial(engine)
    handler.wait_for("on_open", 6)
    assert len(set(loops_of(handler))) == 1


@pytest.mark.parametrize("fault", [lambda self, loops, remote: 1 / 0, lambda self, loops, remote: "loop"])
def test_a_faulty_balancer_costs_no_connection(serve, dial, caplog, fault):
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2, load_balancer=type("Faulty", (), {"pick": fault})())
    dial(engine)
    handler.wait_for("on_open")
    assert "load balancer" in caplog.text


def test_a_custom_balancer_is_asked_for_a_single_loop_too(serve, dial):
    asked = []

    class Only:
        def pick(self, loops, remote):
            asked.append((len(loops), remote.host))
            return loops[0]

    handler = RecordingHandler()
    dial(serve(handler, load_balancer=Only()))
    handler.wait_for("on_open")
    assert asked == [(1, "127.0.0.1")]


def test_each_loop_has_a_thread_of_its_own(serve, dial):
    threads = set()
    handler = RecordingHandler(
        on_open=lambda conn: threads.add((conn.loop.index, threading.get_ident())) and None
    )
    engine = serve(handler, num_event_loops=3)
    for _ in range(6):
        dial(engine)
    handler.wait_for("on_open", 6)
    assert len(threads) == len({thread for _, thread in threads}) == 3
    assert [loop.index for loop in engine.loops] == [0, 1, 2]
    assert not any(loop.in_loop() for loop in engine.loops)


def test_multicore_makes_a_loop_per_cpu(serve):
    assert len(serve(EventHandler(), multicore=True).loops) == usable_cpu_count()
    assert len(serve(EventHandler(), multicore=True, num_event_loops=3).loops) == 3


def test_cpu_affinity(serve, dial):
    import os

    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this platform cannot pin threads")
    seen = {}
    handler = RecordingHandler(
        on_open=lambda conn: seen.__setitem__(conn.loop.index, os.sched_getaffinity(0))
    )
    engine = serve(handler, num_event_loops=2, cpu_affinity=True)
    for _ in range(2):
        dial(engine)
    handler.wait_for("on_open", 2)
    cpus = usable_cpus()
    assert seen == {0: {cpus[0]}, 1: {cpus[1 % len(cpus)]}}


@pytest.mark.skipif(FACTS.reuse_port is None, reason="the kernel does not balance listeners of one port")
def test_reuse_port_gives_each_loop_a_listener(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler, num_event_loops=2, reuse_port=True)
    assert len(engine.addresses) == 1
    opened = 0
    while len(set(loops_of(handler))) < 2 and opened < 200:
        dial(engine)
        opened += 1
        handler.wait_for("on_open", opened)
    assert set(loops_of(handler)) == {0, 1}


@pytest.mark.skipif(FACTS.reuse_port is None, reason="the kernel does not balance listeners of one port")
def test_two_engines_may_share_a_port(serve):
    first = serve(EventHandler(), reuse_port=True)
    second = serve(EventHandler(), str(first.addresses[0]), reuse_port=True)
    assert second.addresses == first.addresses


@pytest.mark.unix_sockets
def test_reuse_port_without_balancing_says_so(serve, dial, tmp_path, caplog):
    handler = RecordingHandler()
    engine = serve(handler, f"unix://{tmp_path}/x.sock", num_event_loops=2, reuse_port=True)
    for _ in range(2):
        dial(engine)
    handler.wait_for("on_open", 2)
    assert set(loops_of(handler)) == {0, 1}
    assert "one loop accepts for all" in caplog.text


def test_broadcast_between_loops(serve, dial, receive):
    members = []

    def on_traffic(conn):
        data = conn.read()
        for member in members:
            member.async_write(data)

    handler = RecordingHandler(on_open=lambda conn: members.append(conn), on_traffic=on_traffic)
    engine = serve(handler, num_event_loops=3)
    socks = [dial(engine) for _ in range(9)]
    handler.wait_for("on_open", 9)
    socks[0].sendall(b"to all")
    assert [receive(sock, 6) for sock in socks] == [b"to all"] * 9


def test_calls_from_other_threads(serve, dial, receive):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"[woken]") and None)
    engine = serve(handler)
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    calls = []
    done = threading.Event()
    conn.async_write(b"one ", lambda c, error: calls.append(error))
    conn.async_writev([b"two", b" "], lambda c, error: calls.append(error))
    conn.wake(lambda c, error: calls.append(error))
    conn.loop.execute(lambda: calls.append(conn.loop.in_loop()))
    conn.loop.schedule(0.001, calls.append, "timer")
    conn.loop.schedule(0.0, calls.append, "cancelled").cancel()
    assert receive(sock, 15) == b"one two [woken]"
    conn.close(lambda c, error: (calls.append(error), done.set()))
    assert done.wait(30)
    assert calls[:4] == [None, None, None, True]
    assert calls.count(None) == 4
    conn.async_write(b"late", lambda c, error: (calls.append(type(error).__name__), done.set()))
    engine.stop()
    assert "ConnectionClosedError" in calls


def test_many_threads_write_to_one_connection_in_their_order(serve, dial, receive):
    handler = RecordingHandler()
    sock = dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    callbacks = []

    def send(letter):
        for i in range(500):
            conn.async_write(b"%c%03d" % (letter, i), lambda c, error: callbacks.append(error))

    threads = [threading.Thread(target=send, args=(letter,)) for letter in b"ABCD"]
    for thread in threads:
        thread.start()
    data = receive(sock, 4 * 4 * 500)
    for thread in threads:
        thread.join()
    messages = [data[i : i + 4] for i in range(0, len(data), 4)]
    for letter in b"ABCD":
        assert [m for m in messages if m[0] == letter] == [b"%c%03d" % (letter, i) for i in range(500)]
    done = threading.Event()
    conn.loop.execute(done.set)
    assert done.wait(30)
    assert callbacks == [None] * 2000


def test_a_poller_of_ones_own(serve, dial, receive):
    class Mine(SelectPoller):
        name = "mine"

    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, poller=Mine)
    assert isinstance(engine.loops[0].poller, Mine)
    sock = dial(engine)
    sock.sendall(b"hello")
    assert receive(sock, 5) == b"hello"


def test_max_connections(serve, dial, receive):
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"in") and None)
    engine = serve(handler, max_connections=2, num_event_loops=2)
    first, second, third = dial(engine), dial(engine), dial(engine)
    assert receive(first, 2) == receive(second, 2) == b"in"
    third.settimeout(0.05)
    with pytest.raises(socket.timeout):
        third.recv(2)
    first.close()
    third.settimeout(30)
    assert receive(third, 2) == b"in"


@pytest.mark.wine("a reset is read as the end of the stream")
def test_max_connections_refused(serve, dial, receive):
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"in") and None)
    engine = serve(handler, max_connections=1, max_connections_policy="refuse")
    assert receive(dial(engine), 2) == b"in"
    with pytest.raises(ConnectionResetError):
        dial(engine).recv(1)
