"""What had arrived before a stall counts: no deadline passes over what waits in the kernel."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from netcore import Action, Address, CloseReason, EventHandler, Timeout
from netcore.connection import Limits

EDGES = Limits(edge_chunk=1 << 20)
STALL = 2.5
LOCAL, REMOTE = Address("udp", "192.0.2.1", 9000), Address("udp", "192.0.2.9", 53)


class Stall:
    """A callback that takes long, during which something happens: ``w.feed(slow, b"slow")``."""

    def __init__(self, happens=lambda: None) -> None:
        self.happens = happens
        self.w = None

    def __call__(self, conn):
        if conn.read() == b"slow":
            self.w.clock.advance(STALL / 2)
            self.happens()
            self.w.clock.advance(STALL / 2)


def arm(conn, kind, seconds=1.5):
    setter = {
        Timeout.IDLE: conn.set_deadline,
        Timeout.READ: conn.set_read_deadline,
        Timeout.WRITE: conn.set_write_deadline,
    }[kind]
    setter(seconds)


@pytest.fixture
def stalled(world):
    """Makes a world with a callback that takes long."""

    def make(limits=None, **more):
        stall = Stall()
        w = world(limits=limits, on_traffic=stall, **more)
        stall.w = w
        w.stall = stall
        return w

    return make


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.READ])
@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_bytes_that_came_during_a_slow_callback_put_the_deadline_off(stalled, kind, limits):
    w = stalled(limits)
    slow, sends, silent = w.connect(), w.connect(), w.connect()
    for conn in (sends, silent):
        arm(conn, kind)
    w.stall.happens = lambda: w.sockets.feed(sends.fd, b"ping")
    w.feed(slow, b"slow")
    w.turns(2)
    assert not sends.closed
    assert w.handler.received() == b""
    assert w.handler.names(sends)[-1] == "on_traffic"
    assert silent.close_reason is CloseReason.TIMEOUT
    w.clock.advance(1.4)
    w.turns()
    assert not sends.closed
    w.clock.advance(0.2)
    w.turns()
    assert sends.close_reason is CloseReason.TIMEOUT


@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_a_clock_that_jumps_costs_only_the_silent_however_many_are_ready(world, limits):
    w = world(limits=limits)
    conns = [w.connect() for _ in range(600)]
    silent = conns[::2]
    for conn in conns:
        arm(conn, Timeout.IDLE)
    for conn in conns[1::2]:
        w.sockets.feed(conn.fd, b"ping")
    w.clock.advance(1000)
    w.turns(6)
    assert {conn.close_reason for conn in conns[1::2]} == {None}
    assert {conn.close_reason for conn in silent} == {CloseReason.TIMEOUT}


def test_an_end_that_had_come_is_an_end_and_no_time_out(stalled):
    w = stalled()
    slow, ends = w.connect(), w.connect()
    arm(ends, Timeout.READ)
    w.stall.happens = lambda: (w.sockets.feed(ends.fd, b"last"), w.sockets.feed_eof(ends.fd))
    w.feed(slow, b"slow")
    w.turns(3)
    assert w.handler.names(ends) == ["on_open", "on_traffic", "on_eof", "on_close"]


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.READ])
@pytest.mark.parametrize("has_sent", [True, False])
@pytest.mark.parametrize("dialled", [True, False])
def test_of_a_paused_connection_the_kernel_is_asked(world, kind, has_sent, dialled):
    w = world()
    if dialled:
        conn = w.loop._hosted.establish_datagrams(61, socket.AF_INET, REMOTE, LOCAL, None)
    else:
        conn = w.connect()
    conn.pause_reading()
    arm(conn, kind)
    w.turns()
    if has_sent and dialled:
        w.sockets.feed_datagram(conn.fd, b"")
    elif has_sent:
        w.sockets.feed(conn.fd, b"waits")
    for _ in range(5):
        w.clock.advance(2)
        w.turns()
    assert conn.close_reason is (None if has_sent else CloseReason.TIMEOUT)
    assert "on_traffic" not in w.handler.names(conn)


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.WRITE])
@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_a_kernel_that_takes_more_puts_the_write_deadline_off(stalled, kind, limits):
    w = stalled(limits)
    slow, reads, stuck = w.connect(), w.connect(), w.connect()
    for conn in (reads, stuck):
        arm(conn, kind)
        w.sockets.block(conn.fd, after=10)
        conn.write(b"x" * 100)
    w.turns()
    w.stall.happens = lambda: w.sockets.block(reads.fd, after=50)  # the poller need not have said so
    w.feed(slow, b"slow")
    w.turns(2)
    assert not reads.closed
    assert len(w.sent(reads)) == 60
    assert stuck.close_reason is CloseReason.TIMEOUT


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.WRITE])
@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_a_kernel_with_room_for_a_peer_that_takes_nothing_puts_nothing_off(world, kind, limits):
    w = world(limits=limits)
    stuck = w.connect()
    arm(stuck, kind)
    w.sockets.block(stuck.fd, after=10)
    stuck.write(b"x" * 100)
    w.turns()
    w.sockets.block(stuck.fd, after=50)  # some, but not enough for the poller to say so
    before = w.clock.now
    while not stuck.closed:
        w.clock.advance(1 / 64)
        w.turns()
    assert w.clock.now - before < 2
    assert len(w.sent(stuck)) == 10


@pytest.mark.parametrize("kind", [Timeout.IDLE, Timeout.READ])
@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_dialled_datagrams(stalled, kind, limits):
    w = stalled(limits)
    slow = w.connect()
    sends = w.loop._hosted.establish_datagrams(61, socket.AF_INET, REMOTE, LOCAL, None)
    silent = w.loop._hosted.establish_datagrams(62, socket.AF_INET, REMOTE, LOCAL, None)
    for conn in (sends, silent):
        arm(conn, kind)
    w.stall.happens = lambda: w.sockets.feed_datagram(61, b"ping")
    w.feed(slow, b"slow")
    w.turns(2)
    assert not sends.closed
    assert silent.close_reason is CloseReason.TIMEOUT


def test_dialled_datagrams_that_the_kernel_takes_now(stalled):
    w = stalled()
    slow = w.connect()
    conn = w.loop._hosted.establish_datagrams(61, socket.AF_INET, REMOTE, LOCAL, None)
    arm(conn, Timeout.WRITE)
    w.sockets.block(61)
    conn.write(b"waits")
    w.turns()
    w.stall.happens = lambda: w.sockets._limits.pop(61)
    w.feed(slow, b"slow")
    w.turns(2)
    assert not conn.closed
    assert conn.outbound_buffered == 0


def test_the_idle_clock_of_an_answer_runs_from_when_it_leaves(stalled):
    w = stalled()
    waits, slow = w.connect(), w.connect()
    w.handler._callbacks["on_traffic"] = lambda conn: (
        conn.write(b"answer") and None if conn is waits else w.stall(conn)
    )
    arm(waits, Timeout.IDLE)
    w.sockets.feed(waits.fd, b"question")
    w.feed(slow, b"slow")
    assert w.sent(waits) == b"answer"
    w.clock.advance(1.4)
    w.turns()
    assert not waits.closed
    w.clock.advance(0.2)
    w.turns()
    assert waits.close_reason is CloseReason.TIMEOUT


def test_phases(stalled, toys):
    w = stalled(phases=lambda name: [toys.ToyHeader(timeout=1)])
    whole, half, silent, chatty = (w.sockets.connect(w.LISTENER) for _ in range(4))
    w.turns(2)
    slow = w.loop._hosted.establish(500, "tcp", b"", Address("tcp"))

    def happens():
        w.sockets.feed(whole, b"HELLO you\nand more")
        w.sockets.feed(half, b"HELLO y")
        for _ in range(3):
            w.sockets.feed(chatty, b"HEL"[:1])

    w.stall.happens = happens
    w.feed(slow, b"slow")
    w.turns()
    opened = [event.conn.fd for event in w.handler.events if event.name == "on_open"]
    assert opened == [500, whole]
    assert silent in w.sockets.closed
    assert half not in w.sockets.closed, "the stall was not its fault"
    w.sockets.feed(half, b"ou\n")
    w.turns()
    opened = [event.conn.fd for event in w.handler.events if event.name == "on_open"]
    assert opened == [500, whole, half]
    assert chatty in w.sockets.closed
    w.clock.advance(10)
    w.turns(2)


def test_a_phase_that_gets_no_further_ends_all_the_same(stalled, toys):
    w = stalled(phases=lambda name: [toys.ToyHeader(timeout=1)])
    fd = w.sockets.connect(w.LISTENER)
    w.turns(2)
    slow = w.loop._hosted.establish(500, "tcp", b"", Address("tcp"))
    w.stall.happens = lambda: w.sockets.feed(fd, b"HELLO y")
    w.feed(slow, b"slow")
    w.turns()
    assert fd not in w.sockets.closed
    for _ in range(10):
        w.sockets.feed(fd, b"o")
        w.clock.advance(0.3)
        w.turns()
    assert fd in w.sockets.closed


def test_a_close_whose_peer_would_have_taken_all(stalled):
    w = stalled(Limits(close_timeout=1, write_cap=50))
    slow, reads, part, stuck = (w.connect() for _ in range(4))
    for conn in (reads, part, stuck):
        w.sockets.block(conn.fd)
        conn.write(b"x" * 40)
        conn.close()
    w.turns()

    def happens():
        del w.sockets._limits[reads.fd]
        w.sockets.block(part.fd, after=30)

    w.stall.happens = happens
    w.feed(slow, b"slow")
    w.turns(2)
    assert w.sent(reads) == b"x" * 40
    assert reads.fd not in w.sockets.resets
    assert stuck.fd in w.sockets.resets
    assert part.fd not in w.sockets.resets
    w.clock.advance(STALL)
    w.turns()
    assert part.fd in w.sockets.resets


def test_a_lingering_peer_that_had_gone_on_sending(stalled):
    w = stalled(Limits(linger=0.25, close_timeout=5))
    slow, sends, silent = w.connect(), w.connect(), w.connect()
    for conn in (sends, silent):
        conn.close()
    w.turns()
    w.stall.happens = lambda: w.sockets.feed(sends.fd, b"the rest of a request")
    w.feed(slow, b"slow")
    w.turns()
    assert silent.fd in w.sockets.closed
    assert sends.fd not in w.sockets.closed
    w.sockets.feed_eof(sends.fd)
    w.turns(2)
    assert sends.fd in w.sockets.closed


def test_a_dial_that_was_connected_in_time(stalled):
    w = stalled()
    slow = w.connect()
    made, hopeless = (w.loop.dial("tcp://192.0.2.9:80", timeout=1) for _ in range(2))
    w.turns()
    first = w.sockets.dials[0].fd

    def happens():
        w.sockets._outcomes[first] = 0  # the poller need not have said so

    w.stall.happens = happens
    w.feed(slow, b"slow")
    w.turns()
    assert made.result(0).fd == first
    assert isinstance(hopeless.exception(0), TimeoutError)


def test_timers_stay_timers(stalled):
    w = stalled()
    slow = w.connect()
    ran = []
    w.loop.schedule(1, ran.append, 1)
    w.feed(slow, b"slow")
    assert ran == [1]


def test_on_timeout_that_goes_on_is_told_once_a_period(world):
    w = world(on_timeout=lambda conn, kind: Action.NONE)
    conn = w.connect()
    arm(conn, Timeout.READ, 1)
    w.clock.advance(1000)
    w.turns(3)
    assert w.handler.names(conn).count("on_timeout") == 1


@pytest.mark.parametrize("options", [{}, pytest.param({"edge_triggered": True}, marks=pytest.mark.edges)])
def test_a_slow_callback_in_the_kernel(serve, dial, options):
    class Slow(EventHandler):
        def on_traffic(self, conn):
            if conn.read() == b"slow":
                begun.set()
                assert go_on.wait(30)
                time.sleep(max(0, armed + 1.2 - time.monotonic()))
            else:
                served.append(conn)
                if len(served) == 20:
                    done.set()

        def on_timeout(self, conn, timeout):
            late.append(conn)
            return Action.CLOSE

    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()
    served, late = [], []
    engine = serve(Slow(), idle_timeout=1.0, **options)
    armed = time.monotonic()
    slow, *others = [dial(engine) for _ in range(21)]
    slow.sendall(b"slow")
    assert begun.wait(30)
    for sock in others:
        sock.sendall(b"ping")
    go_on.set()
    assert done.wait(30)
    assert len(served) == 20


PROGRAM = """
import netcore, sys
class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())
    def on_close(self, conn, error):
        print(conn.close_reason, flush=True)
