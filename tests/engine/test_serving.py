"""Real sockets against a real engine: bytes, closes and errors."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from netcore import Action, CloseReason, EventHandler
from netcore.testing import RecordingHandler
from netcore.testing.conformance import wires


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


ADDRESSES = ["tcp://127.0.0.1:0", "tcp://localhost:0", "tcp4://:0", "tcp://:0"]
if hasattr(socket, "AF_UNIX"):
    ADDRESSES.append("unix://{dir}/echo.sock")
if hasattr(socket, "AF_INET6") and socket.has_ipv6:
    ADDRESSES += ["tcp://[::1]:0", "tcp6://[::1]:0"]
if os.name == "posix" and os.uname().sysname == "Linux":
    ADDRESSES.append("unix://@netcore-test-{pid}")


@pytest.mark.parametrize("form", ADDRESSES)
def test_echo_on_every_kind_of_address(serve, dial, receive, tmp_path, form):
    engine = serve(Echo(), form.format(dir=tmp_path, pid=os.getpid()))
    for size in (1, 1000, 300_000):
        sock = dial(engine)
        data = os.urandom(size)
        threading.Thread(target=sock.sendall, args=(data,)).start()
        assert receive(sock, size) == data


def test_dual_stack_serves_both_families(serve, receive):
    handler = RecordingHandler(on_open=lambda conn: conn.write(str(conn.remote_address).encode()) and None)
    engine = serve(handler, "tcp://:0")
    for host, shown in (("127.0.0.1", b"tcp://127.0.0.1:"), ("::1", b"tcp://[::1]:")):
        try:
            sock = socket.create_connection((host, engine.addresses[0].port), timeout=30)
        except OSError:
            pytest.skip(f"this machine has no {host}")
        with sock:
            assert receive(sock, len(shown)) == shown


@pytest.mark.unix_sockets
def test_several_addresses_of_mixed_networks(serve, dial, receive, tmp_path):
    handler = RecordingHandler(on_open=lambda conn: conn.write(conn.network.encode()) and None)
    engine = serve(handler, "tcp://127.0.0.1:0", f"unix://{tmp_path}/a.sock", "tcp4://127.0.0.1:0")
    assert [address.network for address in engine.addresses] == ["tcp", "unix", "tcp4"]
    assert engine.addresses[0].port != engine.addresses[2].port != 0
    assert [receive(dial(engine, i), 3) for i in range(3)] == [b"tcp", b"uni", b"tcp"]


def test_addresses_of_both_ends(serve, dial):
    seen = RecordingHandler()
    engine = serve(seen)
    sock = dial(engine)
    conn = seen.wait_for("on_open").conn
    sock.close()
    seen.wait_for("on_close")
    assert (conn.local_address.host, conn.local_address.port) == ("127.0.0.1", engine.addresses[0].port)
    assert conn.local_address.network == conn.remote_address.network == conn.network == "tcp"


def test_local_address_behind_a_wildcard_survives_the_close(serve, dial):
    seen = RecordingHandler()
    engine = serve(seen, "tcp4://:0")
    dial(engine).close()
    conn = seen.wait_for("on_close").conn
    assert (conn.local_address.host, conn.local_address.port) == ("127.0.0.1", engine.addresses[0].port)


def test_the_peer_gets_everything_and_then_the_end(serve, dial, receive):
    size = 8 << 20
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"z" * size) and Action.CLOSE)
    sock = dial(serve(handler))
    assert receive(sock, size + 1) == b"z" * size
    handler.wait_for("on_close")
    assert handler.details("on_close") == [None]


def test_half_close_by_the_peer(serve, dial, receive):
    def on_eof(conn):
        conn.write(b"bye " + conn.read())
        return Action.CLOSE

    handler = RecordingHandler(on_traffic=lambda conn: None, on_eof=on_eof)
    sock = dial(serve(handler))
    sock.sendall(b"question")
    sock.shutdown(socket.SHUT_WR)
    assert receive(sock, 100) == b"bye question"


def test_half_close_by_this_side(serve, dial, receive):
    def on_open(conn):
        conn.write(b"all I say")
        conn.shutdown_write()

    handler = RecordingHandler(on_open=on_open)
    sock = dial(serve(handler))
    assert receive(sock, 100) == b"all I say"
    sock.sendall(b"answer")
    handler.wait_for("on_traffic")
    assert handler.received() == b"answer"
    sock.close()
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.EOF


@pytest.mark.wine("a reset is read as the end of the stream")
def test_a_reset_by_the_peer(serve, dial):
    handler = RecordingHandler()
    sock = dial(serve(handler))
    handler.wait_for("on_open")
    wires.reset(sock)
    event = handler.wait_for("on_close")
    assert isinstance(event.detail, ConnectionResetError)
    assert event.conn.close_reason is CloseReason.ERROR


@pytest.mark.wine("a reset is read as the end of the stream")
def test_abort_resets_the_peer(serve, dial):
    sock = dial(serve(RecordingHandler(on_traffic=lambda conn: conn.abort())))
    sock.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        sock.recv(1)


def test_a_peer_that_never_reads_costs_bounded_memory_and_only_itself(serve, dial, receive):
    def on_traffic(conn):
        if conn.read() == b"flood":
            for _ in range(1000):
                conn.write(b"x" * 65536)
        else:
            conn.write(b"fine")

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, max_outbound=4 << 20, high_water=1 << 20)
    greedy, modest = dial(engine), dial(engine)
    greedy.sendall(b"flood")
    event = handler.wait_for("on_close")
    assert event.conn.close_reason is CloseReason.OVERFLOW
    modest.sendall(b"hello")
    assert receive(modest, 4) == b"fine"


def test_backpressure_with_water_marks(serve, dial, receive):
    total = 16 << 20

    def pump(conn):
        while conn.writable and conn.context > 0:
            conn.write(b"p" * 65536)
            conn.context -= 65536

    def on_open(conn):
        conn.context = total
        pump(conn)
        waiting.append(conn.outbound_buffered)
        filled.set()

    waiting = []
    filled = threading.Event()
    handler = RecordingHandler(on_open=on_open, on_writable=pump)
    sock = dial(serve(handler, high_water=1 << 20, low_water=1 << 18))
    assert filled.wait(30)  # nobody reads until then, so that the kernel's buffers fill up
    assert receive(sock, total) == b"p" * total
    assert waiting[0] < (1 << 20) + 65536 * 2
    assert "on_writable" in handler.names()


def test_pause_and_resume_from_another_thread(serve, dial):
    handler = RecordingHandler(on_open=lambda conn: conn.pause_reading())
    sock = dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    sock.sendall(b"hello")
    done = threading.Event()
    conn.loop.execute(done.set)
    assert done.wait(30)
    assert handler.received() == b""
    conn.resume_reading()
    handler.wait_for("on_traffic")
    assert handler.received() == b"hello"


@pytest.mark.wine("keep-alive cannot be set")
def test_socket_options(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler)
    sock = dial(engine)
    conn = handler.wait_for("on_open").conn
    conn.set_no_delay(False)
    conn.set_read_buffer(65536)
    conn.set_write_buffer(65536)
    conn.set_linger(-1)
    conn.set_keep_alive(True, idle=30, interval=10, count=4)
    copy = conn.dup()
    assert not os.get_inheritable(copy)
    with socket.socket(fileno=copy) as same:
        assert same.getpeername() == sock.getsockname()
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        assert same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    for bad in ({"idle": 0, "interval": 1, "count": 1}, {"idle": 1, "interval": 0.5, "count": 1}, {}):
        with pytest.raises(ValueError, match="keep-alive"):
            conn.set_keep_alive(True, **bad)
    conn.set_keep_alive(False)


def test_a_descriptor_that_was_duplicated_reports_nothing_after_the_close(serve, dial, receive):
    """A copy keeps the socket alive in epoll(7); only an explicit removal ends its events."""
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler)
    sock = dial(engine)
    first = handler.wait_for("on_open").conn
    copy = first.dup()
    try:
        first.close()
        handler.wait_for("on_close")
        sock.sendall(b"to a closed connection")
        other = dial(engine)
        other.sendall(b"to the next")
        assert receive(other, 11) == b"to the next"
        assert handler.names(first) == ["on_open", "on_close"]
    finally:
        socket.close(copy)


@pytest.mark.wine("keep-alive cannot be set")
def test_options_are_inherited_by_accepted_sockets(serve, dial):
    handler = RecordingHandler()
    dial(serve(handler, tcp_keep_alive=50, socket_recv_buffer=100_000))
    with socket.socket(fileno=handler.wait_for("on_open").conn.dup()) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 100_000
        if hasattr(socket, "TCP_KEEPIDLE"):
            values = [
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert values == [50, 10, 5]


@pytest.mark.unix_sockets
def test_keep_alive_is_for_tcp_only(serve, dial, tmp_path):
    from netcore import UnsupportedOperationError

    handler = RecordingHandler()
    dial(serve(handler, f"unix://{tmp_path}/x.sock"))
    conn = handler.wait_for("on_open").conn
    for call in (lambda: conn.set_no_delay(True), lambda: conn.set_keep_alive(False)):
        with pytest.raises(UnsupportedOperationError, match="TCP"):
            call()
