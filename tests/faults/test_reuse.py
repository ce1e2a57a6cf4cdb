"""A descriptor's number goes to the next connection; nothing of the one before may go there too."""

from __future__ import annotations

import socket
import threading

import pytest

from netcore import Action, ConnectionClosedError, EventHandler
from netcore.poll import Readiness


def renew(w, conn):
    """Closes a connection and lets the next one have its number."""
    w.turns(2)
    assert conn.closed
    w.sockets.attach(conn.fd)
    w.sockets.closed.clear()
    w.sockets.sent[conn.fd].clear()
    w.sockets._inbound[conn.fd].clear()
    w.sockets._backlogs[w.LISTENER].append((conn.fd, b"\x04\x00\x01\xc0\x00\x02\x07"))
    w.poller._gone.discard(conn.fd)
    w.poller.set_ready(conn.fd, Readiness.WRITABLE)
    w.poller.set_ready(w.LISTENER, Readiness.READABLE)
    w.turns(2)
    successor = w.loop._hosted.streams[conn.fd]
    assert successor is not conn
    return successor


@pytest.mark.parametrize("end", ["close", "abort", "eof"])
def test_what_was_left_of_the_first_does_not_reach_the_second(world, end):
    calls = []
    w = world()
    conn = w.connect()
    conn.set_deadline(1)
    w.loop.schedule(0.5, conn.abort)
    w.loop.schedule(0.5, conn.async_write, b"late", lambda conn, error: calls.append(error))
    if end == "eof":
        w.sockets.feed_eof(conn.fd)
    else:
        getattr(conn, end)()
    second = renew(w, conn)
    for stale in (conn.close, conn.abort, conn.pause_reading, conn.resume_reading, conn.wake):
        stale()
    with pytest.raises(ConnectionClosedError):
        conn.write(b"stale")
    conn.async_write(b"stale", lambda conn, error: calls.append(error))
    w.turns(2)
    w.clock.advance(3)
    w.turns(3)
    assert not second.closed
    assert [type(error) for error in calls] == [ConnectionClosedError] * 2
    assert w.sent(second) == b""
    assert w.handler.names(conn).count("on_close") == 1
    assert w.handler.names(second) == ["on_open"]
    w.feed(second, b"mine")
    assert w.handler.received() == b"mine"


def test_events_of_one_batch_after_the_close_of_their_connection(world):
    """Both are ready; the first one's callback ends the second."""
    conns = []

    def on_traffic(conn):
        conn.read()
        conns[1 - conns.index(conn)].abort()

    w = world(on_traffic=on_traffic)
    conns += [w.connect(), w.connect()]
    for conn in conns:
        w.sockets.feed(conn.fd, b"x")
    w.turns()
    assert [event.name for event in w.handler.events].count("on_traffic") == 1
    assert [conn.closed for conn in conns] == [False, True]


def test_numbers_that_are_used_again_in_the_kernel(serve, dial, receive):
    """Each connection says its own name, also through calls that arrive after its end."""
    old, numbers, wrong = [], set(), []
    done = threading.Event()

    class Names(EventHandler):
        def on_open(self, conn):
            numbers.add(conn.fd)
            conn.set_deadline(0.05)
            conn.loop.schedule(0.01, conn.async_write, b"timer")

        def on_timeout(self, conn, timeout):
            return Action.NONE

        def on_traffic(self, conn):
            name = conn.read()
            for other in old[-5:]:  # gone by now; one of them had this number
                other.async_write(b"stale")
                other.close()
                other.abort()
            conn.write(name)

        def on_close(self, conn, error):
            old.append(conn)

    engine = serve(Names())

    def talk(worker):
        for i in range(60):
            name = f"{worker}/{i:04}".encode()
            with socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=30) as sock:
                sock.sendall(name)
                got = receive(sock, len(name))
                if got.replace(b"timer", b"") and got != name and not got.startswith(b"timer"):
                    wrong.append(got)
        done.set()

    workers = [threading.Thread(target=talk, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert done.is_set() and not wrong
    engine.stop()
    assert len(old) == 180
    assert len(numbers) < 60, "numbers were used again"
