"""Dialling on fakes: a dial believes what the socket says, not what the poller hints."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from netcore import Client, CloseReason, UnsupportedProtocolError
from netcore.eventloop import Gate
from netcore.poll import Interest, Readiness, SelectPoller
from netcore.sockets import Endpoint
from netcore.testing import FakeSockets, FaultPlan, FaultySockets, RecordingHandler
from netcore.testing.fault_plan import GENTLE_FAULTS, HARSH_FAULTS

TARGET = "tcp://192.0.2.9:7"


def dial(w, address=TARGET, **arguments):
    future = w.loop.dial(address, **arguments)
    w.turns()
    return future


def test_a_dial_waits_until_the_socket_is_writable(world):
    w = world()
    future = dial(w, context="mine")
    (attempt,) = w.sockets.dials
    assert (attempt.endpoint.name, attempt.kind) == (("192.0.2.9", 7), socket.SOCK_STREAM)
    assert w.poller.interests[attempt.fd] == Interest.WRITE
    w.turns(3)
    assert not future.done()
    w.sockets.finish_connect(attempt.fd)
    w.turns()
    conn = future.result(0)
    assert (conn.fd, conn.context, str(conn.remote_address)) == (attempt.fd, "mine", TARGET)
    assert w.handler.names() == ["on_open"]
    assert w.poller.interests[attempt.fd] == Interest.READ
    conn.write(b"hello")
    w.feed(conn, b"answer")
    assert (w.sent(conn), w.handler.received()) == (b"hello", b"answer")


def test_one_that_connects_at_once(world):
    w = world()
    w.sockets.script_connects(0)
    assert w.hosts(dial(w).result(0).fd)


def test_a_spurious_report_is_asked_about(world):
    w = world()
    future = dial(w)
    fd = w.sockets.dials[0].fd
    for _ in range(5):
        w.poller.set_ready(fd, Readiness.WRITABLE)
        w.turns()
        w.poller.clear_ready(fd, Readiness.WRITABLE)
    assert (future.done(), w.handler.events) == (False, [])
    assert fd in w.poller.interests
    w.sockets.finish_connect(fd)
    w.turns()
    assert future.result(0).fd == fd


def test_a_spurious_report_before_a_refusal(world):
    w = world()
    future = dial(w)
    fd = w.sockets.dials[0].fd
    w.poller.set_ready(fd, Readiness.WRITABLE)
    w.turns()
    w.sockets.finish_connect(fd, errno.ECONNREFUSED)
    w.turns()
    with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.9"):
        future.result(0)
    assert (w.sockets.closed, w.handler.events) == ([fd], [])
    assert fd not in w.poller.interests
    metrics = w.loop.metrics()
    assert (metrics.dialled, metrics.dial_failures) == (0, 1)


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ENETUNREACH, errno.EMFILE])
def test_an_error_at_once(world, code):
    w = world()
    w.sockets.script_connects(code)
    future = dial(w)
    assert future.exception(0).errno == code
    assert not w.loop.connection_count


def test_the_next_address_is_tried(world, monkeypatch):
    found = [Endpoint(socket.AF_INET, ("192.0.2.1", 7)), Endpoint(socket.AF_INET, ("192.0.2.2", 7))]
    monkeypatch.setattr("netcore.eventloop.dialing.resolve", lambda address: list(found))
    monkeypatch.setattr("netcore.eventloop.dialing.needs_lookup", lambda address: False)
    w = world()
    future = dial(w, "tcp://example.test:7")
    w.sockets.finish_connect(w.sockets.dials[0].fd, errno.ECONNREFUSED)
    w.turns(2)
    assert [attempt.endpoint for attempt in w.sockets.dials] == found
    w.sockets.finish_connect(w.sockets.dials[1].fd)
    w.turns()
    assert future.result(0).fd == w.sockets.dials[1].fd
    assert w.sockets.closed == [w.sockets.dials[0].fd]


@pytest.mark.unix_sockets
def test_a_full_unix_listener_is_tried_again(world):
    w = world()
    w.sockets.script_connects(errno.EAGAIN, errno.EAGAIN, 0)
    future = dial(w, "unix:///run/x.sock")
    start = w.clock.now
    while not future.done():
        w.loop.turn()
    assert future.result(0).network == "unix"
    assert 0 < w.clock.now - start < 1


def test_the_time_out(world):
    w = world()
    future = dial(w, timeout=2)
    fd = w.sockets.dials[0].fd
    start = w.clock.now
    while not future.done():
        w.loop.turn()
    assert w.clock.now - start == 2
    assert isinstance(future.exception(0), TimeoutError)
    assert w.sockets.closed == [fd]


def test_a_poller_that_refuses_it(world, monkeypatch):
    w = world()

    def refuse(fd, interest):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(w.poller, "register", refuse)
    future = dial(w)
    assert future.exception(0).errno == errno.ENOSPC
    assert w.sockets.closed == [w.sockets.dials[0].fd]


def test_a_poller_that_refuses_it_once_it_is_connected(world, monkeypatch):
    gate = Gate(5, refuse=False)
    w = world(shared={"gate": gate})
    future = dial(w)
    fd = w.sockets.dials[0].fd

    def refuse(fd, interest):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(w.poller, "register", refuse)
    w.sockets.finish_connect(fd)
    w.turns()
    assert future.exception(0).errno == errno.ENOSPC
    assert (w.sockets.resets, gate._free, w.loop.connection_count) == ([fd], 5, 0)


def test_datagrams(world):
    w = world()
    conn = dial(w, "udp://192.0.2.9:53").result(0)
    assert (conn.network, str(conn.remote_address)) == ("udp", "udp://192.0.2.9:53")
    assert w.sockets.dials[0].kind == socket.SOCK_DGRAM
    conn.write(b"question")
    w.turns()
    assert [data for data, _ in w.sockets.datagrams[conn.fd]] == [b"question"]
    w.sockets.feed_datagram(conn.fd, b"answer")
    w.turns()
    assert w.handler.received() == b"answer"


@pytest.mark.parametrize("moment", ["connecting", "connected"])
def test_a_stop(world, moment):
    w = world()
    future = dial(w)
    fd = w.sockets.dials[0].fd
    if moment == "connected":
        w.sockets.finish_connect(fd)
        w.turns()
    w.loop.stop(10)
    w.turns(2)
    if moment == "connected":
        assert future.result(0).close_reason is CloseReason.SHUTDOWN
    else:
        assert "stopping" in str(future.exception(0))
    assert fd in w.sockets.closed


def test_a_handler_that_stops_the_loop_in_on_open_gets_its_connection(world):
    w = world(on_open=lambda conn: conn.loop.stop(10))
    future = dial(w)
    w.sockets.finish_connect(w.sockets.dials[0].fd)
    w.turns(2)
    assert future.result(0).close_reason is CloseReason.SHUTDOWN


def test_a_fork_closes_its_copy(world):
    w = world()
    dial(w)
    fd = w.sockets.dials[0].fd
    w.loop.abandon()
    assert fd in w.sockets.closed


def test_a_socket_that_listens_cannot_be_dialled(world):
    with pytest.raises(UnsupportedProtocolError, match="fd://3"):
        world().loop.dial("fd://3")


@pytest.mark.python_half
@pytest.mark.parametrize("faults", [GENTLE_FAULTS, HARSH_FAULTS], ids=["gentle", "harsh"])
def test_whatever_goes_wrong_each_dial_settles_once(world, faults):
    plan = FaultPlan(0.4, seed=7, faults={"connect": faults["connect"]})
    made = []

    def sockets(poller):
        inner = FakeSockets(poller)
        made.append((inner, FaultySockets(inner, plan)))
        return made[-1][1]

    w = world(sockets=sockets)
    inner, faulty = made[0]
    futures = [w.loop.dial(TARGET, timeout=60) for _ in range(200)]
    for _ in range(300):
        w.turns()
        for attempt in inner.dials:
            if attempt.fd in faulty.open and not w.hosts(attempt.fd):
                try:
                    inner.finish_connect(attempt.fd)
                except ValueError:  # it has been finished
                    inner._poller.set_ready(attempt.fd, Readiness.WRITABLE)
    assert all(future.done() for future in futures)
    opened = [future.result() for future in futures if future.exception() is None]
    assert len(opened) == w.handler.names().count("on_open") == w.loop.connection_count
    assert faulty.open - {50} == {conn.fd for conn in opened}
    assert not faulty.closed_twice
    assert opened
    if faults is GENTLE_FAULTS:
        assert len(opened) == len(futures)


# The kernel's own sockets, with a poller that reports what is not there.


def test_a_real_socket_that_is_not_connected_yet():
    """On loopback a connect(2) stays pending where the listener's backlog is full."""

    class Spurious(SelectPoller):
        name = "spurious"

        def __init__(self):
            super().__init__()
            self.dialled = []

        def register(self, fd, interest):
            super().register(fd, interest)
            if interest == Interest.WRITE:
                self.dialled.append(fd)

        def wait(self, timeout):
            if self.dialled:
                return [(self.dialled.pop(), int(Readiness.WRITABLE))]
            return super().wait(timeout)

    handler = RecordingHandler()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filling = []
        for _ in range(4):
            peer = socket.socket()
            peer.setblocking(False)
            peer.connect_ex(listener.getsockname())
            filling.append(peer)
        with Client(handler, poller=Spurious) as client:
            failed = []

            def try_it():
                try:
                    client.dial(f"tcp://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5)
                except OSError as error:
                    failed.append(error)

            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join(30)
            opened = [event.conn for event in handler.events if event.name == "on_open"]
            assert [isinstance(error, TimeoutError) for error in failed] == [True] * (1 - len(opened))
            for conn in opened:  # a kernel that takes more than it was asked to
                assert conn.remote_address.port == listener.getsockname()[1]
        for peer in filling:
            peer.close()
