"""Servers of datagrams on real sockets."""

from __future__ import annotations

import io
import os
import threading

import pytest

from netcore import (
    Address,
    CloseReason,
    EventHandler,
    ShortBufferError,
    UnsupportedOperationError,
)
from netcore.testing import RecordingHandler

UDP = "udp://127.0.0.1:0"


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


def settled(conn) -> None:
    """Waits until the loop of a connection has done what it was told."""
    done = threading.Event()
    conn.loop.execute(done.set)
    assert done.wait(30)


@pytest.mark.parametrize("form", [UDP, "udp4://:0", "udp://:0", "udp://localhost:0"])
def test_echo_whole_datagrams_of_every_size(serve, peer, form, longest):
    engine = serve(Echo(), form)
    assert engine.addresses[0].port
    assert engine.addresses[0].network == form.partition(":")[0]
    client = peer(engine)
    for size in (1, 0, 1472, 2112, 2113, 9000, longest):
        data = os.urandom(size)
        assert client.ask(data) == data


@pytest.mark.parametrize("form", ["udp6://[::1]:0", "udp6://:0", "udp://[::1]:0"])
def test_echo_over_ipv6(serve, peer, ipv6, form, longest):
    client = peer(serve(Echo(), form), host="::1")
    for data in (b"six", b"", os.urandom(min(longest, 60_000))):
        assert client.ask(data) == data


def test_dual_stack_tells_either_family(serve, peer, ipv6):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(str(conn.remote_address).encode()) and None)
    engine = serve(handler, "udp://:0")
    for host in ("127.0.0.1", "::1"):
        client = peer(engine, host=host)
        assert client.ask(b"who am I") == str(client.address).encode()


def test_each_datagram_is_one_on_traffic_and_nothing_else(serve, peer):
    handler = RecordingHandler()
    client = peer(serve(handler, UDP))
    for data in (b"one", b"", b"three"):
        client.send(data)
    handler.wait_for("on_traffic", 3)
    assert handler.details("on_traffic") == [b"one", b"", b"three"]
    assert set(handler.names()) == {"on_boot", "on_traffic"}
    conns = [event.conn for event in handler.events if event.name == "on_traffic"]
    assert len({id(conn) for conn in conns}) == len({conn.id for conn in conns}) == 3


def test_facts_of_a_datagram(serve, peer):
    seen = []

    def on_traffic(conn):
        assert conn.context is None
        conn.context = "mine"
        seen.append((conn.network, conn.closed, conn.close_reason, conn.inbound_buffered, conn.writable))
        conn.write(b"ok")

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(handler, UDP)
    client = peer(engine)
    assert client.ask(b"four") == b"ok"
    conn = handler.wait_for("on_traffic").conn
    assert seen == [("udp", False, None, 4, True)]
    assert conn.context == "mine"
    assert conn.id == conn.id
    assert conn.loop is engine.loops[0]
    assert conn.remote_address == client.address
    assert conn.local_address == Address("udp", "127.0.0.1", engine.addresses[0].port)
    assert (engine.connection_count, engine.get(conn.id)) == (0, None)
    engine.stop()
    assert (conn.closed, conn.close_reason) == (True, CloseReason.SHUTDOWN)
    assert conn.remote_address == client.address, "the address is lost with the socket"


def test_ids_are_unique_beside_those_of_streams(serve, peer, dial):
    handler = RecordingHandler()
    engine = serve(handler, UDP, "tcp://127.0.0.1:0")
    client = peer(engine)
    client.send(b"a")
    first = handler.wait_for("on_traffic").conn.id
    dial(engine, 1)
    stream = handler.wait_for("on_open").conn.id
    client.send(b"b")
    assert len({first, stream, handler.wait_for("on_traffic", 2).conn.id}) == 3


