"""Sessions of KCP against real engines: they are streams, whatever they are made of."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from netcore import (
    Action,
    CloseReason,
    ConnectionClosedError,
    Engine,
    EventHandler,
    Timeout,
    UnsupportedOperationError,
)
from netcore.kcp import KcpOptions
from netcore.proxy import ProxyHeader
from netcore.testing import RecordingHandler
from netcore.tls import client_context, server_context

KCP = "kcp://127.0.0.1:0"
QUICK = KcpOptions(interval=0.001)


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


def dialled(client, engine, index=0):
    return client.dial(str(engine.addresses[index]))


@pytest.mark.parametrize("form", [KCP, "kcp4://:0", "kcp://localhost:0", "kcp://:0", "kcp6://[::1]:0"])
@pytest.mark.parametrize("options", [QUICK, KcpOptions(stream=False, mtu=500)], ids=["stream", "messages"])
def test_an_echo_by_dial(serve, client, form, options):
    engine = serve(Echo(), form, kcp=options)
    assert engine.addresses[0].network == form.partition(":")[0]
    came = RecordingHandler()
    address = engine.addresses[0]
    host = address.host or "127.0.0.1"
    target = f"{address.network}://{f'[{host}]' if ':' in host else host}:{address.port}"
    conn = client(came, kcp=options).dial(target)
    data = os.urandom(100_000)
    conn.async_write(data[:1])
    conn.async_write(data[1:])
    wait_until(lambda: len(came.received()) == len(data))
    assert came.received() == data
    assert conn.network == "kcp"
    assert str(conn.remote_address).startswith("kcp://")
    assert conn.remote_address.port == address.port
    assert conn.bytes_received > 100_000 < conn.bytes_sent


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_each_side_knows_where_the_other_is(serve, client):
    served = RecordingHandler()
    engine = serve(served, "kcp://:0", kcp=QUICK)
    conn = client(RecordingHandler(), kcp=QUICK).dial(f"kcp://127.0.0.1:{engine.addresses[0].port}")
    conn.async_write(b"hello")
    there = served.wait_for("on_open").conn
    if os.name == "posix":  # elsewhere the system does not tell where a datagram came to
        assert there.local_address == conn.remote_address
    assert there.remote_address == conn.local_address
    assert there.peer_address == there.remote_address
    assert engine.connections() == [there]
    assert there.proxy is None
    assert there.tls is None
    assert there.fd == there.fd >= 0


def test_callbacks_come_in_order_and_once(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: (conn.read(), Action.CLOSE)[1])
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    peer.send(b"hello")
    peer.run_until(lambda: "on_close" in handler.names())
    assert handler.names() == ["on_boot", "on_open", "on_traffic", "on_close"]
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.LOCAL
    metrics = engine.metrics()
    assert metrics.accepted == metrics.closed_local == 1
    assert metrics.connections == 0


def test_datagrams_of_one_batch_are_one_callback(serve, kcp_peer):
    gate = threading.Event()
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    peer.send(b"0")
    handler.wait_for("on_traffic")
    waits = threading.Event()
    engine.loops[0].execute(
        lambda: (waits.set(), gate.wait(30))
    )  # so that all of the others wait in the kernel
    assert waits.wait(30)
    for i in range(1, 6):
        peer.send(b"%d" % i)
    gate.set()
    peer.run_until(lambda: not peer.kcp.waiting)
    assert handler.details("on_traffic") == [b"0", b"12345"]


def test_a_close_says_all_that_is_buffered(serve, kcp_peer):
    data = os.urandom(300_000)

    def say(conn):
        conn.read()
        conn.write(data)
        return Action.CLOSE

    handler = RecordingHandler(on_traffic=say)
    peer = kcp_peer(serve(handler, KCP, kcp=QUICK))
    peer.send(b"say")
    assert peer.receive(len(data)) == data
    peer.run_until(lambda: "on_close" in handler.names())
    assert handler.wait_for("on_close").detail is None


def test_a_close_waits_for_receipts_no_longer_than_its_time(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: (conn.write(conn.read()), Action.CLOSE)[1])
    engine = serve(handler, KCP, kcp=QUICK, close_timeout=0.1)
    kcp_peer(engine).send(b"and never again")
    end = handler.wait_for("on_close")
    assert isinstance(end.detail, TimeoutError)
    assert engine.metrics().closed_local == 1


def test_a_peer_that_is_not_there_ends_the_session(client):
    options = KcpOptions(interval=0.001, dead_link=3)
    handler = RecordingHandler()
    conn = client(handler, kcp=options).dial("kcp://127.0.0.1:9")  # which succeeds at once
    assert handler.names() == ["on_boot", "on_open"]
    conn.async_write(b"anybody there?")
    end = handler.wait_for("on_close")
    assert isinstance(end.detail, TimeoutError)
    assert conn.close_reason is CloseReason.ERROR


@pytest.mark.parametrize("which", ["kcp", "engine"])
def test_a_silent_peer_is_gone(serve, kcp_peer, which):
    options = KcpOptions(interval=0.001, idle_timeout=0.2 if which == "kcp" else 30)
    handler = RecordingHandler()
    more = {"idle_timeout": 0.2} if which == "engine" else {}
    engine = serve(handler, KCP, kcp=options, **more)
    kcp_peer(engine).send(b"hello")
    end = handler.wait_for("on_close")
    assert end.conn.close_reason is CloseReason.TIMEOUT
    assert isinstance(end.detail, TimeoutError)
    assert handler.details("on_timeout") == [Timeout.IDLE]


def test_writing_to_a_silent_peer_does_not_keep_it(serve, kcp_peer):
    options = KcpOptions(interval=0.001, idle_timeout=0.3)

    def again(conn):
        if not conn.closed:
            conn.write(b"x")
            conn.loop.schedule(0.02, again, conn)

    handler = RecordingHandler(on_open=again)
    kcp_peer(serve(handler, KCP, kcp=options)).send(b"hello")
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.TIMEOUT


def test_what_a_session_has_not(serve, client):
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK)
    conn = dialled(client(RecordingHandler(), kcp=QUICK), engine)
    for refused in (conn.shutdown_write, conn.dup, lambda: conn.set_no_delay(True)):
        with pytest.raises(UnsupportedOperationError):
            refused()
    with pytest.raises(UnsupportedOperationError):
        client(RecordingHandler()).dial(str(engine.addresses[0]), proxy=ProxyHeader(None, None, local=True))
    conn.close()
    wait_until(lambda: conn.closed)
    with pytest.raises((ConnectionClosedError, UnsupportedOperationError)):
        conn.shutdown_write()


def test_what_is_set_on_the_socket_is_set_for_all_of_a_listener(serve, kcp_peer):
    opened = []
    handler = RecordingHandler(
        on_open=opened.append, on_traffic=lambda conn: conn.write(conn.read()) and None
    )
    engine = serve(handler, KCP, kcp=QUICK)
    one, other = kcp_peer(engine), kcp_peer(engine)
    for peer in (one, other):
        peer.send(b"hello")
        assert peer.receive(5) == b"hello"
    first, second = opened
    first.set_read_buffer(50_000)
    first.set_write_buffer(60_000)
    first.set_linger(0)
    with second.borrowed() as shared:
        sizes = [
            shared.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_RCVBUF, socket.SO_SNDBUF)
        ]
    assert sizes in ([50_000, 60_000], [100_000, 120_000])  # Linux doubles them
    data = os.urandom(30_000)
    second.async_write(data, lambda conn, error: conn.close())
    assert other.receive(30_000) == data
    one.send(b"still here")
    assert one.receive(10) == b"still here"


def test_a_file_is_sent(serve, kcp_peer, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(200_000))

    def send(conn):
        conn.read()
        with path.open("rb") as file:
            conn.sendfile(file, 1000, 150_000)
        conn.write(b"end")

    peer = kcp_peer(serve(RecordingHandler(on_traffic=send), KCP, kcp=QUICK))
    peer.send(b"file")
    assert peer.receive(150_003) == path.read_bytes()[1000:151_000] + b"end"


def test_a_pause_closes_the_window_and_loses_nothing(serve, kcp_peer):
    options = KcpOptions(interval=0.001, receive_window=16, mtu=524)
    paused = threading.Event()

    def pause(conn):
        conn.pause_reading()
        paused.set()

    handler = RecordingHandler(on_open=pause)
    peer = kcp_peer(serve(handler, KCP, kcp=options), options=KcpOptions(interval=0.001, mtu=524))
    data = os.urandom(60_000)
    peer.send(data)
    assert paused.wait(30)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        peer.kcp.flush(time.monotonic())
        peer.look(0.01)
    conn = handler.wait_for("on_open").conn
    assert "on_traffic" not in handler.names()
    assert peer.kcp.waiting >= 60_000 // 500 - 2 * 16  # the window in order, and one behind it that is early
    conn.loop.execute(conn.resume_reading)
    peer.run_until(lambda: len(handler.received()) == len(data))
    assert handler.received() == data


def test_water_marks_and_the_maximum_hold(serve, kcp_peer):
    def fill(conn):
        conn.read()
        while conn.writable:
            conn.write(bytes(10_000))

    handler = RecordingHandler(on_traffic=fill)
    engine = serve(handler, KCP, kcp=QUICK, high_water=200_000, low_water=50_000)
    peer = kcp_peer(engine)
    peer.send(b"fill")
    conn = handler.wait_for("on_traffic").conn
    assert 200_000 <= conn.outbound_buffered < 250_000
    assert "on_writable" not in handler.names()
    assert len(peer.receive(200_000)) >= 200_000
    handler.wait_for("on_writable")

    handler = RecordingHandler(on_traffic=lambda conn: conn.write(bytes(2_000_000)) and None)
    engine = serve(handler, KCP, kcp=QUICK, high_water=100_000, low_water=50_000, max_outbound=1_000_000)
    kcp_peer(engine).send(b"fill")
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.OVERFLOW


def test_tls_can_be_put_on(serve, client, pki):
    server = server_context(pki.path("server.pem"), pki.path("server.key"))
    browser = client_context(pki.ca)

    def secure(conn):
        if conn.tls is None:
            conn.discard(5)
            conn.write(b"begin")
            conn.start_tls(server)
        else:
            conn.write(conn.read())

    engine = serve(RecordingHandler(on_traffic=secure), KCP, kcp=QUICK)
    secured = threading.Event()
    secret = []

    def go_on(conn):
        if conn.tls is None:
            assert conn.read() == b"begin"
            conn.start_tls(browser, server_hostname="server.example", callback=done)
        else:
            secret.append(conn.read())

    def done(conn, error):
        assert error is None
        conn.write(b"secret" * 10_000)
        secured.set()

    handler = RecordingHandler(on_traffic=go_on)
    conn = dialled(client(handler, kcp=QUICK), engine)
    conn.async_write(b"start")
    assert secured.wait(30)
    wait_until(lambda: len(b"".join(secret)) == 60_000)
    assert conn.tls.version == "TLSv1.3"


def test_a_stop_lets_sessions_end_in_order(kcp_peer):
    data = os.urandom(500_000)
    handler = RecordingHandler(on_traffic=lambda conn: (conn.read(), conn.write(data))[0])
    engine = Engine(handler, KCP, kcp=QUICK)
    engine.start()
    peer = kcp_peer(engine)
    peer.send(b"say")
    handler.wait_for("on_traffic")
    stopped = []
    stopping = threading.Thread(target=lambda: stopped.append(engine.stop(30)))
    stopping.start()
    assert peer.receive(len(data)) == data
    peer.run_until(lambda: not stopping.is_alive())
    assert stopped == [True]
    assert handler.wait_for("on_close").conn.close_reason is CloseReason.SHUTDOWN
    late = kcp_peer(engine)
    late.send(b"too late")
    assert late.look(0.2) is None


def test_sessions_outlive_their_listener(serve, kcp_peer):
    engine = serve(Echo(), KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    peer.send(b"one")
    assert peer.receive(3) == b"one"
    newcomer = kcp_peer(engine)
    engine.stop_listening(engine.addresses[0])
    peer.send(b"two")
    assert peer.receive(3) == b"two"
    newcomer.send(b"three")
    assert newcomer.look(0.2) is None


def test_several_loops_share_a_port(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, KCP, kcp=QUICK, num_event_loops=2, reuse_port=True)
    peers = [kcp_peer(engine) for _ in range(40)]
    for peer in peers:
        peer.send(b"hello")
    assert all(peer.receive(5) == b"hello" for peer in peers)
    assert {conn.loop.index for conn in engine.connections()} <= {0, 1}
    assert len(engine.connections()) == 40


def test_descriptors_are_given_back(serve, client, open_descriptors):
    engine = serve(Echo(), KCP, kcp=QUICK)
    handler = RecordingHandler()
    dialler = client(handler, kcp=QUICK)
    before = open_descriptors(engine)
    conns = [dialled(dialler, engine) for _ in range(5)]
    for conn in conns:
        conn.async_write(b"x")
    handler.wait_for("on_traffic", 5)
    for conn in conns:
        conn.close()
    handler.wait_for("on_close", 5)
    wait_until(lambda: open_descriptors(engine) == before)


def test_that_nobody_is_there_is_nothing_to_log(client, caplog):
    handler = RecordingHandler()
    conn = client(handler, kcp=KcpOptions(interval=0.001, dead_link=4)).dial("kcp://127.0.0.1:9")
    conn.async_write(bytes(100_000))
    handler.wait_for("on_close")
    assert caplog.records == []
