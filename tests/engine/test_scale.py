"""Many connections, many bytes, and nothing left behind."""

from __future__ import annotations

import gc
import hashlib
import os
import selectors
import socket
import sys
import weakref

import pytest

from netcore import Action, EventHandler
from netcore.testing import RecordingHandler

CONNECTIONS = 1000
SIZE = 65536


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


def allow_descriptors(count):
    """Raises the limit of open files as far as allowed; skips where that is not enough."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            pytest.skip(f"the limit of open files is {hard}, and {count} are needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Client:
    """Sends a stream of its own and checks what comes back, byte by byte."""

    def __init__(self, sock, number):
        self.sock = sock
        sock.setblocking(False)
        seed = hashlib.sha256(str(number).encode()).digest()
        self.data = seed * (SIZE // len(seed))
        self.sent = 0
        self.received = 0

    def work(self):
        """Sends and receives what it can; returns whether it is done."""
        try:
            if self.sent < SIZE:
                self.sent += self.sock.send(self.data[self.sent : self.sent + 20_000])
        except BlockingIOError:
            pass
        try:
            data = self.sock.recv(SIZE)
            assert data, "the server closed"
            assert data == self.data[self.received : self.received + len(data)], "other bytes than were sent"
            self.received += len(data)
        except BlockingIOError:
            pass
        return self.received == SIZE


@pytest.mark.parametrize("network", ["tcp", pytest.param("unix", marks=pytest.mark.unix_sockets)])
def test_a_thousand_connections_each_way(serve, tmp_path, network):
    allow_descriptors(2 * CONNECTIONS + 200)
    engine = serve(
        Echo(), "tcp://127.0.0.1:0" if network == "tcp" else f"unix://{tmp_path}/s.sock", num_event_loops=2
    )
    selector = selectors.DefaultSelector()
    clients = []
    for number in range(CONNECTIONS):
        if network == "tcp":
            sock = socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=30)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(30)
            sock.connect(engine.addresses[0].path)
        client = Client(sock, number)
        clients.append(client)
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
    left = CONNECTIONS
    while left:
        for key, _ in selector.select():
            if key.data.work():
                selector.unregister(key.fileobj)
                left -= 1
    selector.close()
    assert engine.connection_count == CONNECTIONS
    for client in clients:
        client.sock.close()
    assert engine.drain(30)


def test_two_thousand_connections_in_a_row_leave_nothing(serve, dial):
    alive = weakref.WeakSet()

    class Watched(RecordingHandler):
        closes = 0

        def on_open(self, conn):
            alive.add(conn)

        def on_traffic(self, conn):
            conn.write(conn.read())

        def on_eof(self, conn):
            return Action.CLOSE

        def on_close(self, conn, error):
            type(self).closes += 1
            super().on_close(None, error)

    handler = Watched()
    engine = serve(handler)
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else None
    for _ in range(2000):
        sock = socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=30)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        sock.close()
    handler.wait_for("on_close", 2000)
    assert engine.drain(30)
    engine.stop()
    gc.collect()
    assert Watched.closes == 2000
    assert not alive
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= before
