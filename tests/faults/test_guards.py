"""A poller or sockets that raise: who the step was for pays, and everybody else is served as ever."""

from __future__ import annotations

import errno

import pytest

from netcore import Action, CloseReason, EngineNotRunningError
from netcore.connection import Limits
from netcore.eventloop import Phase
from netcore.poll import Readiness
from netcore.sockets import pack_name

ERRORS = [
    OSError(errno.ENOMEM, "no memory"),
    OSError(errno.EBADF, "no descriptor"),
    ValueError("a value"),
    MemoryError(),
    LookupError("something of a user's own"),
    SystemExit(3),
]
EACH_ERROR = pytest.mark.parametrize("error", ERRORS, ids=[repr(error) for error in ERRORS])


def of(fd):
    """Chooses the calls that are about one descriptor."""

    def about(*args):
        first = args[0]
        return fd in first if isinstance(first, list) else first == fd

    return about


def ended_by(site, conn, error):
    """Whether an error has ended a connection, a stream with RST, and its handler was told so."""
    (cause,) = [
        event.detail for event in site.handler.events if event.name == "on_close" and event.conn is conn
    ]
    gone = site.sockets.resets + (site.sockets.closed if conn.network == "udp" else [])
    assert (conn.close_reason, conn.fd in gone) == (CloseReason.ERROR, True)
    return cause is error if isinstance(error, Exception) else cause.__cause__ is error


def asks_to_stop(site, error):
    """Whether the engine was asked to stop just if the error is no Exception."""
    return bool(site.stops) != isinstance(error, Exception)


# Streams.


@EACH_ERROR
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("step", ["receive", "send"])
def test_a_step_fails_for_one(site, error, step, count):
    s = site(places=10)
    conns = s.connect(5)
    s.sockets.sabotage.plan(step, error, of(conns[0].fd))
    for conn in conns[:count]:
        s.sockets.feed(conn.fd, b"hello")
    s.turns()
    assert ended_by(s, conns[0], error)
    for conn in conns[1:count]:
        assert s.sockets.sent[conn.fd] == b"hello", "a neighbour has paid"
    assert asks_to_stop(s, error) and s.is_even() and s.serves()


@EACH_ERROR
@pytest.mark.parametrize("chunk", [0, 1000], ids=["level", "edge"])
def test_receiving_fails_for_a_batch_and_for_nobody_alone(site, error, chunk):
    s = site(limits=Limits(edge_chunk=chunk))
    conns = s.connect(5)
    s.sockets.sabotage.plan("receive", error, lambda fds: len(fds) > 1)
    for conn in conns:
        s.sockets.feed(conn.fd, bytes([conn.fd]) * 3000)
    s.turns()
    assert not any(conn.closed for conn in conns)
    assert all(s.sockets.sent[conn.fd] == bytes([conn.fd]) * 3000 for conn in conns)


@EACH_ERROR
def test_sending_fails_for_a_batch_and_keeps_the_order(site, error):
    s = site()
    conns = s.connect(3)
    s.sockets.sabotage.plan("send", error, lambda fds, chunks: len(fds) > 1)
    s.sockets.block(conns[0].fd, 5)
    for conn in conns:
        conn.write(b"first")
        conn.write(b"")
        conn.write(b"second")
    s.turns()
    assert s.sockets.sent[conns[0].fd] == b"first"
    assert conns[0].outbound_buffered == 6
    s.sockets.unblock(conns[0].fd)
    s.turns()
    assert [bytes(s.sockets.sent[conn.fd]) for conn in conns] == [b"firstsecond"] * 3


@EACH_ERROR
def test_another_ones_flush_does_not_pay(site, error):
    s = site()
    one, other = s.connect(2)
    s.sockets.sabotage.plan("send", error, of(one.fd))
    raised = []

    def both():
        one.write(b"for a broken one")
        other.write(b"for one who is well")
        try:
            other.flush()
        except BaseException as wrongly:
            raised.append(wrongly)

    s.loop.execute(both)
    s.turns()
    assert raised == []
    assert ended_by(s, one, error)
    assert s.sockets.sent[other.fd] == b"for one who is well"


