"""What holds for any stream holds over TLS: on real sockets, from ``tls://`` and from ``start_tls``."""

from __future__ import annotations

import os
import queue
import socket
import threading

import pytest

from netcore import Action, Client, CloseReason, Timeout
from netcore.testing import RecordingHandler
from netcore.tls import TlsTruncatedError

PATIENCE = 30
MEGABYTE = bytes(range(256)) * 4096
SMALL = 4096
"""Bytes of a kernel's buffer: little fits, so that this side has to wait."""


@pytest.fixture(params=["tls", "start_tls"])
def secured(request, tls, serve, receive):
    """Starts a server of a handler, and connects a client: ``engine, socket``, with TLS by either way."""
    sockets = []

    def start(handler, receive_buffer=0, **options):
        if request.param == "start_tls":
            on_open = handler.on_open

            def begin(conn):
                conn.start_tls(tls.server_context())
                return on_open(conn)

            handler.on_open = begin
        address = "tls://127.0.0.1:0" if request.param == "tls" else "tcp://127.0.0.1:0"
        if request.param == "tls":
            options["tls"] = tls.server_context()
        engine = serve(handler, address, **options)
        sock = socket.socket()
        sockets.append(sock)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", engine.addresses[0].port))
        made = tls.client_context().wrap_socket(
            sock, server_hostname="server.example", suppress_ragged_eofs=False
        )
        sockets.append(made)
        return engine, made

    yield start
    for sock in sockets:
        sock.close()


def rest(sock):
    """All that comes until close_notify."""
    got = bytearray()
    while data := sock.recv(1 << 18):
        got += data
    return bytes(got)


@pytest.mark.parametrize("edge", [False, True])
def test_files_and_writes_keep_their_order(secured, tmp_path, edge):
    path = tmp_path / "file"
    path.write_bytes(MEGABYTE)

    def on_traffic(conn):
        conn.read()
        conn.write(b"<")
        with path.open("rb") as file:
            conn.sendfile(file)
            conn.write(b"><")
            conn.sendfile(file, 1000, 500000)
        conn.write(b">")
        conn.close()

    handler = RecordingHandler(on_traffic=on_traffic)
    engine, sock = secured(handler, receive_buffer=SMALL, edge_triggered=edge)
    sock.sendall(b"go")
    assert rest(sock) == b"<" + MEGABYTE + b"><" + MEGABYTE[1000:501000] + b">"
    sock.close()
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.LOCAL
    assert handler.details("on_close") == [None]
    assert engine.metrics().bytes_sent > len(MEGABYTE) + 500003, "what is encrypted is longer"


@pytest.mark.parametrize("edge", [False, True])
def test_a_pause_with_bytes_in_the_kernel_and_decrypted_ones(secured, receive, edge):
    def on_traffic(conn):
        conn.write(conn.read(1))
        conn.pause_reading()
        conn.loop.schedule(0.001, conn.resume_reading)

    _, sock = secured(RecordingHandler(on_traffic=on_traffic), edge_triggered=edge)
    sock.sendall(b"0123456789")
    sock.sendall(b"abcdefghij")
    assert receive(sock, 20) == b"0123456789abcdefghij"


@pytest.mark.parametrize("first", ["client", "server"])
def test_half_a_close(tls, serve, first):
    """Either side says its end, and goes on hearing; with netcore at both, since OpenSSL's own does not."""
    heard = {"client": bytearray(), "server": bytearray()}

    def handler_of(side):
        def on_traffic(conn):
            heard[side] += conn.read()
            if side != first and len(heard[side]) == 4:
                conn.write(b"last words")
                conn.close()

        def on_open(conn):
            if side == first:
                conn.write(b"ends")
                conn.shutdown_write()

        def on_eof(conn):
            ends.append((side, bytes(heard[side])))
            return Action.NONE if side != first else Action.CLOSE

        return RecordingHandler(on_open=on_open, on_traffic=on_traffic, on_eof=on_eof)

    ends = []
    server, client = handler_of("server"), handler_of("client")
    engine = serve(server, "tls://127.0.0.1:0", tls=tls.server_context())
    with Client(client, tls=tls.client_context()) as dialler:
        dialler.dial(engine.addresses[0])
        for handler in (client, server):
            assert handler.wait_for("on_close").detail is None
    other = {"client": "server", "server": "client"}[first]
    assert (first, b"last words") in ends
    assert heard == {first: b"last words", other: b"ends"}


