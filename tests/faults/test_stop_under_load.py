"""Stopping while requests are under way: each accepted one is answered, or its connection closed."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from netcore import EventHandler


class Echo(EventHandler):
    def __init__(self):
        self.opened = self.closed = 0
        self.lock = threading.Lock()

    def on_open(self, conn):
        with self.lock:
            self.opened += 1

    def on_traffic(self, conn):
        conn.write(conn.read())

    def on_close(self, conn, error):
        with self.lock:
            self.closed += 1


class Load:
    """Clients that ask, and ask again, and note how each connection ended."""

    def __init__(self, port, count):
        self.port = port
        self.hung, self.wrong, self.answers = [], [], 0
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        while not self.done.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
                    self.ask(sock, bytes([number]) * 2000)
            except TimeoutError:
                self.hung.append(number)
                return
            except OSError:  # refused or reset: it knows
                time.sleep(0.001)

    def ask(self, sock, request):
        for _ in range(20):
            sock.sendall(request)
            got = b""
            while len(got) < len(request):
                piece = sock.recv(65536)
                if not piece:  # the end, which also tells
                    return
                got += piece
            if got != request:
                self.wrong.append(got)
            self.answers += 1

    def wait_for(self, answers):
        while self.answers < answers:
            time.sleep(0.001)

    def end(self):
        self.done.set()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)
        assert not self.hung, "a peer waits for an answer that nobody will give"
        assert not self.wrong


@pytest.mark.parametrize("how", ["stop", "stop_accepting and drain", "stop_now"])
@pytest.mark.parametrize(
    "options", [{}, {"max_connections": 5}, {"max_connections": 5, "max_connections_policy": "refuse"}]
)
def test_nobody_is_left_waiting(serve, how, options):
    handler = Echo()
    engine = serve(handler, num_event_loops=2, shutdown_timeout=2, **options)
    load = Load(engine.addresses[0].port, 8)
    load.wait_for(200)
    if how == "stop_now":
        engine.stop_now()
    elif how != "stop":
        engine.stop_accepting()
        assert engine.drain(20), "conversations end by themselves"
        assert engine.connection_count == 0
    assert engine.stop(20)
    load.end()
    assert handler.opened == handler.closed > 0


def test_peers_that_send_without_end_do_not_hold_the_stop(serve, dial):
    handler = Echo()
    engine = serve(handler, shutdown_timeout=1, close_timeout=1)
    done = threading.Event()

    def flood():
        sock = dial(engine)
        sock.setblocking(True)
        try:
            while not done.is_set():
                sock.sendall(bytes(65536))
        except OSError:
            pass

    floods = [threading.Thread(target=flood) for _ in range(3)]
    for thread in floods:
        thread.start()
    while handler.opened < 3:
        time.sleep(0.001)
    assert engine.stop(20)
    done.set()
    for thread in floods:
        thread.join(20)
        assert not thread.is_alive()
    assert handler.opened == handler.closed == 3


def test_a_stop_from_many_threads_at_once(serve):
    handler = Echo()
    engine = serve(handler, num_event_loops=2)
    load = Load(engine.addresses[0].port, 4)
    load.wait_for(20)
    results = []
    threads = [threading.Thread(target=lambda: results.append(engine.stop(20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [True] * 8
    load.end()
    assert handler.opened == handler.closed
