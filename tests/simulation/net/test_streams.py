"""TCP between simulated hosts: connecting, bytes, and what each call and poller says in each state."""

from __future__ import annotations

import errno
import socket

import pytest
from simulated import Yard

from netcore._platform import pack_linger
from netcore.poll import Readiness
from netcore.testing.simulation.net.sockets import SimulatedSocket

READABLE, WRITABLE, HANGUP, ERROR = Readiness.READABLE, Readiness.WRITABLE, Readiness.HANGUP, Readiness.ERROR


@pytest.fixture
def yard() -> Yard:
    return Yard(latency=0.01)


def readiness(yard: Yard, sock: object) -> Readiness:
    fd = sock.fileno()  # type: ignore[attr-defined]
    return Readiness(yard.network.descriptors.get(fd).endpoint.readiness())


def test_a_connection_takes_a_round_trip(yard: Yard) -> None:
    listener = yard.listener("server")
    client = yard.socket("client")
    server_ip = yard.network.addresses("server")[0]
    assert client.connect_ex((server_ip, 7000)) == errno.EINPROGRESS
    assert readiness(yard, client) == Readiness(0)
    assert client.connect_ex((server_ip, 7000)) == errno.EALREADY
    yard.run(0.0199)
    assert readiness(yard, client) == Readiness(0)
    assert readiness(yard, listener) == Readiness(0)
    yard.run(0.0002)
    assert readiness(yard, client) == WRITABLE
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert client.connect_ex((server_ip, 7000)) == 0
    assert client.connect_ex((server_ip, 7000)) == errno.EISCONN
    with pytest.raises(BlockingIOError), yard.on("server"):
        listener.accept()
    yard.run(0.01)
    assert readiness(yard, listener) == READABLE
    with yard.on("server"):
        accepted, name = listener.accept()
    assert name == client.getsockname() == (yard.network.addresses("client")[0], 49152)
    assert accepted.getpeername() == name
    assert accepted.getsockname() == client.getpeername() == (server_ip, 7000)
    accepted.close()
    client.close()
    listener.close()


def test_bytes_take_the_latency_and_come_in_order(yard: Yard) -> None:
    client, server = yard.pair()
    assert client.send(b"one ") == 4
    assert client.send(b"two") == 3
    with pytest.raises(BlockingIOError):
        server.recv(10)
    yard.run(0.011)
    assert readiness(yard, server) == READABLE | WRITABLE
    assert server.recv(10, socket.MSG_PEEK) == b"one two"
    assert server.recv(5) == b"one t"
    assert server.recv(5) == b"wo"
    with pytest.raises(BlockingIOError):
        server.recv(10)
    client.close()
    server.close()


def test_the_end_comes_behind_the_bytes(yard: Yard) -> None:
    client, server = yard.pair()
    client.send(b"bye")
    client.close()
    yard.run(0.011)
    assert server.recv(10) == b"bye"
    assert server.recv(10) == b""
    assert readiness(yard, server) == READABLE | WRITABLE
    server.close()
    yard.run()


def test_a_port_without_a_listener_refuses(yard: Yard) -> None:
    yard.host("server")
    client = yard.socket("client")
    client.connect_ex((yard.network.addresses("server")[0], 7000))
    yard.run(0.021)
    assert readiness(yard, client) == READABLE | WRITABLE | HANGUP | ERROR
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    client.close()


def test_a_reset_is_an_error_once(yard: Yard) -> None:
    client, server = yard.pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
    client.close()
    yard.run(0.011)
    assert readiness(yard, server) == READABLE | WRITABLE | HANGUP | ERROR
    with pytest.raises(ConnectionResetError):
        server.recv(10)
    assert server.recv(10) == b""
    with pytest.raises(BrokenPipeError):
        server.send(b"x")
    server.close()


@pytest.mark.skipif(not hasattr(socket, "MSG_ERRQUEUE"), reason="there is no queue of errors")
def test_the_queue_of_errors_is_empty_and_has_no_bytes(yard: Yard) -> None:
    client, server = yard.pair()
    client.send(b"hello")
    yard.run(0.011)
    with pytest.raises(BlockingIOError):
        server.recv(1, socket.MSG_ERRQUEUE)
    assert server.recv(10) == b"hello"
    client.close()
    server.close()


