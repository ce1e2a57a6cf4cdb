"""What has to pass before a connection opens: with a deadline, a count, and no callback before."""

from __future__ import annotations

import errno
import logging
import socket
import threading

import pytest

from netcore import Action, Address, CloseReason
from netcore.connection import Limits
from netcore.eventloop import Gate, Listener, Phase
from netcore.poll import Interest
from netcore.sockets import pack_name, unpack_name
from netcore.testing import RecordingHandler


@pytest.fixture
def arriving(world, toys):
    """Makes a world whose connections have to pass a header, and lets a peer connect to it."""

    def make(*phases, **options):
        made = []

        def phases_for(name):
            assert unpack_name(name).host == "192.0.2.7"
            made.append([phase() for phase in phases or (toys.ToyHeader,)])
            return made[-1]

        w = world(phases=phases_for, **options)
        w.made = made
        w.fd = w.sockets.connect(w.LISTENER)
        w.turns(2)
        return w

    return make


def test_no_callback_before_it_has_passed(arriving):
    w = arriving()
    for piece in (b"HEL", b"LO Bo"):
        w.sockets.feed(w.fd, piece)
        w.turns()
        assert not w.handler.events
        assert (w.loop.connection_count, w.loop.connections()) == (1, [])
    w.sockets.feed(w.fd, b"b\n")
    w.turns()
    assert w.handler.names() == ["on_open"]
    assert w.only().context == b"Bob"
    assert (w.loop.connection_count, w.loop.connections()) == (1, [w.only()])


def test_what_comes_behind_is_the_connections(arriving):
    w = arriving(on_traffic=lambda conn: conn.write(conn.read()) and None)
    w.sockets.feed(w.fd, b"HELLO Bob\nfirst")
    w.turns()
    assert w.handler.names() == ["on_open", "on_traffic"]
    assert w.sent(w.only()) == b"first"
    w.feed(w.only(), b", second")
    assert w.sent(w.only()) == b"first, second"
    assert w.poller.interests[w.fd] == Interest.READ


def test_what_comes_behind_waits_for_a_handler_that_pauses_in_on_open(arriving):
    w = arriving(on_open=lambda conn: conn.pause_reading())
    w.sockets.feed(w.fd, b"HELLO Bob\nfirst")
    w.turns(2)
    assert w.handler.names() == ["on_open"]
    w.only().resume_reading()
    w.turns(2)
    assert w.handler.received() == b"first"


def test_a_connection_that_closes_in_on_open_is_shown_nothing(arriving):
    w = arriving(on_open=lambda conn: Action.CLOSE)
    w.sockets.feed(w.fd, b"HELLO Bob\nfirst")
    w.turns(2)
    assert w.handler.names() == ["on_open", "on_close"]


def test_an_answer_leaves_before_all_that_the_connection_writes(arriving, toys):
    w = arriving(lambda: toys.ToyHeader(answers=True), on_open=lambda conn: conn.write(b"opened") and None)
    w.sockets.block(w.fd, after=3)
    w.sockets.feed(w.fd, b"HELLO Bob\n")
    w.turns(2)
    assert w.sockets.sent[w.fd] == b"WEL"
    w.sockets.unblock(w.fd)
    w.turns(3)
    assert w.sockets.sent[w.fd] == b"WELCOME\nopened"


def test_a_wrong_header_ends_it_without_a_callback(arriving, toys, caplog):
    w = arriving(lambda: toys.ToyHeader(answers=True))
    w.sockets.feed(w.fd, b"GET / HTTP/1.1\r\n")
    w.turns(2)
    assert not w.handler.events
    assert w.sockets.sent[w.fd] == b"WHO?\n"
    assert w.sockets.closed == [w.fd]
    assert w.fd not in w.poller.interests
    assert w.loop.connection_count == 0
    metrics = w.loop.metrics()
    assert (metrics.accepted, metrics.unopened, metrics.closed) == (1, 1, 0)
    assert caplog.text.count("no greeting") == 1


