"""STARTTLS on real sockets, both ways, with Python's ssl at the other end and with netcore."""

from __future__ import annotations

import os
import socket
import ssl
import threading

import pytest

from netcore import Client, CloseReason
from netcore.testing import RecordingHandler
from netcore.tls import TlsCertificateError, TlsHandshakeError

PATIENCE = 30
COMMAND, GO_AHEAD = b"STARTTLS\r\n", b"220 go ahead\r\n"
MEGABYTE = bytes(range(256)) * 4096


def echo_with_start_tls(context, told):
    """Makes a handler that echoes, and begins with TLS at a command."""

    def on_traffic(conn):
        data = conn.read()
        if conn.tls is None and data == COMMAND:
            conn.write(GO_AHEAD)
            conn.start_tls(context, server_side=True, callback=lambda *result: told.append(result))
            conn.write(b"welcome")
        else:
            conn.write(data)

    return RecordingHandler(on_traffic=on_traffic)


def secure(sock, context, receive):
    """Says the command on a plain socket; returns one with TLS."""
    sock.sendall(COMMAND)
    assert receive(sock, len(GO_AHEAD)) == GO_AHEAD
    return context.wrap_socket(sock, server_hostname="server.example", suppress_ragged_eofs=False)


def unix_address(tmp_path):
    return f"unix://{tmp_path}/s" if hasattr(socket, "AF_UNIX") else pytest.skip("no Unix sockets")


@pytest.mark.parametrize("network", ["tcp", "unix", "enrolled"])
def test_a_client_of_pythons(tls, serve, receive, tmp_path, network):
    told = []
    handler = echo_with_start_tls(tls.server_context(), told)
    address = unix_address(tmp_path) if network == "unix" else "tcp://127.0.0.1:0"
    engine = serve(handler, address)
    if network == "enrolled":
        sock, theirs = socket.socketpair() if hasattr(socket, "AF_UNIX") else pytest.skip("no Unix sockets")
        engine.enroll(theirs).result(PATIENCE)
    elif network == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"{tmp_path}/s")
    else:
        sock = socket.create_connection(("127.0.0.1", engine.addresses[0].port))
    sock.settimeout(PATIENCE)
    with sock:
        sock.sendall(b"in plain")
        assert receive(sock, 8) == b"in plain"
        with secure(sock, tls.client_context(), receive) as secured:
            assert receive(secured, 7) == b"welcome"
            secured.sendall(b"hello")
            assert receive(secured, 5) == b"hello"
            conn = handler.wait_for("on_open").conn
            assert told == [(conn, None)]
            assert conn.tls.server_name == "server.example"
            assert conn.network == ("unix" if network == "enrolled" else network)
            secured.unwrap()
    handler.wait_for("on_close")
    assert conn.close_reason is CloseReason.EOF
    assert engine.metrics().tls_handshakes == 1


def test_several_loops_and_many_clients(tls, serve, receive):
    told = []
    engine = serve(echo_with_start_tls(tls.server_context(), told), "tcp://127.0.0.1:0", num_event_loops=3)
    context = tls.client_context()
    secured = []
    for _ in range(20):
        sock = socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=PATIENCE)
        secured.append(secure(sock, context, receive))
    for number, each in enumerate(secured):
        each.sendall(b"%d" % number * 1000)
    for number, each in enumerate(secured):
        with each:
            assert receive(each, 7) == b"welcome"
            assert receive(each, len(b"%d" % number) * 1000) == b"%d" % number * 1000
    assert len(told) == 20 and all(error is None for _, error in told)


@pytest.mark.parametrize("edge", [False, True])
def test_a_file_before_it_and_a_file_by_it(tls, serve, receive, tmp_path, edge):
    path = tmp_path / "file"
    path.write_bytes(MEGABYTE)

    def on_open(conn):
        with path.open("rb") as file:
            conn.sendfile(file)
            conn.start_tls(tls.server_context())
            conn.sendfile(file)
            conn.write(b"end")

    engine = serve(RecordingHandler(on_open=on_open), "tcp://127.0.0.1:0", edge_triggered=edge)
    with socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=PATIENCE) as sock:
        assert receive(sock, len(MEGABYTE)) == MEGABYTE
        with tls.client_context().wrap_socket(sock, server_hostname="server.example") as secured:
            assert receive(secured, len(MEGABYTE) + 3) == MEGABYTE + b"end"


def test_an_injection(tls, serve):
    told = []

    def on_traffic(conn):
        conn.next(len(COMMAND))
        conn.write(GO_AHEAD)
        conn.start_tls(tls.server_context(), callback=lambda *result: told.append(result))

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, "tcp://127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=PATIENCE) as sock:
        sock.sendall(COMMAND + b"RCPT TO:<victim>\r\n")
        assert sock.recv(100) == GO_AHEAD
        assert sock.recv(100) == b""
    event = handler.wait_for("on_close")
    assert told == [(event.conn, event.detail)] and "what came in plain" in str(event.detail)