def test_ways_of_reading(serve, peer):
    seen = []

    def on_traffic(conn):
        room = bytearray(2)
        with pytest.raises(ShortBufferError):
            conn.peek(11)
        seen.append(bytes(conn.peek(3)))
        seen.append(conn.read(1))
        seen.append((conn.read_into(room), bytes(room)))
        seen.append(bytes(conn.next(2)))
        seen.append((conn.discard(1), conn.inbound_buffered))
        file = io.BytesIO()
        seen.append((conn.write_to(file), file.getvalue()))
        seen.append((conn.read(), bytes(conn.peek()), conn.discard(5)))
        conn.write(b"done")

    client = peer(serve(RecordingHandler(on_traffic=on_traffic), UDP))
    assert client.ask(b"0123456789") == b"done"
    assert seen == [b"012", b"0", (2, b"12"), b"34", (1, 4), (4, b"6789"), (b"", b"", 0)]


def test_views_and_unread_bytes_are_gone_after_the_callback(serve, peer):
    views = []

    def on_traffic(conn):
        views.append(conn.peek())
        views.append(conn.next(2))
        conn.write(views[0])

    handler = RecordingHandler(on_traffic=on_traffic)
    client = peer(serve(handler, UDP))
    assert client.ask(b"left unread") == b"left unread"
    conn = handler.wait_for("on_traffic").conn
    settled(conn)
    assert (conn.inbound_buffered, conn.read()) == (0, b"")
    for view in views:
        with pytest.raises(ValueError, match="released"):
            view[0]


def test_ways_of_writing(serve, peer, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(b"from a file")

    def on_traffic(conn):
        mutable = bytearray(b"mutable")
        assert conn.write(mutable) == 7
        mutable[:] = b"changed"
        assert conn.writev([b"gath", b"", bytearray(b"ered")]) == 8
        assert conn.writev([b""]) == conn.writev([]) == 0
        with path.open("rb") as file:
            assert conn.read_from(file) == 11
        assert conn.outbound_buffered == 7 + 8 + 11
        conn.flush()
        assert conn.outbound_buffered == 0
        conn.write(memoryview(b"last").cast("H"))

    client = peer(serve(RecordingHandler(on_traffic=on_traffic), UDP))
    client.send(b"go")
    assert [client.receive() for _ in range(5)] == [b"mutable", b"gathered", b"", b"from a file", b"last"]


@pytest.mark.parametrize("form", [UDP, "udp://:0"])
def test_send_to_others(serve, peer, form):
    def on_traffic(conn):
        assert conn.send_to(b"for " + conn.peek(), Address.parse(str(conn.read(), "ascii"))) > 4

    engine = serve(RecordingHandler(on_traffic=on_traffic), form)
    one, other = peer(engine), peer(engine)
    text = str(other.address).encode()
    one.send(text)
    assert other.receive() == b"for " + text


def test_send_to_needs_an_address_that_can_be_reached(serve, peer):
    def on_traffic(conn):
        for bad, expected in (
            ("udp://localhost:1", ValueError),
            ("tcp://127.0.0.1:1", ValueError),
            ("udp://[::1]:1", UnsupportedOperationError),
        ):
            with pytest.raises(expected):
                conn.send_to(b"x", Address.parse(bad))
        conn.write(b"refused")

    assert peer(serve(RecordingHandler(on_traffic=on_traffic), UDP)).ask(b"") == b"refused"


def test_what_takes_more_than_a_datagram_says_so(serve, peer):
    calls = {
        "shutdown_write": (),
        "sendfile": (io.BytesIO(b"x"),),
        "pause_reading": (),
        "resume_reading": (),
        "set_deadline": (1,),
        "set_read_deadline": (1,),
        "set_write_deadline": (1,),
        "set_no_delay": (True,),
        "set_keep_alive": (False,),
    }

    def on_traffic(conn):
        for name, arguments in calls.items():
            with pytest.raises(UnsupportedOperationError, match=f"{name} needs a .*and this"):
                getattr(conn, name)(*arguments)
        conn.write(b"all refused")

    assert peer(serve(RecordingHandler(on_traffic=on_traffic), UDP)).ask(b"") == b"all refused"