@EACH_ERROR
@pytest.mark.parametrize("method", ["modify", "unregister"])
def test_the_poller_fails_for_one(site, error, method):
    s = site(places=10)
    one, other = s.connect(2)
    s.poller.sabotage.plan(method, error, of(one.fd))
    s.sockets.block(one.fd)
    s.sockets.block(other.fd)
    for conn in (one, other):
        conn.write(b"to wait for")
    s.turns()
    s.sockets.unblock(other.fd)
    s.turns()
    if method == "modify":
        assert ended_by(s, one, error)
    else:
        one.abort()
        s.turns()
        assert one.fd in s.sockets.resets and one.close_reason is CloseReason.LOCAL
    assert s.sockets.sent[other.fd] == b"to wait for"
    assert s.is_even() and s.serves()


@EACH_ERROR
def test_the_poller_fails_where_readiness_is_troubled(site, error):
    s = site()
    one, other = s.connect(2)
    one.pause_reading()
    s.turns()
    s.poller.sabotage.plan("unregister", error, of(one.fd))
    s.poller.set_ready(one.fd, Readiness.HANGUP)
    s.sockets.feed(other.fd, b"hello")
    s.turns()
    assert ended_by(s, one, error)
    assert s.sockets.sent[other.fd] == b"hello"
    assert s.is_even() and s.serves()


@EACH_ERROR
@pytest.mark.parametrize("method", ["shutdown_write", "close", "reset", "local_address"])
def test_what_ends_a_connection_fails(site, error, method):
    s = site(places=10, limits=Limits(linger=0.25))
    conns = s.connect(4)
    s.sockets.sabotage.plan(method, error, times=2 if method == "close" else None)
    conns[0].shutdown_write()
    conns[1].close()
    conns[2].abort()
    s.sockets.feed(conns[3].fd, b"unread")
    conns[3].close()
    s.turns()
    s.sockets.sabotage.calm()
    for conn in conns:
        conn.close()
    s.turns()
    s.clock.advance(9)
    s.turns()
    assert [s.handler.names(conn).count("on_close") for conn in conns] == [1] * 4
    assert s.loop.unfinished == 0
    if method not in ("close", "reset"):
        assert s.is_even()
    assert s.gate._free == 10, "the place of a descriptor that nobody can close is nobody's"
    s.given.clear()
    s.sockets.closed.clear()
    s.sockets.resets.clear()
    assert s.serves()


@EACH_ERROR
def test_the_address_that_cannot_be_told(site, error):
    s = site()
    conn = s.connect()
    s.sockets.sabotage.plan("local_address", error)
    if isinstance(error, Exception):
        assert conn.local_address.network == "tcp"
    conn.abort()
    s.turns()
    assert s.handler.names(conn)[-1] == "on_close"


@EACH_ERROR
def test_the_end_of_one_fails_in_every_way(site, error):
    s = site(places=10)
    one, other = s.connect(2)
    for method in ("modify", "unregister"):
        s.poller.sabotage.plan(method, error, of(one.fd))
    for method in ("receive", "send", "shutdown_write"):
        s.sockets.sabotage.plan(method, error, of(one.fd))
    s.sockets.feed(one.fd, b"hello")
    s.sockets.feed(other.fd, b"hello")
    s.turns(5)
    assert s.handler.names(one) == ["on_open", "on_close"]
    assert s.sockets.sent[other.fd] == b"hello"
    assert s.is_even() and s.serves()


# Listeners.


@EACH_ERROR
@pytest.mark.parametrize("where", ["accept", "register"])
def test_a_listener_fails_and_comes_back(site, error, where, caplog):
    s = site(places=10)
    conn = s.connect()
    if where == "accept":
        s.sockets.sabotage.plan("accept", error)
    else:
        s.sockets.sabotage.plan("accept", OSError(errno.EIO, "first"), times=1)
        s.poller.sabotage.plan("register", error, of(50))
    waiting = s.arrive()
    for _ in range(20):
        s.turns(2)
        s.clock.advance(0.11)
    s.sockets.feed(conn.fd, b"still served")
    s.turns()
    assert s.sockets.sent[conn.fd] == b"still served"
    if isinstance(error, Exception):
        assert 1 <= caplog.text.count("loop 0 could not serve") + caplog.text.count("cannot accept") <= 2
    s.poller.sabotage.calm()
    s.sockets.sabotage.calm()
    s.clock.advance(0.11)
    s.turns()
    assert waiting in s.loop._hosted.streams, "it never tries again"
    assert s.is_even()


