"""Several loops, several addresses, and the life of an engine that serves datagrams."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from dataclasses import replace

import pytest

from netcore import Engine, EngineNotRunningError, EventHandler, UnsupportedOperationError
from netcore._machine import REAL
from netcore._platform import FACTS
from netcore.testing import RecordingHandler

UDP = "udp://127.0.0.1:0"


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


@pytest.mark.skipif(FACTS.reuse_port is None, reason="the kernel does not balance datagrams here")
def test_the_kernel_spreads_senders_over_the_loops(serve, peer):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"%d" % conn.loop.index))
    engine = serve(handler, UDP, num_event_loops=3)
    peers = [peer(engine) for _ in range(60)]
    first = [one.ask(b"?") for one in peers]
    assert set(first) == {b"0", b"1", b"2"}
    assert [one.ask(b"?") for one in peers] == first, "a sender went to another loop"


def test_one_loop_serves_where_the_kernel_does_not_balance(serve, peer, caplog, monkeypatch):
    monkeypatch.setattr(REAL, "facts", replace(FACTS, reuse_port=None))
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"%d" % conn.loop.index))
    with caplog.at_level(logging.WARNING, "netcore"):
        engine = serve(handler, UDP, num_event_loops=2)
    assert "one loop serves all datagrams of udp://127.0.0.1:0" in caplog.text
    assert {peer(engine).ask(b"?") for _ in range(20)} == {b"0"}


def test_several_addresses_of_mixed_networks(serve, peer, dial, receive, tmp_path):
    addresses = [UDP, "tcp://127.0.0.1:0", "udp4://:0"]
    if hasattr(socket, "AF_UNIX"):
        addresses.append(f"unix://{tmp_path}/mixed.sock")
    engine = serve(Echo(), *addresses, num_event_loops=2)
    assert [address.network for address in engine.addresses][:3] == ["udp", "tcp", "udp4"]
    assert peer(engine, 0).ask(b"datagram") == b"datagram"
    assert peer(engine, 2).ask(b"another") == b"another"
    for index in range(1, len(addresses), 2):
        sock = dial(engine, index)
        sock.sendall(b"stream")
        assert receive(sock, 6) == b"stream"


@pytest.mark.parametrize("loops", [1, 2])
def test_an_address_in_use(serve, loops):
    engine = serve(Echo(), UDP, num_event_loops=loops)
    second = Engine(Echo(), "tcp://127.0.0.1:0", str(engine.addresses[0]), num_event_loops=loops)
    with pytest.raises(OSError, match=str(engine.addresses[0].port)) as caught:
        second.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert not second.running


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("udp://192.0.2.1:0", marks=pytest.mark.wine("it binds to addresses of other machines")),
        "udp://name.invalid:0",
    ],
)
def test_an_address_that_cannot_be_bound(address):
    with pytest.raises(OSError, match=address.removeprefix("udp://")):
        Engine(Echo(), address).start()


@pytest.mark.skipif(FACTS.reuse_port is None, reason="sockets cannot share a port here")
def test_engines_may_share_a_port_if_both_say_so(serve, peer):
    first = serve(Echo(), UDP, reuse_port=True)
    second = serve(Echo(), str(first.addresses[0]), reuse_port=True, num_event_loops=2)
    assert second.addresses == first.addresses
    for _ in range(20):
        assert peer(first).ask(b"either") == b"either"


def test_dup_listener(serve, peer):
    engine = serve(Echo(), "tcp://127.0.0.1:0", UDP)
    copy = engine.dup_listener(engine.addresses[1])
    with socket.socket(fileno=copy) as same:
        assert not same.get_inheritable()
        assert same.type == socket.SOCK_DGRAM
        assert same.getsockname()[1] == engine.addresses[1].port
    assert peer(engine, 1).ask(b"goes on") == b"goes on"
    engine.stop()
    with pytest.raises(EngineNotRunningError):
        engine.dup_listener(UDP)


def test_stop_accepting_closes_the_socket(serve, dial, peer):
    handler = RecordingHandler()
    engine = serve(handler, UDP, "tcp://127.0.0.1:0")
    dial(engine, 1)
    handler.wait_for("on_open")
    client = peer(engine)
    client.send(b"in time")
    conn = handler.wait_for("on_traffic").conn
    engine.stop_accepting()
    done = threading.Event()
    conn.loop.execute(done.set)
    assert done.wait(30)
    assert (conn.closed, engine.running, engine.connection_count) == (True, True, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", engine.addresses[0].port))
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        engine.dup_listener(engine.addresses[0])


def test_stop_with_datagrams_in_flight(serve, peer):
    """Whatever comes while the engine stops: it ends, and what was written before is sent."""
    stopping = threading.Event()

    def on_traffic(conn):
        conn.write(conn.read())
        if not stopping.is_set():
            stopping.set()
            engine.stop()

    engine = serve(RecordingHandler(on_traffic=on_traffic), UDP, num_event_loops=2)
    client = peer(engine)
    over = threading.Event()

    def flood():
        while not over.is_set():
            client.send(b"x" * 100)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        assert client.receive() == b"x" * 100
        assert stopping.wait(30)
        assert engine.join(30)
    finally:
        over.set()
        thread.join()


def test_an_engine_of_datagrams_ends_at_once(serve, peer):
    engine = serve(Echo(), UDP)
    assert peer(engine).ask(b"x") == b"x"
    assert engine.drain(30)
    assert engine.stop(30)
    with pytest.raises(EngineNotRunningError):
        engine.dial("udp://127.0.0.1:1")


def test_bind_to_device(serve, peer):
    if FACTS.bind_to_device is None:
        with pytest.raises(UnsupportedOperationError, match="bind_to_device"):
            serve(Echo(), UDP, bind_to_device="lo0")
        return
    try:
        engine = serve(Echo(), UDP, bind_to_device="lo")
    except PermissionError as error:
        pytest.skip(f"SO_BINDTODEVICE: {error}")
    assert peer(engine).ask(b"over lo") == b"over lo"


def test_a_flood_of_datagrams_does_not_starve_a_stream(serve, peer, dial, receive):
    engine = serve(Echo(), UDP, "tcp://127.0.0.1:0")
    client, stream = peer(engine), dial(engine, 1)
    over = threading.Event()

    def flood():
        while not over.is_set():
            client.send(b"x")

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for number in range(50):
            stream.sendall(b"%02d" % number)
            assert receive(stream, 2) == b"%02d" % number
    finally:
        over.set()
        thread.join()
