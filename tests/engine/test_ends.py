"""What a peer sees of an end: at once, whatever the socket's options say and whoever else has it open."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from netcore import Action, Client, EventHandler
from netcore._platform import HERE, linger_of, pack_linger
from netcore.connection import State
from netcore.testing import RecordingHandler

pytestmark = pytest.mark.posix

ADDRESSES = ["tcp", pytest.param("unix", marks=pytest.mark.unix_sockets)]
LINGER = 20
"""Seconds that a blocking close would take; no test is to come near it."""


def served(serve, dial, tmp_path, scheme, handler, **options):
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/s"
    return dial(serve(handler, address, **options))


def close(conn):
    conn.read()
    return Action.CLOSE


def shut(conn):
    conn.read()
    conn.shutdown_write()


def abort(conn):
    conn.read()
    conn.abort()


@pytest.mark.parametrize("scheme", ADDRESSES)
@pytest.mark.parametrize("by_peer", [False, True], ids=["ours", "after-eof"])
def test_a_close_is_the_end_for_duplicates_too(serve, dial, tmp_path, scheme, by_peer):
    copies = []

    def on_open(conn):
        copies.append(conn.dup())
        conn.write(b"hello")

    handler = RecordingHandler(on_open=on_open, on_traffic=close)
    sock = served(serve, dial, tmp_path, scheme, handler)
    try:
        assert sock.recv(5) == b"hello"
        if by_peer:
            sock.shutdown(socket.SHUT_WR)
        else:
            sock.sendall(b"x")
        assert sock.recv(5) == b""
        handler.wait_for("on_close")
    finally:
        for fd in copies:
            os.close(fd)


@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_an_abort_is_a_reset_for_duplicates_too(serve, dial, tmp_path, edge):
    if not HERE.disconnect_resets:
        pytest.skip("a reset waits for the last close here")
    copies = []
    handler = RecordingHandler(on_open=lambda conn: copies.append(conn.dup()), on_traffic=abort)
    sock = served(serve, dial, tmp_path, "tcp", handler, edge_triggered=edge)
    try:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(5)
    finally:
        os.close(copies[0])


@pytest.mark.parametrize("scheme", ADDRESSES)
def test_a_child_that_has_inherited_the_socket_keeps_nobody_waiting(serve, dial, tmp_path, scheme):
    children = []

    def on_open(conn):
        fd = conn.dup()
        sleeper = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        children.append(subprocess.Popen(sleeper, stdin=subprocess.PIPE, pass_fds=[fd]))
        os.close(fd)

    handler = RecordingHandler(on_open=on_open, on_traffic=close)
    sock = served(serve, dial, tmp_path, scheme, handler)
    sock.sendall(b"x")
    try:
        assert sock.recv(5) == b""
    finally:
        children[0].communicate()


def test_a_duplicate_of_a_listener_goes_on_listening(serve, tmp_path):
    engine = serve(RecordingHandler(), "tcp://127.0.0.1:0", "udp://127.0.0.1:0")
    streams, datagrams = (engine.dup_listener(address) for address in engine.addresses)
    engine.stop_accepting()
    assert engine.stop(30)
    with socket.socket(fileno=streams) as listener, socket.create_connection(listener.getsockname()) as peer:
        listener.setblocking(True)
        with listener.accept()[0] as accepted:
            accepted.sendall(b"on")
        assert peer.recv(5) == b"on"
    with socket.socket(fileno=datagrams) as port, socket.socket(type=socket.SOCK_DGRAM) as peer:
        port.settimeout(30)
        peer.connect(port.getsockname())
        peer.send(b"ping")
        assert port.recvfrom(9)[0] == b"ping"
        port.sendto(b"pong", peer.getsockname())
        assert peer.recv(9) == b"pong"


@pytest.mark.parametrize("end", [close, abort])
def test_a_duplicate_of_a_datagram_connection_goes_on(end):
    handler = RecordingHandler(on_traffic=end)
    with socket.socket(type=socket.SOCK_DGRAM) as peer, Client(handler) as client:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(30)
        conn = client.dial(f"udp://127.0.0.1:{peer.getsockname()[1]}")
        copy = socket.socket(fileno=conn.dup())
        peer.sendto(b"end", copy.getsockname())
        handler.wait_for("on_close")
        with copy:
            copy.send(b"ping")
            assert peer.recv(9) == b"ping"
            peer.sendto(b"pong", copy.getsockname())
            copy.settimeout(30)
            assert copy.recv(9) == b"pong"


def linger_on(conn):
    conn.set_linger(LINGER)
    conn.write(bytes(1 << 20))


def measure_a_neighbour(sock, ask):
    """Returns the longest time that a neighbour waits for its echo while something else ends."""
    longest = 0.0
    for number in range(20):
        if number == 5:
            ask()
        began = time.monotonic()
        sock.sendall(b"ping")
        assert sock.recv(9) == b"ping"
        longest = max(longest, time.monotonic() - began)
    return longest


@pytest.mark.parametrize("end", ["close", "abort", "shut", "too slow", "inherited"])
def test_no_close_holds_up_the_loop(serve, dial, tmp_path, end):
    """The peer does not read, so that a close which waits for it would wait long."""

    def on_traffic(conn):
        if conn.read() == b"ping":
            conn.write(b"ping")
            return None
        linger_on(conn)
        if end == "abort":
            conn.abort()
        elif end == "shut":
            conn.shutdown_write()
        return None if end in ("abort", "shut", "inherited") else Action.CLOSE

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, close_timeout=0.1 if end == "too slow" else 5)
    neighbour, slow = dial(engine), dial(engine)
    assert measure_a_neighbour(neighbour, lambda: slow.sendall(b"go")) < LINGER - 5
    began = time.monotonic()
    slow.close()
    assert engine.stop(30)
    assert time.monotonic() - began < LINGER - 5


@pytest.mark.parametrize("end", [close, abort])
def test_an_enrolled_socket_that_lingers_ends_at_once(end):
    handler = RecordingHandler(on_traffic=end)
    with socket.create_server(("127.0.0.1", 0)) as listener, Client(handler) as client:
        sock = socket.create_connection(listener.getsockname())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(LINGER))
        peer, _ = listener.accept()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(bytes(1 << 16))
        began = time.monotonic()
        with peer:
            client.enroll(sock)
            peer.sendall(b"x")
            handler.wait_for("on_close")
        assert time.monotonic() - began < LINGER - 5


def test_connections_inherit_the_lingering_of_a_given_listener(dial):
    """It stays as it was set until the end, where it is switched off."""
    from netcore import Engine
    from netcore.engine import GivenListener

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(LINGER))
    seen = []

    def on_traffic(conn):
        with conn.borrowed() as sock:
            seen.append(linger_of(sock))
        conn.read()
        conn.write(bytes(1 << 20))
        return Action.CLOSE

    engine = Engine(
        RecordingHandler(on_traffic=on_traffic), GivenListener(listener.detach()), close_timeout=0
    )
    with engine:
        sock = dial(engine)
        sock.sendall(b"x")
        engine.loops[0].metrics()
        began = time.monotonic()
        engine.loops[0].execute(int)
        while not seen:
            time.sleep(0.001)
        assert engine.stop(30)
        assert time.monotonic() - began < LINGER - 5
    assert seen == [LINGER]


def test_lingering_for_no_time_makes_the_close_a_reset(serve, dial, tmp_path):
    def on_traffic(conn):
        conn.read()
        conn.set_linger(0)
        return Action.CLOSE

    sock = served(serve, dial, tmp_path, "tcp", RecordingHandler(on_traffic=on_traffic), close_timeout=0)
    sock.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        sock.recv(5)


def test_an_end_waits_for_a_thread_that_works_on_the_descriptor(serve, dial):
    inside, done = threading.Event(), threading.Event()
    seen = []

    class Handler(EventHandler):
        def on_traffic(self, conn):
            conn.write(conn.read())

        def on_close(self, conn, error):
            seen.append(done.is_set())

    engine = serve(Handler(), num_event_loops=1)
    sock = dial(engine)
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    (loop,) = engine.loops
    (conn,) = loop.connections()

    def work():
        with loop.descriptor_lock:  # as in dup, or for a socket option
            inside.set()
            while conn.state is State.OPEN:
                time.sleep(0.001)
            time.sleep(0.05)
            os.fstat(conn.fd)  # which would fail, or be of another one
            done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    sock.close()
    thread.join(10)
    assert engine.stop(30)
    assert seen == [True]