def test_one_line_of_log_per_interval(arriving, caplog):
    w = arriving()
    for _ in range(50):
        fd = w.sockets.connect(w.LISTENER)
        w.sockets.feed(fd, b"?")
        w.turns(2)
    assert w.loop.metrics().unopened == 50
    assert caplog.text.count("could not be opened") == 1


def test_one_line_for_each_kind_of_trouble(arriving, caplog):
    w = arriving()
    for end in (lambda fd: w.sockets.feed(fd, b"?"), lambda fd: w.sockets.feed_error(fd, errno.ECONNRESET)):
        for _ in range(3):
            fd = w.sockets.connect(w.LISTENER)
            w.sockets.feed(fd, b"HEL")
            end(fd)
            w.turns(3)
    assert len(caplog.records) == 2 and caplog.text.count("no greeting") == 1  # the other one is the system's
    assert "times" not in caplog.text
    w.clock.advance(11)
    w.sockets.feed(w.sockets.connect(w.LISTENER), b"?")
    w.turns(2)
    assert "no greeting (3 times since the last such line)" in caplog.text


def test_a_line_each_for_who_looks_for_a_fault(arriving, caplog):
    caplog.set_level(logging.DEBUG)
    w = arriving()
    for _ in range(3):
        w.sockets.feed(w.sockets.connect(w.LISTENER), b"?")
        w.turns(2)
    levels = [each.levelname for each in caplog.records if "could not be opened" in each.message]
    assert levels == ["WARNING", "DEBUG", "DEBUG"]


@pytest.mark.parametrize("end", ["eof", "reset"])
@pytest.mark.parametrize("said", [b"", b"HELLO proxy\n", b"HELLO proxy\nH"])
def test_who_leaves_without_a_word_is_not_worth_a_line(arriving, toys, caplog, end, said):
    w = arriving(toys.ToyHeader, toys.ToyHeader)  # a proxy says the first one for whom it has connected
    w.sockets.feed(w.fd, said)
    w.turns()
    if end == "eof":
        w.sockets.feed_eof(w.fd)
    else:
        w.sockets.feed_error(w.fd, errno.ECONNRESET)
    w.turns(3)
    assert w.loop.metrics().unopened == 1
    assert caplog.text.count("could not be opened") == said.endswith(b"H")


def test_the_deadline(arriving):
    w = arriving()
    w.sockets.feed(w.fd, b"HELL")
    w.turns()
    start = w.clock.now
    while w.loop.connection_count:
        w.loop.turn()
    assert w.clock.now - start == 3
    assert not w.handler.events
    assert w.sockets.closed == [w.fd]
    assert w.loop.metrics().unopened == 1


def test_each_phase_has_a_deadline_of_its_own(arriving, toys):
    w = arriving(toys.ToyHeader, toys.ToyHandshake)
    w.clock.advance(2)
    w.sockets.feed(w.fd, b"HELLO Bob\n")
    w.turns()
    w.clock.advance(2)
    w.turns()
    assert w.loop.connection_count == 1
    w.clock.advance(1.1)
    w.turns()
    assert w.loop.connection_count == 0


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_a_peer_that_leaves(arriving, end):
    w = arriving()
    w.sockets.feed(w.fd, b"HELLO")
    if end == "eof":
        w.sockets.feed_eof(w.fd)
    else:
        w.sockets.feed_error(w.fd, errno.ECONNRESET)
    w.turns(3)
    assert (w.handler.events, w.loop.connection_count, w.sockets.closed) == ([], 0, [w.fd])


def test_it_has_a_place_under_max_connections(arriving):
    gate = Gate(1, refuse=False)
    w = arriving(shared={"gate": gate})
    waiting = w.sockets.connect(w.LISTENER)
    w.turns(3)
    assert w.loop.connection_count == 1
    assert waiting not in w.poller.interests
    w.sockets.feed(w.fd, b"nonsense")
    w.turns(3)
    assert waiting in w.poller.interests
    w.sockets.feed(waiting, b"HELLO Eve\n")
    w.turns(2)
    w.only().abort()
    w.turns(2)
    assert gate._free == 1