@pytest.mark.parametrize("name", ["server.example", "other.example"])
def test_a_dialled_connection_is_the_clients_side(tls, serve, eventually, name):
    served, dialled, heard = [], [], bytearray()
    handler = echo_with_start_tls(tls.server_context(), served)
    engine = serve(handler, "tcp://127.0.0.1:0")

    def on_traffic(conn):
        if conn.tls is None:
            assert conn.read() == GO_AHEAD
            conn.start_tls(
                tls.client_context(), server_hostname=name, callback=lambda *result: dialled.append(result)
            )
            conn.write(b" and hello")
        else:
            heard.extend(conn.read())

    client_handler = RecordingHandler(on_traffic=on_traffic)
    with Client(client_handler) as client:
        conn = client.dial(engine.addresses[0])
        conn.async_write(COMMAND)
        eventually(lambda: dialled and served)
        if name == "server.example":
            assert dialled == [(conn, None)] and conn.tls.version == served[0][0].tls.version
            eventually(lambda: heard == b"welcome and hello")
        else:
            error = dialled[0][1]
            assert type(error) is TlsCertificateError and isinstance(error, ssl.SSLCertVerificationError)
            assert client_handler.wait_for("on_close").detail is error
            assert client.engine.metrics().tls_handshake_failures == 1
            assert isinstance(served[0][1], TlsHandshakeError) or tls.version is ssl.TLSVersion.TLSv1_3


def test_a_server_of_pythons(tls):
    """``start_tls`` in ``on_open``: the client of a protocol that begins with TLS at once."""
    told = []

    def on_open(conn):
        conn.start_tls(
            tls.client_context(), server_hostname="server.example", callback=lambda *r: told.append(r)
        )
        conn.write(b"hello")

    def run(listener):
        sock = listener.accept()[0]
        with tls.server_context().wrap_socket(sock, server_side=True) as secured:
            secured.sendall(b"<" + secured.recv(100) + b">")
            secured.unwrap()

    heard = bytearray()
    handler = RecordingHandler(on_open=on_open, on_traffic=lambda conn: heard.extend(conn.read()))
    with socket.create_server(("127.0.0.1", 0)) as listener, Client(handler) as client:
        thread = threading.Thread(target=run, args=[listener])
        thread.start()
        conn = client.dial(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        handler.wait_for("on_eof")
        thread.join(PATIENCE)
        assert told == [(conn, None)]
        assert heard == b"<hello>"


def test_it_is_late(tls, serve):
    told = []
    handler = echo_with_start_tls(tls.server_context(), told)
    engine = serve(handler, "tcp://127.0.0.1:0", tls_handshake_timeout=0.1)
    with socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=PATIENCE) as sock:
        sock.sendall(COMMAND)
        assert sock.recv(100) == GO_AHEAD
        assert sock.recv(100) == b""
    error = handler.wait_for("on_close").detail
    assert type(error) is TlsHandshakeError and str(error) == "the TLS handshake took longer than 0.1 s"
    assert told[0][1] is error
    assert engine.metrics().tls_handshake_failures == 0


def test_a_socket_that_is_enrolled_says_its_side(serve):
    handler = RecordingHandler()
    engine = serve(handler, "tcp://127.0.0.1:0")
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as sock:
        theirs = listener.accept()[0]
        raised = []

        def ask(conn):
            try:
                conn.start_tls(ssl.create_default_context())
            except ValueError as error:
                raised.append(str(error))

        conn = engine.enroll(theirs).result(PATIENCE)
        conn.loop.execute(ask, conn)
        conn.close(lambda *_: None)
        handler.wait_for("on_close")
        assert raised == ["start_tls needs server_side for a connection that was enrolled"]
        assert sock.recv(10) == b""


def test_datagrams_cannot(tls, serve, eventually):
    raised = []

    def on_traffic(conn):
        try:
            conn.start_tls(tls.server_context())
        except Exception as error:
            raised.append((type(error).__name__, str(error)))

    engine = serve(RecordingHandler(on_traffic=on_traffic), "udp://127.0.0.1:0")
    with Client(RecordingHandler()) as client:
        conn = client.dial(engine.addresses[0])
        conn.loop.execute(on_traffic, conn)
        conn.async_write(os.urandom(4))
        eventually(lambda: len(raised) == 2)
    text = "start_tls needs a stream connection, and this one is udp"
    assert raised == [("UnsupportedOperationError", text)] * 2