engine = netcore.Engine(Echo(), "tcp://127.0.0.1:0", idle_timeout=1.0, **{options})
engine.start()
print(engine.addresses[0].port, flush=True)
engine.join()
"""


def test_a_peer_that_takes_nothing_in_the_kernel(serve, dial):
    """Linux goes on taking a little at a time after it has refused more (tcp(7)), whatever the peer does."""
    left = []

    class Floods(EventHandler):
        def on_open(self, conn):
            conn.set_write_deadline(0.3)
            conn.write(bytes(60 << 20))
            conn.loop.schedule(0.1, lambda: left.append(conn.outbound_buffered))

        def on_timeout(self, conn, timeout):
            left.append(conn.outbound_buffered)
            return Action.CLOSE

    engine = serve(Floods())
    for timeouts in range(1, 6):  # where other programs have stalled the loop, it offers the kernel more
        left.clear()
        sock = dial(engine)
        while engine.metrics().closed_timeout < timeouts:
            time.sleep(0.01)
        sock.close()
        assert len(left) == 2
        if left[0] == left[1]:
            break
    assert left[0] == left[1]


@pytest.mark.posix
@pytest.mark.parametrize("options", [{}, pytest.param({"edge_triggered": True}, marks=pytest.mark.edges)])
def test_a_process_that_was_stopped_and_continued(options):
    program = PROGRAM.replace("{options}", repr(options))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=sys.prefix
    ) as process:
        try:
            port = int(process.stdout.readline())
            socks = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(20)]
            for sock in socks:
                sock.sendall(b"a")
                assert sock.recv(1) == b"a"
            process.send_signal(signal.SIGSTOP)
            for sock in socks:
                sock.sendall(b"b")
            time.sleep(1.5)  # longer than the idle time-out, which is what is asked about
            process.send_signal(signal.SIGCONT)
            for sock in socks:
                assert sock.recv(1) == b"b"
        finally:
            process.kill()
            for sock in socks:
                sock.close()


@pytest.mark.parametrize("limits", [Limits(), EDGES])
def test_a_look_before_a_deadline_leaves_what_waits_to_be_sent_as_it_is(world, limits):
    """A view of the arena that was written back is still there when the same turn receives once more."""
    late, news = [], b"n" * 9000

    def on_traffic(conn):
        if conn is echo:
            conn.write(conn.next())
            w.clock.advance(STALL)
            w.sockets.feed(late[0].fd, news)
        else:
            conn.read()

    w = world(limits=limits, on_traffic=on_traffic)
    echo = w.connect()
    late.append(w.connect())
    arm(late[0], Timeout.READ)
    w.feed(echo, b"e" * 9000)
    w.turns(2)
    assert not late[0].closed
    assert w.sockets.sent[echo.fd] == b"e" * 9000