def test_a_poller_that_refuses_it(arriving, monkeypatch):
    w = arriving()
    register, gate = w.poller.register, w.loop.shared.gate
    assert gate is None

    def refuse(fd, interest):
        if fd == second:
            raise OSError(errno.ENOSPC, "no room")
        register(fd, interest)

    monkeypatch.setattr(w.poller, "register", refuse)
    second = w.sockets.connect(w.LISTENER)
    w.turns(3)
    assert w.loop.connection_count == 1
    assert w.sockets.closed == [second]


def test_a_stop_turns_them_away(arriving):
    w = arriving()
    w.loop.stop(10)
    w.turns()
    assert w.loop.finished
    assert w.sockets.closed == [w.LISTENER, w.fd]
    assert not w.handler.events


@pytest.mark.parametrize("ended", [False, True], ids=["stopping", "ended"])
def test_who_comes_to_a_loop_that_stops_is_turned_away(arriving, ended):
    """Also on another thread, when it has ended: neither its poller nor its timers may be touched there."""
    w = arriving(shared={"gate": (gate := Gate(5, False))})
    w.loop.stop(60)
    if ended:
        w.loop.close()
        w.poller.register = None
    fd = w.sockets.connect(w.LISTENER)
    gate.take(1, int)
    thread = threading.Thread(
        target=w.loop.hand_over, args=(fd, pack_name(socket.AF_INET, ("192.0.2.7", 1)), w.acceptor.listener)
    )
    thread.start()
    thread.join()
    if not ended:
        w.turns()
    assert fd in w.sockets.closed
    assert not w.loop.connection_count
    assert gate.take(9, int) == 5
    assert not w.handler.events


def test_a_fork_lets_go_of_them(arriving):
    w = arriving()
    w.loop.abandon()
    assert w.fd in w.sockets.closed
    assert w.loop.connection_count == 0


def test_edge_triggered(arriving):
    w = arriving(limits=Limits(edge_chunk=1000))
    w.sockets.feed(w.fd, b"HELLO Bob\nfirst")
    w.turns()
    assert w.poller.interests[w.fd] == Interest.READ | Interest.EDGE
    w.feed(w.only(), b", second")
    assert w.handler.received() == b"first, second"


def test_idle_timeout_begins_when_it_opens(arriving):
    w = arriving(limits=Limits(idle_timeout=2))
    w.clock.advance(2.5)
    w.sockets.feed(w.fd, b"HELLO Bob\n")
    w.turns(2)
    assert w.handler.names() == ["on_open"]
    w.clock.advance(2.5)
    w.turns(2)
    assert w.only().close_reason is CloseReason.TIMEOUT


def test_a_handshake_puts_a_filter_on(arriving, toys):
    w = arriving(toys.ToyHandshake, on_traffic=lambda conn: conn.write(conn.read()) and None)
    assert w.sockets.sent[w.fd] == toys.record(toys.HELLO)
    w.sockets.feed(w.fd, toys.record(toys.HELLO) + toys.encode(b"early"))
    w.turns(2)
    assert w.handler.names() == ["on_open", "on_traffic"]
    w.feed(w.only(), toys.encode(b" late"))
    assert toys.decode(w.sent(w.only())) == (b"early late", [toys.HELLO])


@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_a_header_before_a_handshake(arriving, toys, byte_by_byte):
    w = arriving(
        lambda: toys.ToyHeader(answers=True),
        toys.ToyHandshake,
        on_traffic=lambda conn: conn.write(conn.read()) and None,
    )
    assert not w.sockets.sent[w.fd]
    stream = b"HELLO Bob\n" + toys.record(toys.HELLO) + toys.encode(b"hi") + toys.record(toys.CLOSING)
    for piece in [stream[i : i + 1] for i in range(len(stream))] if byte_by_byte else [stream]:
        w.sockets.feed(w.fd, piece)
        w.turns()
    w.turns(2)
    assert w.handler.names() == ["on_open", "on_traffic", "on_eof", "on_close"]
    answer, _, rest = bytes(w.sockets.sent[w.fd]).partition(b"\n")
    assert answer == b"WELCOME"
    assert toys.decode(rest) == (b"hi", [toys.HELLO, toys.CLOSING])
    assert w.only().context == b"Bob"


