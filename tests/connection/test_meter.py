"""How long turns and callbacks take: both meters on a clock by hand, and what of a loop they are told of."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from netcore import Address, CloseReason, Engine
from netcore._native import COLD, native
from netcore.aio import AsyncHandler
from netcore.connection import Meter
from netcore.connection.core import BOUNDS
from netcore.handler import Histogram, Timings
from netcore.testing import RecordingHandler


class Clock:
    """Nanoseconds by hand, as Python and as C has them."""

    def __init__(self):
        self.now = 10**15

    def __call__(self):
        return self.now


@pytest.fixture
def metered(half):
    """A meter of one half and its clock: ``meter, clock``."""
    clock = Clock()
    if half == "python":
        yield Meter(clock), clock
        return
    from netcore._native import _hot

    ffi = native()[0]
    function = ffi.callback("int64_t(void)", clock)
    meter = _hot.Meter()
    meter.set_clock(int(ffi.cast("uintptr_t", function)))
    yield meter, clock


def durations(shown):
    counts, total = shown
    assert len(counts) == len(BOUNDS) + 1
    return {bucket: count for bucket, count in enumerate(counts) if count}, total


def test_callbacks_one_after_the_other_share_a_reading(metered, half):
    meter, clock = metered
    meter.begin_turn()
    for took in (500, 1500, 1501):
        clock.now += took
        meter.called()
    clock.now += 10**6
    meter.look()
    clock.now += 2001
    meter.called()
    meter.end_turn()
    assert durations(meter.callbacks) == ({0: 1, 1: 2, 2: 1}, 500 + 1500 + 1501 + 2001)
    assert durations(meter.turns) == ({10: 1}, 10**6 + 500 + 1500 + 1501 + 2001)


def test_a_turn_ends_once(metered, half):
    meter, clock = metered
    meter.end_turn()
    meter.begin_turn()
    clock.now += 5
    meter.end_turn()
    clock.now += 5
    meter.end_turn()
    assert durations(meter.turns) == ({0: 1}, 5)


@pytest.mark.parametrize("bucket", range(len(BOUNDS) + 1))
def test_a_bound_is_within_its_bucket(metered, half, bucket):
    meter, clock = metered
    took = BOUNDS[bucket] if bucket < len(BOUNDS) else 10**12
    meter.begin_turn()
    clock.now += took
    meter.end_turn()
    assert durations(meter.turns) == ({bucket: 1}, took)
    meter.begin_turn()
    clock.now += BOUNDS[min(bucket, len(BOUNDS) - 1)] + 1
    meter.end_turn()
    assert durations(meter.turns)[0].get(min(bucket + 1, len(BOUNDS))) == (2 if bucket == len(BOUNDS) else 1)


def test_bounds_are_from_a_microsecond_to_ten_seconds():
    assert (BOUNDS[0], BOUNDS[-1]) == (1000, 10**10)
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert all(2 <= high / low <= 2.5 for low, high in pairwise(BOUNDS))


def test_they_add_up():
    one = Histogram((0.1, 1.0), (1, 2, 3), 4.5)
    other = Histogram((0.1, 1.0), (10, 20, 30), 5.5)
    assert Histogram.total([one, other]) == Histogram((0.1, 1.0), (11, 22, 33), 10.0)
    assert one.count == 6
    both = Timings.total([Timings(one, other), Timings(other, other)])
    assert both == Timings(Histogram.total([one, other]), Histogram.total([other, other]))
    with pytest.raises(ValueError, match="different buckets"):
        Histogram.total([one, Histogram((0.1, 2.0), (1, 2, 3), 4.5)])
    with pytest.raises(ValueError):
        Histogram.total([])


def counts(loop):
    timings = loop.timings()
    return timings.turn.count, timings.callback.count


@pytest.fixture
def measured(world):
    return lambda **callbacks: world(shared={"measured": True}, **callbacks)


def test_nothing_is_measured_unasked(world, half):
    w = world()
    assert w.loop.timings() is None and w.loop.counters.meter is None


def test_each_callback_counts_once(measured, half):
    def on_traffic(conn):
        if conn.read() == b"fail":
            raise ValueError("on purpose")

    w = measured(on_traffic=on_traffic, on_open=lambda conn: None, on_close=lambda conn, error: None)
    conn = w.connect()  # on_open
    other = w.connect()
    assert counts(w.loop)[1] == 2
    w.sockets.feed(conn.fd, b"ping")
    w.sockets.feed(other.fd, b"ping")
    w.loop.turn()
    assert counts(w.loop)[1] == 4
    w.feed(conn, b"fail")  # on_traffic, on_error, on_close
    w.turns(2)
    assert conn.close_reason is CloseReason.ERROR
    assert counts(w.loop)[1] == 7
    w.sockets.feed_eof(other.fd)  # on_eof, on_close
    w.turns(2)
    assert counts(w.loop)[1] == 9
    assert counts(w.loop)[0] == w.loop.metrics().turns


def test_asynchronous_calls_count(measured, half):
    w = measured()
    conn = w.connect()
    before = counts(w.loop)[1]
    conn.async_write(b"x", lambda conn, error: None)
    conn.wake()
    w.turns(2)
    assert counts(w.loop)[1] - before == 2


def test_datagrams_count(measured, half):
    w = measured(on_traffic=lambda conn: None)
    w.sockets.attach(60)
    w.loop.listen_for_datagrams(60, 2, Address("udp", "192.0.2.1", 9000)).start()
    for _ in range(3):
        w.sockets.feed_datagram(60, b"ping")
    w.turns(2)
    assert counts(w.loop)[1] == 3


def slow(histogram, seconds):
    """How many durations are in buckets that begin there or above."""
    return sum(
        n for bound, n in zip((0, *histogram.bounds), histogram.counts, strict=True) if bound >= seconds
    )


def test_what_took_long_is_seen(measured, half):
    w = measured(on_traffic=lambda conn: time.sleep(0.021))
    conn = w.connect()
    other = w.connect()
    w.sockets.feed(conn.fd, b"ping")
    w.sockets.feed(other.fd, b"ping")
    w.loop.turn()
    timings = w.loop.timings()
    assert slow(timings.callback, 0.02) == 2
    assert slow(timings.turn, 0.02) == 1
    assert timings.turn.sum >= timings.callback.sum >= 0.042


def test_turns_in_c_are_measured(measured, half):
    w = measured(on_traffic=lambda conn: conn.write(conn.read()) and None)
    conn = w.connect()
    wait, steps = w.poller.wait, [1, 2, 3]

    def waiting(timeout):
        if not steps:
            return []
        steps.pop()
        w.sockets.feed(conn.fd, b"ping")
        return wait(0.0)

    w.poller.wait = waiting
    before = counts(w.loop)
    while steps:
        w.loop._turn.run(goes_on=True)
    w.loop._turn.end()
    after = counts(w.loop)
    assert after[1] - before[1] == 3
    assert after[0] == w.loop.metrics().turns


@pytest.fixture
def serve_measured(serve, monkeypatch):
    """As ``serve``, but what is served is measured."""

    def start(self, hosted=False, start=Engine.start):
        self.measured = True
        start(self, hosted)

    monkeypatch.setattr(Engine, "start", start)
    return serve


def test_on_loops_of_their_own(serve_measured, dial, receive):
    echoes = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve_measured(echoes, num_event_loops=2)
    socks = [dial(engine) for _ in range(2)]
    for sock in 10 * socks:
        sock.sendall(b"ping")
        assert receive(sock, 4) == b"ping"
    for loop in engine.loops:
        loop.execute((done := threading.Event()).set)
        assert done.wait(30)
    timings = engine.timings()
    assert timings.callback.count == 22
    assert timings.turn.count >= 20
    assert 0 < timings.callback.sum <= timings.turn.sum
    assert sum(loop.timings().callback.count for loop in engine.loops) == 22


def test_what_a_coroutine_does_between_waits_is_a_part_of_the_turn(serve_measured, dial, receive):
    class Slow(AsyncHandler):
        async def serve(self, stream):
            await stream.read(1)
            time.sleep(0.021)
            stream.write(b"x")

    engine = serve_measured(Slow())
    sock = dial(engine)
    sock.sendall(b"x")
    assert receive(sock, 1) == b"x"
    while slow(engine.timings().turn, 0.02) < 1:
        time.sleep(0.001)


def test_what_a_host_does_between_turns_is_not():
    engine = Engine(RecordingHandler(), "tcp://127.0.0.1:0")
    engine.measured = True
    engine.start(hosted=True)
    with engine:
        for _ in range(2):
            engine.loops[0].turn(0)
            time.sleep(0.021)
        assert engine.timings().turn.count == 2
        assert slow(engine.timings().turn, 0.02) == 0


@pytest.mark.skipif(bool(COLD), reason=COLD)
def test_a_meter_of_c_without_a_clock():
    from netcore._native import _hot

    meter = _hot.Meter()
    for name in ("begin_turn", "end_turn", "look", "called"):
        with pytest.raises(RuntimeError, match="not been initialized"):
            getattr(meter, name)()
    with pytest.raises(ValueError, match="no clock"):
        meter.set_clock(0)
    counts = _hot.Counts()
    for wrong in (meter, Meter(), 3):
        with pytest.raises(TypeError, match="meter of the hot kind"):
            counts.meter = wrong
    assert counts.meter is None


def test_who_has_an_admin_server_is_measured():
    pytest.importorskip("h11")
    pytest.importorskip("prometheus_client")
    assert Engine(RecordingHandler(), "tcp://127.0.0.1:0", admin="tcp://127.0.0.1:0").measured
    assert not Engine(RecordingHandler(), "tcp://127.0.0.1:0").measured
