"""tls:// addresses, on real sockets: engines, Python's ssl, and the program openssl."""

from __future__ import annotations

import socket
import ssl
import subprocess

import pytest

from netcore import (
    Address,
    Client,
    CloseReason,
    OptionsError,
    UnsupportedOperationError,
)
from netcore.eventloop import Shared
from netcore.eventloop.dial_phases import phases_of_dial
from netcore.proxy import ProxyHeader
from netcore.testing import RecordingHandler
from netcore.tls import TlsCertificateError, TlsHandshakeError, TlsTruncatedError

PATIENCE = 30
MEGABYTE = bytes(range(256)) * 4096


def test_a_client_of_pythons(tls, engine, connect, receive):
    server = engine()
    assert str(server.addresses[0]).startswith("tls://127.0.0.1:")
    with connect(server) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
        conn = server.recorded.wait_for("on_open").conn
        assert conn.network == "tls" and conn.remote_address.network == "tcp"
        assert conn.local_address.network == "tcp"
        assert conn.tls.version == sock.version()
        assert conn.tls.server_name == "server.example"
        conn.set_no_delay(False)
        sock.unwrap()
    server.recorded.wait_for("on_close")
    assert conn.close_reason is CloseReason.EOF
    metrics = server.metrics()
    assert (metrics.tls_handshakes, metrics.tls_handshake_failures, metrics.unopened) == (1, 0, 0)


def test_a_megabyte(tls, engine, connect, receive):
    server = engine()
    with connect(server) as sock:
        for at in range(0, len(MEGABYTE), 1 << 17):
            sock.sendall(MEGABYTE[at : at + (1 << 17)])
            assert receive(sock, 1 << 17) == MEGABYTE[at : at + (1 << 17)]
        sock.unwrap()
    server.recorded.wait_for("on_close")


@pytest.mark.parametrize("options", [{"num_event_loops": 3}, {"edge_triggered": True}, {"debug": True}])
def test_many_clients(tls, engine, options, connect, receive):
    server = engine(**options)
    context = tls.client_context()
    socks = [connect(server, context) for _ in range(20)]
    for number, sock in enumerate(socks):
        sock.sendall(b"%d" % number * 1000)
    for number, sock in enumerate(socks):
        assert receive(sock, len(b"%d" % number) * 1000) == b"%d" % number * 1000
        sock.unwrap()
        sock.close()
    server.recorded.wait_for("on_close", 20)
    assert server.metrics().tls_handshakes == 20