@EACH_ERROR
def test_a_cleanup_fails(site, error):
    s = site()
    object.__setattr__(s.acceptor.listener, "cleanup", lambda: (_ for _ in ()).throw(error))
    s.loop.stop_accepting()
    assert {50, 60} <= set(s.sockets.closed)
    assert not s.loop.listening
    s.loop.stop(1)
    s.turns(1)
    assert s.loop.finished


@EACH_ERROR
def test_a_balancer_fails(site, error):
    def pick(remote):
        raise error

    s = site(places=3, pick=pick)
    s.arrive(3)
    s.turns()
    assert s.handler.events == []
    assert asks_to_stop(s, error) and s.is_even()
    assert s.loop.placing == 0


@EACH_ERROR
@pytest.mark.parametrize("step", ["attach", "register"])
@pytest.mark.parametrize("refuse", [False, True], ids=["pause", "refuse"])
def test_an_accepted_one_cannot_be_taken_in(site, error, step, refuse):
    s = site(places=3, refuse=refuse)
    one, two, three = s.arrive(3)
    broken = s.sockets if step == "attach" else s.poller
    broken.sabotage.plan(step, error, of(two))
    s.turns()
    assert set(s.loop._hosted.streams) == {one, three}, "a neighbour has paid"
    assert two in s.sockets.resets
    assert asks_to_stop(s, error) and s.is_even() and s.serves()


@EACH_ERROR
def test_one_that_is_refused_cannot_be_attached(site, error):
    s = site(places=1, refuse=True)
    s.connect()
    s.sockets.sabotage.plan("attach", error)
    fds = s.arrive(3)
    s.turns()
    assert s.sockets.resets == fds
    assert s.is_even()


def test_a_hand_over_fails(site):
    class Elsewhere:
        def hand_over(self, fd, name, listener):
            raise MemoryError

    s = site(places=3, pick=lambda remote: Elsewhere())
    s.arrive(3)
    s.turns()
    assert s.is_even()


# Phases.


class Touchy(Phase):
    """Passes after one byte, or raises in one of its methods."""

    timeout = 5

    def __init__(self, where, error):
        self.where, self.error, self.done = where, error, False

    def _maybe(self, where):
        if where == self.where:
            raise self.error

    def feed(self, data):
        self._maybe("feed")
        self.done = True
        return b""

    def output(self):
        self._maybe("output")
        return b"!" if self.done else b""

    def prepare(self, conn):
        self._maybe("prepare")


@EACH_ERROR
@pytest.mark.parametrize("where", ["make", "feed", "output", "prepare", "too late"])
def test_a_phase_fails(site, error, where):
    first = []

    def phases(name):
        if not first:
            first.append(name)
            if where == "make":
                raise error
            return [Touchy(where, error)]
        return [Touchy(None, None)]

    s = site(places=3, phases=phases)
    one, other = s.arrive(2)
    s.turns()
    s.sockets.feed(one, b"x")
    s.sockets.feed(other, b"x")
    if where == "too late":
        s.sockets.sabotage.plan("close", error, times=1)
        s.clock.advance(6)
    s.turns()
    if where != "too late":
        assert set(s.loop._hosted.streams) == {other}
        assert asks_to_stop(s, error)
    assert s.is_even()
    assert s.handler.names().count("on_open") == len(s.loop._hosted.streams)


@EACH_ERROR
@pytest.mark.parametrize("method", ["register", "modify", "receive", "send"])
def test_a_phase_is_served_in_vain(site, error, method):
    s = site(places=3, phases=lambda name: [Touchy(None, None)])
    one, other = s.arrive(2)
    broken = s.poller if method in ("register", "modify") else s.sockets
    broken.sabotage.plan(method, error, of(one))
    s.turns()
    if method == "modify":
        s.sockets.block(one)
    s.sockets.feed(one, b"x")
    s.sockets.feed(other, b"x")
    s.turns()
    assert other in s.loop._hosted.streams
    if method != "send" or isinstance(error, Exception):
        assert one not in s.loop._hosted.streams or method == "modify"
    assert s.is_even()


