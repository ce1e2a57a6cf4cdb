"""TLS on sockets that an engine is given: inherited ones, and those of a predecessor."""

from __future__ import annotations

import os
import socket

import pytest

from netcore import (
    Address,
    Engine,
    EventHandler,
    GivenListener,
    OptionsError,
    UnsupportedOperationError,
    UnsupportedProtocolError,
)
from netcore.testing import RecordingHandler

PATIENCE = 30


def echo(conn):
    conn.write(conn.read())


def echoed(tls, engine):
    """Whether a connection is served with TLS, and how it was described to the handler."""
    address = engine.addresses[0]
    sock = socket.create_connection(("127.0.0.1", address.port), timeout=PATIENCE)
    with tls.client_context().wrap_socket(sock, server_hostname="server.example") as secured:
        secured.sendall(b"hello")
        return secured.recv(5) == b"hello"


@pytest.mark.parametrize("loops", [1, 2])
@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_listener_that_is_given(serve, tls, loops, host):
    handler = RecordingHandler(on_traffic=echo)
    fd = socket.create_server((host, 0)).detach()
    engine = serve(handler, f"tls+fd://{fd}", tls=tls.server_context(), num_event_loops=loops)
    assert engine.addresses[0].network == "tls"
    assert echoed(tls, engine)
    conn = handler.wait_for("on_close").conn
    assert (conn.network, conn.local_address.network, conn.local_address.host) == ("tls", "tcp", "127.0.0.1")
    os.close(engine.dup_listener(f"tls+fd://{fd}"))
    os.close(engine.dup_listener(engine.addresses[0]))


def test_with_and_without_side_by_side(serve, dial, receive, tls):
    plain, secured = (socket.create_server(("127.0.0.1", 0)).detach() for _ in range(2))
    engine = serve(
        RecordingHandler(on_traffic=echo), f"tls+fd://{secured}", f"fd://{plain}", tls=tls.server_context()
    )
    assert echoed(tls, engine)
    sock = dial(engine, 1)
    sock.sendall(b"plain")
    assert receive(sock, 5) == b"plain"


def test_a_successor_goes_on_with_tls(serve, tls):
    first = serve(EventHandler(), "tls://127.0.0.1:0", tls=tls.server_context())
    fd = first.dup_listener()
    where = first.addresses
    first.stop()
    early = socket.create_connection(("127.0.0.1", where[0].port), timeout=PATIENCE)  # into the backlog
    second = serve(
        RecordingHandler(on_traffic=echo), GivenListener(fd, tls=True), tls=tls.server_context("other")
    )
    assert second.addresses == where
    with tls.client_context().wrap_socket(early, server_hostname="other.example") as secured:
        secured.sendall(b"early")
        assert secured.recv(5) == b"early"
    third = serve(
        RecordingHandler(on_traffic=echo),
        GivenListener(second.dup_listener(), tls=True),
        tls=tls.server_context(),
    )
    second.stop()
    assert echoed(tls, third)


def test_it_needs_a_context(tls):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        for context in (None, tls.client_context()):
            for given in (f"tls+fd://{sock.fileno()}", GivenListener(sock.fileno(), tls=True)):
                with pytest.raises(OptionsError, match=r"option tls .*'tls\+fd://\d+' needs a server's"):
                    Engine(EventHandler(), given, tls=context)


def datagrams(path):
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen()
    return sock


@pytest.mark.parametrize("make", [datagrams, pytest.param(unix, marks=pytest.mark.unix_sockets)])
def test_tls_is_for_tcp(tls, tmp_path, make):
    with make(str(tmp_path / "x.sock")) as sock:
        engine = Engine(
            EventHandler(), GivenListener(sock.fileno(), unlink=True, tls=True), tls=tls.server_context()
        )
        with pytest.raises(UnsupportedOperationError, match=r"tls\+fd://\d+.*TLS is for TCP, and this is"):
            engine.start()
        assert sock.getsockname(), "it stays the caller's"


def test_it_cannot_be_dialled(serve):
    engine = serve(EventHandler(), "tcp://127.0.0.1:0")
    with pytest.raises(UnsupportedProtocolError, match="cannot be dialled"):
        engine.dial("tls+fd://3").result(PATIENCE)
    assert Address.parse("tls+fd://3").is_inherited
