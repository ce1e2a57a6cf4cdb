"""Connections that this side brings about, against real listeners."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading

import pytest

from netcore import (
    Action,
    Client,
    EngineNotRunningError,
    InvalidAddressError,
    UnsupportedOperationError,
    WrongThreadError,
)
from netcore._platform import pack_linger
from netcore.testing import RecordingHandler
from netcore.testing.conformance import wires


@pytest.fixture
def client():
    """Starts clients and stops them after the test."""
    clients = []

    def start(handler, **options):
        made = Client(handler, **options)
        made.start()
        clients.append(made)
        return made

    yield start
    for made in clients:
        assert made.stop(30)


def echo():
    return RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)


@pytest.mark.unix_sockets
def test_a_client_talks_to_an_engine(serve, client, tmp_path):
    engine = serve(echo(), "tcp://127.0.0.1:0", f"unix://{tmp_path}/x.sock", "tcp://:0")
    seen = RecordingHandler()
    made = client(seen, num_event_loops=2)
    for address in (*engine.addresses, f"tcp://localhost:{engine.addresses[0].port}"):
        conn = made.dial(address, context="mine", timeout=30)
        assert seen.events[-1].name == "on_open", "dial returned before on_open had run"
        assert seen.events[-1].conn is conn
        assert conn.context == "mine"
        before = len(seen.received())
        conn.async_write(b"hello")
        seen.wait_for("on_traffic", before // 5 + 1)
    assert seen.received() == b"hello" * 4
    assert conn.network == "tcp"
    assert conn.remote_address.port == engine.addresses[0].port


def test_the_context_is_there_in_on_open(serve, client):
    contexts = []
    made = client(RecordingHandler(on_open=lambda conn: contexts.append(conn.context)))
    made.dial(serve(echo()).addresses[0], context={"a": 1})
    assert contexts == [{"a": 1}]


def test_an_engine_dials_and_a_loop_dials(serve):
    target = serve(echo())
    handler = RecordingHandler()
    engine = serve(handler)
    first = engine.dial(target.addresses[0]).result(30)
    second = engine.loops[0].dial(str(target.addresses[0]), timeout=30).result(30)
    assert {first, second} == {event.conn for event in handler.events if event.name == "on_open"}
    assert engine.connection_count == 2


def test_dial_inside_a_callback(serve, dial, receive):
    target = serve(echo())

    def on_traffic(conn):
        if conn.context is None:
            conn.context = conn.read()
            conn.loop.dial(target.addresses[0], context=conn)
        else:
            conn.context.write(b"via " + conn.read())

    def on_open(conn):
        if conn.context is not None:
            conn.write(conn.context.context)

    sock = dial(serve(RecordingHandler(on_open=on_open, on_traffic=on_traffic)))
    sock.sendall(b"hello")
    assert receive(sock, 9) == b"via hello"


def test_refused(client):
    handler = RecordingHandler()
    made = client(handler)
    with pytest.raises(ConnectionRefusedError, match="tcp://127"):
        made.dial("tcp://{}:{}".format(*wires.refusing_name()))
    assert handler.names() == ["on_boot"]


def test_a_peer_that_resets_at_once(client):
    """Whether it was connected for a moment or not: the dial ends, and not only when its time is over."""
    stop = threading.Event()

    def reset_all():
        while not stop.is_set():
            sock, _ = listener.accept()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
            sock.close()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        name = listener.getsockname()
        resetting = threading.Thread(target=reset_all)
        resetting.start()
        engine = client(RecordingHandler()).engine
        try:
            for _ in range(25):
                dials = [engine.dial(f"tcp://127.0.0.1:{name[1]}", timeout=3600) for _ in range(8)]
                for dialled in dials:
                    error = dialled.exception(30)
                    assert error is None or isinstance(error, ConnectionResetError)
        finally:
            stop.set()
            with contextlib.suppress(ConnectionResetError):
                socket.create_connection(name, timeout=30).close()
            resetting.join(30)


@pytest.mark.unix_sockets
def test_a_socket_file_that_does_not_exist(client):
    handler = RecordingHandler()
    with pytest.raises(OSError, match="nowhere"):
        client(handler).dial("unix:///nowhere/at/all.sock")
    assert handler.names() == ["on_boot"]


def test_a_name_that_does_not_exist(client):
    with pytest.raises(socket.gaierror):
        client(RecordingHandler()).dial("tcp://no-such-host.invalid:1", timeout=30)


def test_time_out(client):
    """A listener whose backlog is full lets further connects wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        try:
            with pytest.raises(TimeoutError):
                client(RecordingHandler()).dial(f"tcp://127.0.0.1:{listener.getsockname()[1]}", timeout=0.1)
        finally:
            for sock in waiting:
                sock.close()


def test_stop_fails_what_is_under_way():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        made = Client(RecordingHandler())
        made.start()
        futures = [made.engine.dial(f"tcp://127.0.0.1:{listener.getsockname()[1]}") for _ in range(5)]
        done = threading.Event()
        made.engine.loops[0].execute(done.set)
        assert done.wait(30)
        assert made.stop(30)
        results = [future.exception(30) for future in futures]
    assert {type(result) for result in results} <= {type(None), EngineNotRunningError}
    assert EngineNotRunningError in {type(result) for result in results}


def test_calls_before_the_start_and_after_the_end():
    made = Client(RecordingHandler())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(2):
            with pytest.raises(EngineNotRunningError):
                made.dial("tcp://127.0.0.1:1")
            with pytest.raises(EngineNotRunningError):
                made.enroll(ours)
            assert ours.fileno() >= 0, "a socket that was refused has been taken"
            made.stop()


def test_bad_addresses(client):
    made = client(RecordingHandler())
    with pytest.raises(InvalidAddressError):
        made.dial("127.0.0.1:80")


def test_dial_on_the_clients_own_loop_would_wait_for_itself(serve, client):
    errors = []

    def on_open(conn):
        try:
            made.dial("tcp://127.0.0.1:1")
        except WrongThreadError as error:
            errors.append(error)

    made = client(RecordingHandler(on_open=on_open))
    made.dial(serve(echo()).addresses[0])
    assert len(errors) == 1


def test_enroll(client, receive):
    handler = echo()
    made = client(handler)
    ours, theirs = socket.socketpair()
    network = "tcp" if ours.family == socket.AF_INET else "unix"  # Windows makes the pair of TCP sockets
    with theirs:
        conn = made.enroll(ours, context=7)
        assert ours.fileno() == -1, "the socket is still the caller's"
        assert (conn.network, conn.context) == (network, 7)
        theirs.sendall(b"over to you")
        assert receive(theirs, 11) == b"over to you"
        conn.close()
        assert theirs.recv(1) == b""


def test_enroll_refuses_what_is_not_connected_and_what_is_no_such_socket(client):
    made = client(RecordingHandler())
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(UnsupportedOperationError, match="stream"):
                made.enroll(datagrams)
            assert datagrams.fileno() >= 0
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as unconnected:
            with pytest.raises(OSError) as refused:
                made.enroll(unconnected)
            assert refused.value.errno == errno.ENOTCONN
            assert unconnected.fileno() >= 0


def test_close_in_on_open_of_a_dialled_connection(serve, client):
    handler = RecordingHandler(on_open=lambda conn: Action.CLOSE)
    conn = client(handler).dial(serve(echo()).addresses[0])
    handler.wait_for("on_close")
    assert conn.closed