# Dials and enrolments.


@EACH_ERROR
@pytest.mark.parametrize("method", ["register", "connected", "unregister", "remote_name", "later register"])
@pytest.mark.parametrize("network", ["tcp", "udp"])
def test_a_dial_fails(site, error, method, network):
    s = site(places=3)
    conn = s.connect()
    if method.endswith("register"):
        s.poller.sabotage.plan(method.split()[-1], error, lambda fd, *_: fd != 50)
        if method == "later register":
            s.poller.sabotage.plan("register", error, lambda fd, interest: interest & 1 and fd != 50)
    else:
        s.sockets.sabotage.plan(method, error)
    future = s.dial(f"{network}://192.0.2.9:80")
    for dial in s.sockets.dials:
        if network == "tcp" and s.sockets._outcomes.get(dial.fd) == -errno.EINPROGRESS:
            s.sockets.finish_connect(dial.fd)
    s.turns()
    assert future.done(), "a promise that is never settled"
    s.sockets.feed(conn.fd, b"hello")
    s.turns()
    assert s.sockets.sent[conn.fd] == b"hello"
    assert s.is_even()
    assert s.loop._dialer.count == 0


def test_a_dial_on_a_loop_that_is_gone(site):
    s = site()
    s.loop.close()
    with pytest.raises(EngineNotRunningError):
        s.loop.dial("tcp://192.0.2.9:80")
    assert s.loop._dialer.count == 0


# Datagrams.


@EACH_ERROR
@pytest.mark.parametrize("method", ["receive_datagrams", "send_datagrams", "modify"])
def test_a_servers_datagram_socket_fails_and_comes_back(site, error, method, caplog):
    s = site()
    conn = s.connect()
    broken = s.poller if method == "modify" else s.sockets
    broken.sabotage.plan(method, error, of(60))
    if method == "modify":
        s.sockets.block(60)
    s.sockets.feed_datagram(60, b"one")
    for _ in range(10):
        s.turns(2)
        s.clock.advance(0.11)
    assert broken.sabotage.raised[method] <= 12, "it spins"
    s.sockets.feed(conn.fd, b"hello")
    s.turns()
    assert s.sockets.sent[conn.fd] == b"hello"
    if isinstance(error, Exception):
        assert caplog.text.count("could not serve") == 1
    assert asks_to_stop(s, error)
    broken.sabotage.calm()
    s.sockets.unblock(60)
    s.clock.advance(0.11)
    s.turns()
    s.sockets.feed_datagram(60, b"two")
    s.turns()
    sent = [data for data, _ in s.sockets.datagrams[60]]
    assert sent == [b"two"] if method == "send_datagrams" else [b"one", b"two"]


@EACH_ERROR
@pytest.mark.parametrize("method", ["receive_datagrams", "send_datagrams", "modify"])
@pytest.mark.parametrize("chunk", [0, 1000], ids=["level", "edge"])
def test_a_dialled_datagram_socket_fails(site, error, method, chunk):
    s = site(places=3, limits=Limits(edge_chunk=chunk))
    other = s.connect()
    conn = s.dial("udp://192.0.2.9:53").result(0)
    broken = s.poller if method == "modify" else s.sockets
    broken.sabotage.plan(method, error, of(conn.fd))
    if method == "modify":
        s.sockets.block(conn.fd)
    s.sockets.feed_datagram(conn.fd, b"one")
    s.sockets.feed(other.fd, b"hello")
    s.turns()
    assert ended_by(s, conn, error)
    assert s.sockets.sent[other.fd] == b"hello"
    assert s.is_even() and s.serves()


# The loop itself.


@pytest.mark.parametrize("error", ERRORS[:2] + ERRORS[3:-1], ids=repr)
def test_a_wait_that_fails_for_a_while(site, error, caplog):
    s = site()
    conn = s.connect()
    s.poller.sabotage.plan("wait", error, times=4)
    s.sockets.feed(conn.fd, b"hello")
    s.turns(6)
    assert s.sockets.sent[conn.fd] == b"hello"
    assert not conn.closed
    assert caplog.text.count("has failed") == 1