def test_a_failed_handshake_says_so_and_calls_nobody(arriving, toys):
    w = arriving(toys.ToyHandshake)
    w.sockets.feed(w.fd, toys.record(9000))
    w.turns(2)
    assert not w.handler.events
    assert toys.decode(bytes(w.sockets.sent[w.fd]))[1] == [toys.HELLO, toys.CLOSING]
    assert w.sockets.closed == [w.fd]


def test_without_phases_for_this_peer_it_opens_at_once(world):
    w = world(phases=lambda name: ())
    conn = w.connect()
    assert w.handler.names() == ["on_open"]
    w.feed(conn, b"x")
    assert w.handler.received() == b"x"


def test_what_takes_long_is_spread_over_turns(arriving, toys):
    fed = []

    class Slow(toys.ToyHeader):
        def feed(self, data):
            fed.append(w.loop.metrics().turns)
            w.clock.advance(0.004)
            return super().feed(data)

    w = arriving(Slow)
    fds = [w.fd, *(w.sockets.connect(w.LISTENER) for _ in range(11))]
    w.turns(2)
    for fd in fds:
        w.sockets.feed(fd, b"HELLO Bob\n")
    w.turns(4)
    assert len(w.loop.connections()) == 12
    assert [fed.count(turn) for turn in sorted(set(fed))] == [3, 3, 3, 3], "12 ms, and not 48"


def test_phases_that_cannot_be_made_cost_that_connection(world, caplog):
    def phases(name):
        raise LookupError("on purpose")

    w = world(phases=phases)
    fd = w.sockets.connect(w.LISTENER)
    w.turns(2)
    assert (w.loop.connection_count, w.handler.events) == (0, [])
    assert fd in w.sockets.closed + w.sockets.resets
    assert "on purpose" in caplog.text


# Dialled ones.

TARGET = Address("tcp", "192.0.2.9", 7)


@pytest.fixture
def dialled(world, toys):
    """Makes a world that dials through phases: ``world, future, descriptor, phases``."""

    def make(*makers, timeout=None, **options):
        w = world(**options)
        phases = [maker() for maker in makers or (toys.ToyHandshake,)]
        future = w.loop._dialer.dial(TARGET, "mine", timeout, lambda: phases)
        w.turns()
        fd = w.sockets.dials[0].fd
        w.sockets.finish_connect(fd)
        w.turns(2)
        return w, future, fd, phases

    return make


def test_a_dial_ends_when_they_have_passed(dialled, toys):
    w, future, fd, _ = dialled()
    assert (future.done(), w.handler.events) == (False, [])
    assert w.sockets.sent[fd] == toys.record(toys.HELLO)
    w.sockets.feed(fd, toys.record(toys.HELLO) + toys.encode(b"welcome"))
    w.turns(2)
    conn = future.result(0)
    assert (conn.context, str(conn.remote_address)) == ("mine", "tcp://192.0.2.9:7")
    assert w.handler.received() == b"welcome"
    assert w.loop.metrics().dialled == 1


def test_a_dials_time_includes_them(dialled):
    w, future, fd, _ = dialled(timeout=1)
    assert w.loop.metrics().dialled == 0, "a count of what may fail yet would be taken back"
    w.clock.advance(1.1)
    w.turns(2)
    with pytest.raises(TimeoutError):
        future.result(0)
    assert w.sockets.closed == [fd]
    assert (w.loop.connection_count, w.handler.events) == (0, [])
    metrics = w.loop.metrics()
    assert (metrics.dialled, metrics.dial_failures, metrics.unopened) == (0, 1, 1)


