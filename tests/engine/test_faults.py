"""Faults as the kernel makes them: resets, unread input, no descriptor left."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from netcore import Action
from netcore.testing import RecordingHandler
from netcore.testing.conformance import wires


@pytest.mark.unasked
def test_a_reset_is_noticed_in_a_pause(serve, dial):
    handler = RecordingHandler(on_open=lambda conn: conn.pause_reading())
    sock = dial(serve(handler))
    handler.wait_for("on_open")
    wires.reset(sock)
    assert isinstance(handler.wait_for("on_close").detail, ConnectionResetError)


@pytest.mark.unasked
def test_a_reset_is_noticed_after_the_peers_fin(serve, dial):
    handler = RecordingHandler(on_eof=lambda conn: Action.NONE)
    sock = dial(serve(handler))
    sock.shutdown(socket.SHUT_WR)
    handler.wait_for("on_eof")
    wires.reset(sock)
    assert isinstance(handler.wait_for("on_close").detail, OSError)


@pytest.mark.unix_sockets
def test_a_unix_peer_that_closes_in_a_pause_does_not_spin_the_loop(serve, dial, tmp_path):
    handler = RecordingHandler(on_open=lambda conn: conn.pause_reading())
    engine = serve(handler, f"unix://{tmp_path}/x.sock")
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    sock.sendall(b"last words")
    sock.close()
    loop = engine.loops[0]
    before = loop.metrics().turns
    for _ in range(21):  # wakes the loop, so that it has its chance to be told again and again
        done = threading.Event()
        loop.execute(done.set)
        assert done.wait(30)
    assert 20 <= loop.metrics().turns - before < 100  # the first may have been run by an earlier turn
    conn.resume_reading()
    handler.wait_for("on_close")
    assert handler.received() == b"last words"


@pytest.mark.parametrize("network", ["tcp", pytest.param("unix", marks=pytest.mark.unix_sockets)])
def test_the_last_response_arrives_though_the_request_was_not_read(serve, dial, receive, tmp_path, network):
    """Without lingering the client's send or receive fails with ECONNRESET, and the response is lost."""
    response = b"413 Content Too Large" * 5000

    def on_traffic(conn):
        conn.read(10)
        conn.write(response)
        return Action.CLOSE

    address = "tcp://127.0.0.1:0" if network == "tcp" else f"unix://{tmp_path}/x.sock"
    handler = RecordingHandler(on_traffic=on_traffic)
    sock = dial(serve(handler, address))
    sock.sendall(b"x" * (8 << 20))
    assert receive(sock, len(response) + 1) == response
    sock.close()
    assert handler.wait_for("on_close").detail is None


STARVED = """
    import resource, socket, time
    from netcore import Engine, EventHandler

    class Echo(EventHandler):
        def on_traffic(self, conn):
            conn.write(conn.read())

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    engine = Engine(Echo(), "tcp://127.0.0.1:0", num_event_loops=2)
    engine.start()
    port = engine.addresses[0].port
    here = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    for sock in here:
        sock.sendall(b"1")
        assert sock.recv(1) == b"1"
    clients = [socket.socket() for _ in range(20)]
    before = engine.metrics().turns
    taken = []
    try:
        while True:
            taken.append(open("/dev/null"))
    except OSError:
        pass
    for sock in clients:
        sock.settimeout(30)
        try:
            sock.connect(("127.0.0.1", port))
            assert sock.recv(1) == b""
        except ConnectionError:
            pass
        for other in here:
            other.sendall(b"2")
            assert other.recv(1) == b"2"
    for file in taken:
        file.close()
    print("turned away", flush=True)
    deadline = time.monotonic() + 30
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port))
            sock.settimeout(30)
            sock.sendall(b"3")
            if sock.recv(1) == b"3":
                break
        except ConnectionError:
            pass
        assert time.monotonic() < deadline
    print("accepts again", flush=True)
    turns = engine.metrics().turns - before
    assert 20 < turns < 2000, turns
    engine.stop()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no RLIMIT_NOFILE")
def test_out_of_descriptors(tmp_path):
    """Those who are here are served, those who come are closed, the loop does not spin, and it passes."""
    program = tmp_path / "starved.py"
    program.write_text(textwrap.dedent(STARVED))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["turned away", "accepts again"]
    assert done.stderr.count("cannot accept") <= 2, done.stderr


@pytest.mark.unix_sockets
def test_a_failed_listen_leaves_no_socket_file(tmp_path, monkeypatch):
    from netcore import Engine, EventHandler

    def listen(self, backlog):
        raise OSError(105, "no buffer space")

    path = tmp_path / "x.sock"
    monkeypatch.setattr(socket.socket, "listen", listen)
    with pytest.raises(OSError, match="no buffer space"):
        Engine(EventHandler(), f"unix://{path}").start()
    assert not path.exists()
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.posix  # Windows does not tell
def test_a_duplicate_leaves_the_original_as_it_is(serve, dial):
    """O_NONBLOCK belongs to what both descriptors stand for: a copy that blocks makes the listener block."""
    handler = RecordingHandler()
    engine = serve(handler)
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    copies = [engine.dup_listener(), conn.dup()]
    try:
        assert [os.get_blocking(fd) for fd in copies] == [False, False]
        assert [os.get_inheritable(fd) for fd in copies] == [False, False]
    finally:
        for fd in copies:
            os.close(fd)
    sock.sendall(b"x")
    handler.wait_for("on_traffic")


def test_a_flood_of_connections_does_not_starve_those_served(serve, dial):
    """The loop is held until the backlog is full and a request has come: it is answered among the first."""
    handler = RecordingHandler()
    engine = serve(handler)
    sock = dial(engine)
    handler.wait_for("on_open")
    held, release = threading.Event(), threading.Event()
    engine.loops[0].execute(lambda: (held.set(), release.wait(30)))
    assert held.wait(30)
    for _ in range(300):
        dial(engine)
    sock.sendall(b"x")
    release.set()
    handler.wait_for("on_open", 301)
    names = handler.names()
    assert names.index("on_traffic") <= 1 + 2 * 64


def test_no_more_is_accepted_than_there_are_places(serve, dial, open_descriptors):
    handler = RecordingHandler()
    engine = serve(handler, max_connections=2)
    before = len(open_descriptors(engine))
    clients = [dial(engine) for _ in range(6)]
    handler.wait_for("on_open", 2)
    engine.loops[0].execute((done := threading.Event()).set)
    assert done.wait(30)
    assert len(open_descriptors()) in (before + 6 + 2, before)  # where the system shows them
    clients[0].close()
    handler.wait_for("on_open", 3)
    assert engine.metrics().connections == 2