@pytest.mark.parametrize("timeout", [None, 1.0])
def test_an_exit_in_the_wait_of_a_turn_is_of_who_takes_the_turn(site, timeout):
    s = site()
    conn = s.connect()
    s.poller.sabotage.plan("wait", SystemExit(3), times=1)
    s.sockets.feed(conn.fd, b"hello")
    with pytest.raises(SystemExit):
        s.loop.turn(timeout)
    assert not s.stops
    s.turns()
    assert s.sockets.sent[conn.fd] == b"hello"
    assert s.serves()


def test_an_exit_in_the_wait_of_a_loop_with_a_thread_stops_the_engine(site):
    s = site()
    conn = s.connect()
    s.poller.sabotage.plan("wait", SystemExit(3), times=1)
    s.sockets.feed(conn.fd, b"hello")
    s.loop.execute(s.poller.sabotage.plan, "wait", OSError(errno.EBADF, "no poller"))
    s.loop.run()
    assert len(s.stops) == 2
    assert s.handler.names(conn)[-1] == "on_close"
    assert s.is_even()


def test_a_wait_that_fails_for_good_ends_the_loop_in_order(site):
    s = site()
    conns = s.connect(3)
    s.poller.sabotage.plan("wait", OSError(errno.EBADF, "no poller"))
    s.loop.run()
    assert s.stops
    assert [s.handler.names(conn)[-1] for conn in conns] == ["on_close"] * 3
    assert s.is_even()


def test_a_poller_that_was_closed_is_not_asked_again(site):
    s = site()
    s.connect()
    s.poller.sabotage.plan("wait", ValueError("the poller is closed"))
    s.loop.run()
    assert s.poller.sabotage.raised == {"wait": 1}


def test_a_poller_that_cannot_be_woken_or_closed(site):
    s = site()
    s.connect()
    for method in ("wake", "close"):
        s.poller.sabotage.plan(method, OSError(errno.EIO, "no"))
    s.loop._turn.sleep = []
    ran = []
    s.loop.execute(ran.append, 1)
    s.loop.turn()
    assert ran == [1]
    s.loop.close()


@EACH_ERROR
@pytest.mark.parametrize("name", ["on_open", "on_traffic", "on_eof", "on_close", "on_error"])
def test_a_callback_raises_what_it_likes(site, error, name):
    def fail(conn, *args):
        if conn.context is not None or conn.id == first[0]:
            raise error

    first = [-1]
    s = site(places=5, **{name: fail})
    one, other = s.connect(2)
    first[0] = one.id
    s.sockets.feed(one.fd, b"x")
    s.sockets.feed(other.fd, b"x")
    s.turns()
    s.sockets.feed_eof(one.fd)
    s.turns()
    assert s.handler.names(one).count("on_close") == 1
    assert not other.closed
    assert s.is_even()


def test_a_linger_fails(site):
    s = site(places=3, limits=Limits(linger=1), on_traffic=lambda conn: Action.CLOSE)
    conns = s.connect(2)
    s.sockets.feed(conns[0].fd, b"unread")
    s.sockets.feed(conns[1].fd, b"unread")
    s.turns()
    assert len(s.loop.lingering) == 2
    s.sockets.sabotage.plan("receive", OSError(errno.EIO, "no"), of(conns[0].fd))
    s.sockets.feed(conns[0].fd, b"more")
    s.sockets.feed(conns[1].fd, b"more")
    s.turns()
    assert s.loop.lingering == (conns[1].fd,)
    assert s.is_even()


def test_a_name_that_cannot_be_unpacked(site):
    s = site(places=2, pick=lambda remote: s.loop)
    fd = s.sockets.connect(50)
    s.sockets._backlogs[50].clear()
    s.sockets._backlogs[50].extend([(fd, b"\xff" * 3), (101, pack_name(2, ("192.0.2.7", 1)))])
    s.given += [fd, 101]
    s.turns()
    assert 101 in s.loop._hosted.streams
    assert s.is_even()
