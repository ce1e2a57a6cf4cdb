"""Sessions on sockets that were bound elsewhere, in several processes, and to coroutines."""

from __future__ import annotations

import signal
import socket
import sys
import time

import pytest
from supervised import alive, until

from netcore import GivenListener, InvalidAddressError, UnsupportedOperationError
from netcore.aio import AsyncHandler
from netcore.kcp import KcpOptions
from netcore.testing import RecordingHandler

QUICK = KcpOptions(interval=0.001)


def echo(conn):
    conn.write(conn.read())


@pytest.mark.posix
@pytest.mark.parametrize("by", ["number", "listener"])
def test_a_socket_that_is_given(serve, kcp_peer, by):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    fd = sock.detach()
    given = f"kcp+fd://{fd}" if by == "number" else GivenListener(fd, kcp=True)
    engine = serve(RecordingHandler(on_traffic=echo), given, kcp=QUICK)
    assert str(engine.addresses[0]).startswith("kcp://127.0.0.1:")
    peer = kcp_peer(engine)
    peer.send(b"hello")
    assert peer.receive(5) == b"hello"


@pytest.mark.posix
def test_a_socket_that_is_no_place_for_sessions(serve):
    refused = pytest.raises(UnsupportedOperationError, match="UDP")
    with socket.create_server(("127.0.0.1", 0)) as sock, refused:
        serve(RecordingHandler(), f"kcp+fd://{sock.fileno()}")
    with pytest.raises(InvalidAddressError):
        GivenListener(3, tls=True, kcp=True)


def test_a_coroutine_serves_one(serve, kcp_peer):
    class Echo(AsyncHandler):
        async def serve(self, stream):
            while data := await stream.read(100):
                stream.write(data.upper())

    peer = kcp_peer(serve(Echo(), "kcp://127.0.0.1:0", kcp=QUICK))
    for word in (b"hello", b"world"):
        peer.send(word)
        assert peer.receive(5) == word.upper()


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has to spread datagrams over processes")
def test_several_processes_share_a_port(supervise, kcp_peer):
    one = supervise("kcp://127.0.0.1:0", processes=2).serves()
    assert one.addresses[0].startswith("kcp://127.0.0.1:")
    peers = [kcp_peer(one.port) for _ in range(12)]
    for peer in peers:
        peer.send(b"hello")
    assert all(peer.receive(5) == b"hello" for peer in peers)
    for peer in peers:  # what was answered is acknowledged, lest a stop wait for it
        peer.run_until(lambda peer=peer: not peer.kcp.waiting)
        peer.kcp.flush(time.monotonic())
    assert one.stop() == 0


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has to spread datagrams over processes")
def test_the_successor_of_a_process_serves_on_its_socket(supervise, kcp_peer):
    one = supervise("kcp://127.0.0.1:0", processes=1, drain_timeout=1).serves(1)
    first = one.process(0)
    old = kcp_peer(one.port)
    old.send(b"hello")
    assert old.receive(5) == b"hello"
    one.signal(signal.SIGHUP)
    one.serves(1, times=2)
    until(lambda: not alive(first))
    new = kcp_peer(one.port)
    new.send(b"hello")
    assert new.receive(5) == b"hello"