def test_blocking_calls_let_the_world_go_on(yard: Yard) -> None:
    listener = yard.listener("server")
    with yard.on("client"):
        client = SimulatedSocket(socket.AF_INET, socket.SOCK_STREAM)
        client.connect((yard.network.addresses("server")[0], 7000))
        client.sendall(b"hello")
    with yard.on("server"):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        assert accepted.recv(10) == b"hello"
        accepted.settimeout(1.5)
        began = yard.scheduler.now
        with pytest.raises(TimeoutError):
            accepted.recv(10)
        assert yard.scheduler.now == pytest.approx(began + 1.5)
    for each in (client, accepted, listener):
        each.close()


def test_a_socket_that_has_left_a_connection_is_as_good_as_new(yard: Yard) -> None:
    client, server = yard.pair()
    server.send(b"under way")
    client.send(b"last words")
    client.disconnect()
    assert readiness(yard, client) == WRITABLE | HANGUP
    listener = yard.listener("server", 7001)
    client.connect_ex((yard.network.addresses("server")[0], 7001))
    server.send(b"more")
    yard.run(1)
    assert server.recv(100) == b"last words"
    with pytest.raises(ConnectionResetError):
        server.recv(100)
    with yard.on("server"):
        accepted, _ = listener.accept()
    accepted.send(b"new")
    yard.run(1)
    assert client.recv(100) == b"new"
    for sock in (client, server, accepted, listener):
        sock.close()


def test_a_lost_reset_does_not_mix_an_old_connection_with_a_new_one(yard: Yard) -> None:
    client, server = yard.pair()
    listener = yard.listener("server", 7001)
    yard.losing["client", "server"].next = 1
    client.disconnect()
    client.connect_ex((yard.network.addresses("server")[0], 7001))
    yard.run(1)
    with yard.on("server"):
        accepted, _ = listener.accept()
    server.send(b"for nobody")
    accepted.send(b"new")
    yard.run(1)
    assert client.recv(100) == b"new"
    with pytest.raises(ConnectionResetError):
        server.recv(100)
    for sock in (client, server, accepted, listener):
        sock.close()


def test_every_step_of_a_connection_is_told(yard: Yard) -> None:
    told: list[str] = []

    def watch(host: str, sock: object, name: str) -> None:
        kernel = yard.host(host)
        kernel.watch(
            sock.fileno(),  # type: ignore[attr-defined]
            lambda fd: told.append(f"{name} {kernel.endpoint(fd).readiness()}"),
        )

    listener = yard.listener("server")
    client, refused = yard.socket("client"), yard.socket("client")
    watch("server", listener, "listener")
    watch("client", client, "client")
    watch("client", refused, "refused")
    server_ip = yard.network.addresses("server")[0]
    client.connect_ex((server_ip, 7000))
    refused.connect_ex((server_ip, 7001))
    yard.run(1)
    assert told == [
        f"client {int(WRITABLE)}",
        f"refused {int(READABLE | WRITABLE | HANGUP | ERROR)}",
        f"listener {int(READABLE)}",
    ]
    told.clear()
    with yard.on("server"):
        accepted, _ = listener.accept()
    accepted.send(b"x")
    accepted.close()
    yard.run(1)
    assert told == [f"client {int(READABLE | WRITABLE)}"] * 2
    told.clear()
    client.send(b"y")
    yard.run(1)
    assert told == [f"client {int(READABLE | WRITABLE | HANGUP | ERROR)}"]
    for sock in (client, refused, listener):
        sock.close()


def test_a_cause_is_named_by_what_it_causes(yard: Yard) -> None:
    client, server = yard.pair()
    client.send(b"abc")
    server.close()
    yard.run(1)
    client.close()
    events = yard.events()
    for each in events:
        if each.kind in ("deliver", "accept"):
            cause = events[each.cause]
            assert (cause.kind, each.kind) in {
                ("connect", "accept"),
                ("send", "deliver"),
                ("fin", "deliver"),
                ("rst", "deliver"),
            }
            assert (cause.host, cause.peer) == (each.peer, each.host)
    assert [each.kind for each in events[:5]] == ["connect", "accept", "connect", "send", "fin"]
    (sent,) = yard.events("send")
    assert (sent.flow, sent.size) == ("client:49152 > server:7000", 3)
