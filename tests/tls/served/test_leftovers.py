"""What is left of connections with TLS that are gone: nothing, and without waiting for the collector.

It counts objects, and does not see the memory that OpenSSL has for each: a cycle may stay for very long.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl

import pytest

from netcore import Client, EventHandler
from netcore.tls import client_context

PATIENCE = 30
TIMES = 10


class Echo(EventHandler):
    """Answers, and begins with TLS itself if it is given a context; it keeps nobody."""

    def __init__(self, context=None):
        self.context = context

    def on_open(self, conn):
        if self.context is not None:
            conn.start_tls(self.context)

    def on_traffic(self, conn):
        conn.write(conn.read())


@pytest.fixture
def kept(eventually):
    """Waits until nothing is left of what it is asked for, beside what there was; the collector is off."""
    gc.collect()
    before = {id(each) for each in gc.get_objects() if isinstance(each, ssl.SSLObject)}
    gc.disable()

    def nothing():
        found = [each for each in gc.get_objects() if isinstance(each, ssl.SSLObject)]
        return {id(each) for each in found} <= before

    yield lambda: eventually(nothing)
    gc.enable()


def http(tls, strange, sock):
    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(1000):  # an alert
            pass


def distrust(tls, strange, sock):
    with pytest.raises(ssl.SSLCertVerificationError):
        client_context(strange.ca).wrap_socket(sock, server_hostname="server.example")


def leave(tls, strange, sock):
    sock.sendall(b"\x16\x03\x01")


def greet(tls, strange, sock):
    with tls.client_context().wrap_socket(sock, server_hostname="server.example") as secured:
        secured.sendall(b"x")
        assert secured.recv(1) == b"x"
        secured.unwrap()


@pytest.mark.parametrize("peer", [http, distrust, leave, greet])
@pytest.mark.parametrize("upgraded", [False, True])
def test_of_those_that_came(tls, engine, strange_pki, eventually, kept, peer, upgraded):
    handler = Echo(tls.server_context() if upgraded else None)
    served = engine("tcp://127.0.0.1:0" if upgraded else "tls://127.0.0.1:0", handler=handler)
    for _ in range(TIMES):
        with socket.create_connection(("127.0.0.1", served.addresses[0].port), timeout=PATIENCE) as sock:
            peer(tls, strange_pki, sock)
    eventually(lambda: served.metrics().accepted == TIMES and not served.connection_count)
    kept()


@pytest.mark.parametrize("why", ["trust", "name", "reset", "none"])
def test_of_dials(tls, engine, kept, strange_pki, eventually, why):
    served = engine(handler=Echo())
    context = client_context(strange_pki.ca if why == "trust" else tls.pki.ca)
    name = "other.example" if why == "name" else "server.example"
    with socket.create_server(("127.0.0.1", 0)) as listener, Client(Echo()) as client:
        port = listener.getsockname()[1] if why == "reset" else served.addresses[0].port
        for _ in range(TIMES):
            future = client.engine.dial(f"tls://localhost:{port}", tls=context, server_hostname=name)
            if why == "reset":
                listener.accept()[0].close()
            failed = future.exception(PATIENCE) is not None
            assert failed == (why != "none")
            if not failed:
                future.result().close()
            del future
        eventually(lambda: not client.engine.connection_count and not served.connection_count)
        kept()
