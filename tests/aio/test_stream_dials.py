"""Streams with TLS, from the beginning and by STARTTLS, behind proxies, and those that a coroutine dials."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import Future

import pytest

from netcore import Client, UnsupportedOperationError
from netcore.aio import AsyncHandler
from netcore.poll import available
from netcore.proxy import ProxyHeader
from netcore.tls import TlsError, TlsHandshakeError, client_context, server_context

POLLERS = available()


class Serve(AsyncHandler):
    """Serves by a function, whose result or exception is a future's."""

    def __init__(self, function):
        self.function = function
        self.result = Future()

    async def serve(self, stream):
        try:
            result = await self.function(stream)
        except BaseException as error:
            if not self.result.done():
                self.result.set_exception(error)
            raise
        if not self.result.done():
            self.result.set_result(result)


async def echo(stream):
    while data := await stream.read(65536):
        stream.write(data)
        await stream.drain()


@pytest.fixture
def server(pki):
    return server_context(pki.path("server.pem"), pki.path("server.key"))


@pytest.fixture
def client(pki):
    return client_context(pki.ca)


@pytest.mark.parametrize("poller", POLLERS)
def test_a_tls_listener(serve, server, client, poller):
    async def echo_over_tls(stream):
        assert stream.conn.tls.version
        await echo(stream)

    address = serve(Serve(echo_over_tls), "tls://127.0.0.1:0", tls=server, poller=poller).addresses[0]
    with (
        socket.create_connection(("127.0.0.1", address.port), timeout=30) as plain,
        client.wrap_socket(plain, server_hostname="server.example") as peer,
    ):
        for size in (5, 500_000):
            # By turns, in pieces that fit the kernel: an SSL object is not for two threads at once.
            for piece in range(0, size, 10_000):
                sent = min(10_000, size - piece)
                peer.sendall(b"x" * sent)
                got = 0
                while got < sent:
                    got += len(peer.recv(sent - got))


@pytest.mark.parametrize("poller", POLLERS)
def test_start_tls(serve, server, client, poller):
    """As SMTP does: a word in plain, then the handshake, then the same connection goes on."""

    async def serves(stream):
        assert await stream.readuntil() == b"STARTTLS\n"
        stream.write(b"220 ready\n")
        await stream.start_tls(server)
        assert stream.conn.tls.server_name == "server.example"
        await echo(stream)

    async def asks(stream):
        stream.write(b"STARTTLS\n")
        assert await stream.readuntil() == b"220 ready\n"
        await stream.start_tls(client, server_hostname="server.example")
        stream.write(b"x" * 100_000)
        got = await stream.readexactly(100_000)
        return got == b"x" * 100_000, stream.conn.tls.version

    address = serve(Serve(serves), poller=poller).addresses[0]
    asking = Serve(asks)
    with Client(asking, poller=poller) as dialler:
        dialler.dial(address)
        same, version = asking.result.result(30)
    assert same
    assert version.startswith("TLS")


def test_a_handshake_that_fails_raises(serve, server, dial):
    async def serves(stream):
        with pytest.raises(TlsHandshakeError):
            await stream.start_tls(server)
        with pytest.raises(TlsHandshakeError):
            await stream.read()

    handler = Serve(serves)
    peer = dial(serve(handler))
    peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
    peer.shutdown(socket.SHUT_WR)
    assert handler.result.result(30) is None


@pytest.mark.parametrize("looked", [False, True], ids=["unread", "looked through"])
def test_what_came_in_plain_is_an_injection(serve, server, dial, looked):
    """CVE-2011-0411: it must not be taken for what the peer says by TLS."""

    async def serves(stream):
        while stream.conn.inbound_buffered < 20:
            await asyncio.sleep(0.001)
        if looked:
            assert await stream.readuntil() == b"STARTTLS\n"
        else:
            assert await stream.readexactly(9) == b"STARTTLS\n"
        with pytest.raises(TlsError, match="in plain"):
            await stream.start_tls(server)
        return await stream.read(0)

    handler = Serve(serves)
    peer = dial(serve(handler))
    peer.sendall(b"STARTTLS\nRCPT TO: me\n")
    assert handler.result.result(30) == b""
    peer.settimeout(30)
    with contextlib.suppress(ConnectionResetError):
        while peer.recv(100):
            pass


@pytest.mark.parametrize("poller", POLLERS)
def test_a_proxy_by_two_coroutines(serve, dial, receive, poller):
    upstream = serve(Serve(echo), poller=poller).addresses[0]

    class Proxy(AsyncHandler):
        async def serve(self, stream):
            async with await stream.dial(upstream, context="upstream", timeout=10) as other:
                assert other.conn.context == "upstream"
                assert other.conn.loop is stream.conn.loop
                await asyncio.gather(self.copy(stream, other), self.copy(other, stream))

        async def copy(self, source, target):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.conn.shutdown_write()

    engine = serve(Proxy(), poller=poller, num_event_loops=2)
    peers = [dial(engine) for _ in range(8)]
    size = 2_000_000
    for peer in peers:
        threading.Thread(
            target=lambda peer=peer: (peer.sendall(bytes(size)), peer.shutdown(socket.SHUT_WR))
        ).start()
    for peer in peers:
        assert len(receive(peer, size + 1)) == size


def test_dials_that_fail(serve, dial):
    async def dials(stream):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectionRefusedError):
                await stream.dial(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(UnsupportedOperationError):
            await stream.dial("tcp://127.0.0.1:1", server_hostname="x")
        return True

    handler = Serve(dials)
    dial(serve(handler))
    assert handler.result.result(30)


def test_a_dial_that_is_cancelled_leaves_no_connection(serve, dial, server):
    backend = serve(Serve(echo)).addresses[0]

    async def dials(stream):
        task = asyncio.ensure_future(stream.dial(backend))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        while len(stream.conn.loop.connections()) > 1 or stream.conn.loop.unfinished > 1:
            await asyncio.sleep(0.001)
        return True

    handler = Serve(dials)
    dial(serve(handler))
    assert handler.result.result(30)


def test_a_dialled_stream_sees_the_end(serve, dial, receive):
    async def leaves(stream):
        stream.write(b"bye")

    backend = serve(Serve(leaves)).addresses[0]

    async def dials(stream):
        other = await stream.dial(backend)
        got = await other.read()
        other.close()
        await other.wait_closed()
        return got

    handler = Serve(dials)
    dial(serve(handler))
    assert handler.result.result(30) == b"bye"


def test_by_tls_and_behind_a_proxy_header(serve, dial, server, client):
    async def tells(stream):
        stream.write(str(stream.conn.remote_address).encode())

    backend = serve(Serve(tells), "tls://127.0.0.1:0", tls=server, proxy_protocol=True).addresses[0]

    async def dials(stream):
        from netcore import Address

        header = ProxyHeader(Address("tcp", "192.0.2.7", 1234), Address("tcp", "192.0.2.8", 80))
        other = await stream.dial(
            backend, tls=client, server_hostname="server.example", proxy=header, timeout=30
        )
        return await other.read()

    handler = Serve(dials)
    dial(serve(handler))
    assert handler.result.result(30) == b"tcp://192.0.2.7:1234"