def test_a_dials_phase_that_fails_fails_the_dial(dialled, toys):
    w, future, fd, _ = dialled(timeout=60)
    w.sockets.feed(fd, toys.record(9000))
    w.turns(2)
    with pytest.raises(toys.ToyError):
        future.result(0)
    assert w.loop.metrics().dial_failures == 1
    assert not w.loop._agenda.armed, "its time-out is still armed"


def test_a_phase_that_only_speaks(dialled, toys):
    class Sender(Phase):
        timeout = 1.0
        done = True

        def __init__(self):
            self.out = b"HELLO me\n"

        def feed(self, data):
            raise AssertionError("there is nothing to feed")

        def output(self):
            out, self.out = self.out, b""
            return out

        def prepare(self, conn):
            conn.context = "said"

    w, future, fd, _ = dialled(Sender)
    assert future.result(0).context == "said"
    assert w.sockets.sent[fd] == b"HELLO me\n"


def test_a_stop_fails_a_dial_in_a_phase(dialled):
    w, future, *_ = dialled()
    w.loop.stop(10)
    w.turns()
    assert "stopping" in str(future.exception(0))
    assert w.loop.finished


# Real sockets.


@pytest.mark.parametrize("loops", [1, 2])
def test_many_that_stall_cost_the_others_nothing(serve, dial, receive, toys, monkeypatch, loops):
    def listener(*args):
        return Listener(*args, phases=lambda name: [toys.ToyHeader(), toys.ToyHandshake()])

    def on_traffic(conn):
        conn.write(conn.context + b": " + conn.read())

    monkeypatch.setattr("netcore.engine.listening.Listener", listener)
    engine = serve(RecordingHandler(on_traffic=on_traffic), num_event_loops=loops)
    stalled = [dial(engine) for _ in range(100)]
    for i, sock in enumerate(stalled):
        sock.sendall(b"HELLO "[: i % 7])
    for i in range(20):
        peer = dial(engine)
        peer.sendall(b"HELLO peer\n" + toys.record(toys.HELLO) + toys.encode(b"ping"))
        wanted = toys.record(toys.HELLO) + toys.encode(b"peer: ping")
        assert receive(peer, len(wanted)) == wanted, i
        peer.shutdown(socket.SHUT_WR)
    assert engine.metrics().unopened == 0
    for sock in stalled:
        sock.close()


def test_a_phase_that_cannot_prepare_leaves_no_connection(arriving, toys):
    class Faulty(toys.ToyHeader):
        def prepare(self, conn):
            conn.put_on(toys.ToyFilter(greets=True))
            conn.write(b"never")
            raise RuntimeError("on purpose")

    gate = Gate(2, refuse=True)
    w = arriving(toys.ToyHeader, Faulty, shared={"gate": gate})
    w.sockets.feed(w.fd, b"HELLO Bob\nHELLO Bob\nmore")
    w.turns(3)
    assert not w.handler.events
    assert (w.loop.connection_count, w.loop.connections(), gate.take(2, int)) == (0, [], 2)
    assert (w.sockets.closed, w.sockets.resets, list(w.poller.interests)) == ([], [w.fd], [w.LISTENER])
    assert not w.sockets.sent[w.fd]
    assert w.loop.metrics().unopened == 1


def test_one_that_fails_is_counted_before_it_is_forgotten(world, toys, monkeypatch):
    seen = []
    w = world(phases=lambda name: [toys.ToyHeader()])
    close = w.sockets.close
    monkeypatch.setattr(
        w.sockets,
        "close",
        lambda fds: seen.append((w.loop.unfinished, w.loop.metrics().unopened)) or close(fds),
    )
    fd = w.sockets.connect(w.LISTENER)
    w.turns()
    w.sockets.feed(fd, b"GARBAGE\n")
    w.turns()
    assert seen == [(0, 1)]