def test_a_slow_reader_is_waited_for_and_counted(secured):
    written = []

    def fill(conn):
        if not written:
            conn.set_write_buffer(SMALL)
        while conn.writable:
            written.append(conn.write(MEGABYTE[:50000]))
        if sum(written) > 2_000_000:
            conn.close()

    handler = RecordingHandler(on_traffic=fill, on_writable=fill)
    _, sock = secured(handler, receive_buffer=SMALL, high_water=300000, low_water=100000)
    sock.sendall(b"go")
    conn = handler.wait_for("on_traffic").conn
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    conn.loop.execute(lambda: waiting.put(conn.outbound_buffered))
    assert waiting.get(timeout=PATIENCE) >= 100000
    assert len(rest(sock)) == sum(written)
    handler.wait_for("on_close")


def test_more_than_may_wait(secured):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(MEGABYTE * 8) and None)
    engine, sock = secured(
        handler, receive_buffer=SMALL, max_outbound=1 << 20, high_water=1 << 18, low_water=1 << 16
    )
    sock.sendall(b"go")
    handler.wait_for("on_close")
    assert engine.metrics().closed_overflow == 1
    with pytest.raises(OSError):
        rest(sock)


def test_a_handler_that_reads_nothing_is_bounded(secured):
    handler = RecordingHandler(on_traffic=lambda conn: None)
    engine, sock = secured(handler, max_inbound=1 << 18)
    with pytest.raises(OSError):
        while True:
            sock.sendall(MEGABYTE)
    handler.wait_for("on_close")
    assert engine.metrics().closed_overflow == 1


def test_deadlines(secured):
    timeouts = []

    def on_timeout(conn, kind):
        timeouts.append(kind)
        return Action.CLOSE

    handler = RecordingHandler(
        on_open=lambda conn: conn.set_read_deadline(0.1), on_timeout=on_timeout, on_traffic=lambda conn: None
    )
    _, sock = secured(handler)
    assert rest(sock) == b""
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.TIMEOUT
    assert timeouts == [Timeout.READ]


def test_an_abort_is_a_reset(secured):
    handler = RecordingHandler(on_traffic=lambda conn: conn.abort())
    _, sock = secured(handler)
    sock.sendall(b"go")
    with socket.socket(fileno=os.dup(sock.fileno())) as raw:  # Python's ssl calls a reset an end
        raw.settimeout(PATIENCE)
        with pytest.raises(ConnectionResetError):
            while raw.recv(65536):
                pass  # tickets
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.LOCAL


def test_other_threads_write_and_close(secured):
    handler = RecordingHandler()
    _, sock = secured(handler)
    conn = handler.wait_for("on_open").conn
    done = threading.Event()
    conn.async_write(b"one ")
    conn.async_writev([b"two ", bytearray(b"three ")])
    conn.async_write(MEGABYTE)
    conn.close(lambda *_: done.set())
    assert rest(sock) == b"one two three " + MEGABYTE
    sock.close()
    assert done.wait(PATIENCE)


def test_all_writes_of_a_turn_are_one_record(secured, receive):
    def on_traffic(conn):
        for byte in conn.read():
            conn.write(bytes([byte]))

    engine, sock = secured(RecordingHandler(on_traffic=on_traffic))
    sock.sendall(b"x" * 1000)
    receive(sock, 1000)
    before = engine.metrics().bytes_sent
    sock.sendall(b"y" * 1000)
    assert receive(sock, 1000) == b"y" * 1000
    assert engine.metrics().bytes_sent - before < 1100, "a record's overhead, and not one for each byte"


def test_a_stop_says_close_notify(secured):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine, sock = secured(handler)
    sock.sendall(b"hello")
    assert sock.recv(5) == b"hello"
    stopping = threading.Thread(target=engine.stop, args=(PATIENCE,))
    stopping.start()
    assert rest(sock) == b""
    sock.close()
    stopping.join(PATIENCE)
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.SHUTDOWN


def test_a_cut_off_peer_is_never_logged(secured, caplog):
    handler = RecordingHandler(on_traffic=lambda conn: conn.read() and None)
    _, sock = secured(handler)
    sock.sendall(b"hello")
    handler.wait_for("on_traffic")
    sock.shutdown(socket.SHUT_WR)
    event = handler.wait_for("on_close")
    assert type(event.detail) is TlsTruncatedError and event.conn.close_reason is CloseReason.ERROR
    assert "on_eof" not in handler.names() and not caplog.records


def test_what_was_agreed_on_can_be_asked_for_on_any_thread(tls, serve):
    """An object of OpenSSL's is for one thread at a time, and in TLS 1.3 tickets come after the handshake."""
    server = RecordingHandler(on_open=lambda conn: conn.write(MEGABYTE) and None)
    engine = serve(server, "tls://127.0.0.1:0", tls=tls.server_context())
    with Client(RecordingHandler(), tls=tls.client_context()) as dialler:
        for _ in range(30):
            conn = dialler.dial(engine.addresses[0])
            assert conn.tls.peer_certificate and conn.tls.version
            conn.abort()