def test_the_program_openssl(tls, engine, pki):
    server = engine()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.addresses[0].port}", "-quiet"]
    command += ["-CAfile", str(pki.ca), "-verify_return_error", "-verify_hostname", "server.example"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        process.stdin.write(b"hello from openssl\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello from openssl\n"
        process.kill()
    server.recorded.wait_for("on_close")


def test_close_says_so(tls, serve, connect, receive):
    def on_open(conn):
        conn.write(b"bye")
        conn.close()

    server = serve(
        RecordingHandler(on_open=on_open),
        "tls://127.0.0.1:0",
        tls=tls.server_context(),
    )
    with connect(server) as sock:
        assert receive(sock, 3) == b"bye"
        assert sock.recv(10) == b""  # an error without close_notify


def test_truncation(tls, engine, connect, receive):
    server = engine()
    with connect(server) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
    event = server.recorded.wait_for("on_close")
    assert type(event.detail) is TlsTruncatedError
    assert event.conn.close_reason is CloseReason.ERROR
    assert "on_eof" not in server.recorded.names()


def test_what_fails_is_counted_and_nobody_hears_of_it(tls, engine, strange_pki, eventually, connect):
    server = engine(tls_handshake_timeout=0.2)
    with socket.create_connection(("127.0.0.1", server.addresses[0].port), timeout=PATIENCE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert not sock.recv(100)[7:]  # an alert, or nothing
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(server, tls.client_context(ca=strange_pki.ca))
    eventually(lambda: server.metrics().tls_handshake_failures == 2)
    with socket.create_connection(("127.0.0.1", server.addresses[0].port), timeout=PATIENCE) as sock:
        sock.sendall(b"\x16")
        assert sock.recv(100) == b""  # too late
    eventually(lambda: server.metrics().tls_handshake_failures == 3)
    with socket.create_connection(("127.0.0.1", server.addresses[0].port), timeout=PATIENCE):
        pass
    eventually(lambda: server.metrics().unopened == 4)
    assert server.metrics().tls_handshake_failures == 3 and server.metrics().tls_handshakes == 0
    assert not server.recorded.names() or set(server.recorded.names()) <= {"on_boot"}


def test_a_listener_needs_a_servers_context(tls, serve):
    for context in (None, tls.client_context()):
        with pytest.raises(OptionsError, match=r"option tls is .*needs a server's"):
            serve(RecordingHandler(), "tls://127.0.0.1:0", tls=context)


def test_a_context_may_be_there_for_start_tls_and_for_dials(tls, serve):
    serve(RecordingHandler(), "tcp://127.0.0.1:0", tls=tls.server_context())
    serve(RecordingHandler(), "tcp://127.0.0.1:0", tls=tls.client_context())
    serve(RecordingHandler(), "tcp://127.0.0.1:0", "tls://127.0.0.1:0", tls=tls.server_context())


# Dialling.


@pytest.fixture
def client(tls):
    handler = RecordingHandler()
    with Client(handler, tls=tls.client_context()) as made:
        made.recorded = handler
        yield made


def test_dial(tls, engine, client, eventually):
    server = engine("tls://127.0.0.1:0")
    conn = client.dial(server.addresses[0])  # the certificate names 127.0.0.1, too
    assert conn.network == "tls" and conn.tls.server_name == "127.0.0.1"
    conn.async_write(MEGABYTE)
    eventually(lambda: len(client.recorded.received()) == len(MEGABYTE))
    assert client.recorded.received() == MEGABYTE
    conn.loop.execute(conn.close)
    server.recorded.wait_for("on_close")
    assert client.recorded.wait_for("on_close").conn.close_reason is CloseReason.LOCAL
    assert server.recorded.events[-1].conn.close_reason is CloseReason.EOF


def test_dials_that_fail(tls, engine, client):
    server = engine(context=tls.server_context("other"))
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch") as caught:
        client.dial(server.addresses[0])
    assert type(caught.value) is TlsCertificateError
    expired = engine(context=tls.server_context("expired"))
    with pytest.raises(ssl.SSLCertVerificationError):
        client.dial(expired.addresses[0])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tls://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            client.dial(address, timeout=0.1)
    assert client.engine.metrics().dial_failures == 3
    assert not server.recorded.details("on_open")


def test_a_dial_to_this_machine_and_one_whose_handshake_cannot_begin(tls, engine, client, eventually):
    server = engine()
    with pytest.raises(ssl.SSLCertVerificationError, match="'localhost'"):
        client.dial(f"tls4://:{server.addresses[0].port}")
    context = tls.client_context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    with (
        Client(RecordingHandler(), tls=context) as none,
        pytest.raises(TlsHandshakeError, match="no version of TLS is allowed here"),
    ):
        none.dial(server.addresses[0])
    eventually(lambda: not client.engine.connection_count and not server.connection_count)


def test_a_dial_that_the_server_keeps_waiting(tls):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Client(RecordingHandler(), tls=tls.client_context(), tls_handshake_timeout=0.1) as client,
        pytest.raises(TlsHandshakeError, match=r"took longer than 0\.1 s"),
    ):
        client.dial(f"tls://127.0.0.1:{silent.getsockname()[1]}")


def test_a_dial_whose_server_leaves(tls):
    with (
        socket.create_server(("127.0.0.1", 0)) as leaving,
        Client(RecordingHandler(), tls=tls.client_context()) as client,
    ):
        future = client.engine.dial(f"tls://127.0.0.1:{leaving.getsockname()[1]}")
        sock = leaving.accept()[0]
        sock.recv(65536)  # or the close would be a reset
        sock.close()
        with pytest.raises(TlsHandshakeError, match="the server has left during the handshake"):
            future.result(PATIENCE)


def test_a_dial_with_a_context_and_a_name_of_its_own(tls, engine):
    server = engine(context=tls.server_context(alpn=["h2", "toy"]))
    with Client(RecordingHandler(), tls=tls.client_context(alpn=["h2"])) as client:
        conn = client.dial(
            server.addresses[0], tls=tls.client_context(alpn=["toy"]), server_hostname="server.example"
        )
        assert (conn.tls.alpn, conn.tls.server_name) == ("toy", "server.example")
        with pytest.raises(TlsCertificateError, match="elsewhere"):
            client.dial(server.addresses[0], server_hostname="elsewhere.example")
        unchecked = tls.client_context(verify=False)
        conn = client.dial(server.addresses[0], tls=unchecked, server_hostname="elsewhere.example")
        assert (conn.tls.alpn, conn.tls.server_name) == (None, "elsewhere.example")
        with pytest.raises(ValueError, match="there is none to check"):
            client.dial(server.addresses[0], server_hostname="")


@pytest.mark.parametrize("loop", [False, True], ids=["engine", "loop"])
def test_what_a_dial_cannot_be_given(tls, engine, client, loop):
    address = engine().addresses[0]
    dial = client.engine.loops[0].dial if loop else client.engine.dial
    with pytest.raises(OptionsError, match="a server's context"):
        dial(address, tls=tls.server_context())
    with pytest.raises(TypeError, match=r"an ssl\.SSLContext, and not 'yes'"):
        dial(address, tls="yes")
    with pytest.raises(TypeError, match="server_hostname is a str"):
        dial(address, server_hostname=b"server.example")
    for options in ({"tls": tls.client_context()}, {"server_hostname": "server.example"}):
        for text, later in (
            ("tcp://127.0.0.1:1", ", which start_tls begins"),
            ("kcp://127.0.0.1:1", ", which start_tls begins"),
            ("udp://127.0.0.1:1", "$"),
        ):
            with pytest.raises(UnsupportedOperationError, match=f"is dialled without TLS{later}"):
                dial(text, **options)


@pytest.mark.parametrize(
    ("host", "name"),
    [("fe80::1%lo", "fe80::1"), ("Server.Example.", "Server.Example"), ("", "localhost"), ("::1", "::1")],
)
def test_the_name_that_is_asked_for(tls, host, name):
    shared = Shared(RecordingHandler(), tls=tls.client_context())
    (handshake,) = phases_of_dial(Address("tls", host, 443), shared, None, None, None, None)()
    assert handshake.filter._server_name == name


def test_the_systems_authorities_are_the_default(tls, engine):
    server = engine()
    with (
        Client(RecordingHandler()) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.dial(server.addresses[0])


# Behind a PROXY header.


def test_a_header_comes_before_the_handshake(tls, engine, receive):
    server = engine(proxy_protocol=True)
    sock = socket.create_connection(("127.0.0.1", server.addresses[0].port), timeout=PATIENCE)
    sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n")
    with tls.client_context().wrap_socket(sock, server_hostname="server.example") as secured:
        secured.sendall(b"hello")
        assert receive(secured, 5) == b"hello"
        conn = server.recorded.wait_for("on_open").conn
        assert str(conn.remote_address) == "tcp://192.0.2.7:40000"
        assert conn.tls.server_name == "server.example"


def test_a_header_is_said_before_the_handshake(tls, engine, client):
    server = engine(proxy_protocol=True)
    header = ProxyHeader(Address("tcp", "192.0.2.7", 40000), Address("tcp", "192.0.2.1", 443))
    conn = client.dial(server.addresses[0], proxy=header)
    assert conn.tls is not None
    assert server.recorded.wait_for("on_open").conn.remote_address == header.source


def test_one_without_a_header_has_begun_no_handshake(tls, engine, eventually, connect):
    server = engine(proxy_protocol=True)
    with pytest.raises(OSError):
        connect(server)
    eventually(lambda: server.metrics().proxy_failures == 1)
    assert server.metrics().tls_handshake_failures == 0


@pytest.mark.parametrize("when", ["on_traffic", "on_close"])
def test_a_dial_that_resumes_a_session(tls, engine, eventually, when):
    server = engine()
    kept = []

    def keep(conn, *_):
        kept.append(conn.tls_session)
        conn.close()

    context = tls.client_context()
    if when == "on_traffic":
        handler = RecordingHandler(on_traffic=keep)
    else:
        handler = RecordingHandler(on_traffic=lambda conn: conn.close(), on_close=keep)
    with Client(handler, tls=context, debug=True) as client:
        for turn in range(3):
            conn = client.dial(server.addresses[0], tls_session=kept[-1] if kept else None)
            assert conn.tls.session_reused == (turn > 0)
            conn.async_write(b"x")
            handler.wait_for("on_close", turn + 1)
    assert all(isinstance(each, ssl.SSLSession) for each in kept)
    eventually(lambda: server.recorded.names().count("on_close") == 3)
    opened = [event.conn for event in server.recorded.events if event.name == "on_open"]
    assert [conn.tls.session_reused for conn in opened] == [False, True, True]
    assert opened[0].tls_session is None, "a server's side has none"


def test_sessions_that_cannot_be_resumed(tls, engine, client):
    server = engine()
    handler = RecordingHandler()
    with Client(handler, tls=tls.client_context()) as other:
        conn = other.dial(server.addresses[0])
        conn.async_write(b"x")
        handler.wait_for("on_traffic")
        session = conn.tls_session  # its loop is idle
    with pytest.raises(ValueError, match="different SSLContext"):
        client.dial(server.addresses[0], tls_session=session)
    with pytest.raises(TypeError, match=r"tls_session is an ssl\.SSLSession, and not b'x'"):
        client.dial(server.addresses[0], tls_session=b"x")
    with pytest.raises(UnsupportedOperationError, match="tls_session is for tls:// addresses"):
        client.dial("tcp://127.0.0.1:1", tls_session=session)
