"""TCP on bad lines and with peers that crash: what is sent again and when, and what a program is told."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from simulated import Yard

from netcore.poll import Readiness
from netcore.sockets import set_keep_alive

ROUND_TRIP = 0.02
FIRST_TIMEOUT = 0.2 + ROUND_TRIP


@pytest.fixture
def yard() -> Yard:
    return Yard(latency=ROUND_TRIP / 2)


def times(yard: Yard, *kinds: str, host: str = "client") -> list[float]:
    """When events of some kinds happened on a host, counted from the first one of the last connection on."""
    return [round(each.time, 6) for each in yard.events(*kinds) if each.host == host]


def error_of(sock: Any) -> int:
    code: int = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code


def begin(yard: Yard, port: int = 7000) -> Any:
    client = yard.socket("client")
    assert client.connect_ex((yard.network.addresses("server")[0], port)) == errno.EINPROGRESS
    return client


def received(sock: Any) -> bytes:
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except BlockingIOError:
        pass
    return data


def test_a_host_that_is_down_is_asked_for_two_minutes(yard: Yard) -> None:
    client = begin(yard)
    yard.run(126.99)
    assert times(yard, "connect", "retransmit") == [0, 1, 3, 7, 15, 31, 63]
    assert error_of(client) == 0
    yard.run(0.02)
    assert error_of(client) == errno.ETIMEDOUT
    assert times(yard, "timeout") == [127]
    client.close()


def test_a_user_timeout_ends_the_asking(yard: Yard) -> None:
    client = yard.socket("client")
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2500)
    client.connect_ex((yard.network.addresses("server")[0], 7000))
    yard.run(10)
    assert times(yard, "timeout") == [2.5]
    assert error_of(client) == errno.ETIMEDOUT
    client.close()


def test_an_address_of_nobody_is_unreachable(yard: Yard) -> None:
    client = yard.socket("client")
    assert client.connect_ex(("10.0.200.200", 7000)) == errno.EINPROGRESS
    yard.run(2.9)
    assert error_of(client) == 0
    yard.run(0.2)
    assert error_of(client) == errno.EHOSTUNREACH
    client.close()


@pytest.mark.parametrize("lost", ["SYN", "SYN-ACK", "ACK"])
def test_a_step_of_the_handshake_that_is_lost_is_repeated(yard: Yard, lost: str) -> None:
    listener = yard.listener("server")
    yard.losing["client", "server"].next = lost == "SYN"
    yard.losing["server", "client"].next = lost == "SYN-ACK"
    client = begin(yard)
    if lost == "ACK":
        yard.run(0.015)
        yard.losing["client", "server"].next = 1
    yard.run(0.5)
    with yard.on("server"), pytest.raises(BlockingIOError):
        listener.accept()
    yard.run(0.6)
    with yard.on("server"):
        accepted, _ = listener.accept()
    assert client.connect_ex(accepted.getsockname()) == 0
    assert times(yard, "connect", host="client")[1] == pytest.approx(
        ROUND_TRIP if lost == "ACK" else 1 + ROUND_TRIP, abs=0.011
    )
    for sock in (client, accepted, listener):
        sock.close()


def test_bytes_complete_a_handshake_whose_last_step_is_lost(yard: Yard) -> None:
    listener = yard.listener("server")
    client = begin(yard)
    yard.run(0.015)
    yard.losing["client", "server"].next = 1
    yard.run(0.01)
    client.send(b"hello")
    yard.run(0.011)
    with yard.on("server"):
        accepted, _ = listener.accept()
        assert accepted.recv(10) == b"hello"
    yard.run()
    assert not yard.events("retransmit")
    for sock in (client, accepted, listener):
        sock.close()


def test_a_full_backlog_drops_who_asks(yard: Yard) -> None:
    listener = yard.listener("server", backlog=1)
    first = [begin(yard) for _ in range(2)]
    yard.run(0.1)
    late = begin(yard)
    yard.run(0.5)
    assert [each.detail for each in yard.events("drop")] == ["SYN: the backlog is full"]
    with yard.on("server"):
        accepted = [listener.accept()[0] for _ in range(2)]
    yard.run(0.6)
    with yard.on("server"):
        accepted.append(listener.accept()[0])
    assert accepted[2].getpeername() == late.getsockname()
    for sock in (*first, late, *accepted, listener):
        sock.close()


def test_a_lost_segment_comes_after_a_timeout_and_holds_up_the_next(yard: Yard) -> None:
    client, server = yard.pair()
    yard.losing["client", "server"].next = 1
    began = yard.scheduler.now
    client.send(b"one ")
    client.send(b"two")
    yard.run(0.2)
    assert received(server) == b""
    yard.run(0.1)
    assert received(server) == b"one two"
    assert times(yard, "retransmit") == [pytest.approx(began + FIRST_TIMEOUT)]
    client.close()
    server.close()


def test_a_cut_line_is_tried_with_doubled_timeouts_up_to_two_minutes(yard: Yard) -> None:
    client, server = yard.pair()
    yard.cut()
    began = yard.scheduler.now
    client.send(b"x")
    yard.run(1200)
    expected, at, timeout = [], 0.0, FIRST_TIMEOUT
    for _ in range(15):
        at += timeout
        expected.append(round(began + at, 6))
        timeout = min(2 * timeout, 120.0)
    assert times(yard, "retransmit") == [pytest.approx(each) for each in expected]
    assert times(yard, "timeout") == [pytest.approx(expected[-1] + 120)]
    assert Readiness.ERROR in Readiness(yard.host("client").endpoint(client.fileno()).readiness())
    with pytest.raises(TimeoutError) as told:
        client.recv(1)
    assert told.value.errno == errno.ETIMEDOUT
    client.close()
    server.close()


def test_what_is_cut_off_arrives_once_when_the_line_heals(yard: Yard) -> None:
    client, server = yard.pair()
    yard.cut()
    for i in range(20):
        client.send(b"%d," % i)
    yard.run(5)
    yard.heal()
    yard.run(10)
    assert received(server) == b"".join(b"%d," % i for i in range(20))
    client.close()
    server.close()


def test_under_way_is_lost_where_the_line_is_cut_at_the_arrival(yard: Yard) -> None:
    client, server = yard.pair()
    client.send(b"x")
    yard.run(0.005)
    yard.cut()
    yard.run(0.1)
    assert [each.detail for each in yard.events("drop")] == ["partitioned"]
    yard.heal()
    yard.run(1)
    assert received(server) == b"x"
    client.close()
    server.close()


def test_a_line_without_a_way_back_brings_bytes_once_and_ends_by_timeout(yard: Yard) -> None:
    client, server = yard.pair()
    yard.cut("server", "client", one_way=True)
    client.send(b"x")
    yard.run(100)
    assert received(server) == b"x"
    assert error_of(client) == 0
    yard.run(1100)
    assert received(server) == b""
    assert error_of(client) == errno.ETIMEDOUT
    client.close()
    server.close()


def test_a_user_timeout_ends_a_connection_that_is_not_acknowledged(yard: Yard) -> None:
    client, server = yard.pair()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000)
    yard.cut()
    began = yard.scheduler.now
    client.send(b"x")
    yard.run(100)
    assert times(yard, "timeout") == [pytest.approx(began + 3)]
    assert error_of(client) == errno.ETIMEDOUT
    client.close()
    server.close()


def test_a_slow_line_is_no_lost_one(yard: Yard) -> None:
    yard.links.path("client", "server").shape(latency=5.0)
    yard.links.path("server", "client").shape(latency=5.0)
    listener = yard.listener("server")
    client = begin(yard)
    yard.run(16)
    with yard.on("server"):
        accepted, _ = listener.accept()
        accepted.setblocking(False)
    client.send(b"x" * 200_000)
    yard.run(60)
    assert not yard.events("retransmit")
    assert len(received(accepted)) == 87_040
    for sock in (client, accepted, listener):
        sock.close()


def test_a_peer_that_has_crashed_is_silent_and_after_its_restart_resets(yard: Yard) -> None:
    client, _server = yard.pair()
    yard.host("server").crash()
    client.send(b"anybody?")
    yard.run(20)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    yard.host("server")
    yard.run(60)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    client.close()


def test_an_idle_connection_to_a_crashed_peer_learns_nothing(yard: Yard) -> None:
    client, _server = yard.pair()
    yard.host("server").crash()
    yard.run(100_000)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    client.close()


def test_keep_alive_notices_a_peer_that_is_gone(yard: Yard) -> None:
    client, _server = yard.pair()
    set_keep_alive(client, True, 60, 10, 3)
    began = yard.scheduler.now
    yard.run(600)
    assert error_of(client) == 0
    yard.host("server").crash()
    yard.run(600)
    assert error_of(client) == errno.ETIMEDOUT
    (when,) = times(yard, "timeout")
    assert began + 600 + 30 <= when <= began + 600 + 60 + 30
    client.close()


def test_keep_alive_learns_of_a_restart(yard: Yard) -> None:
    client, _server = yard.pair()
    set_keep_alive(client, True, 60, 10, 3)
    yard.host("server").crash()
    yard.host("server")
    yard.run(61)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    client.close()


def test_keep_alive_waits_while_bytes_come(yard: Yard) -> None:
    client, server = yard.pair()
    set_keep_alive(client, True, 60, 10, 3)
    for _ in range(10):
        yard.run(50)
        server.send(b"x")
    yard.run(1)
    yard.cut()
    yard.run(59 + 29)
    assert error_of(client) == 0
    yard.run(3)
    assert error_of(client) == errno.ETIMEDOUT
    client.close()
    server.close()


def test_a_reset_that_is_lost_is_found_out_by_who_sends(yard: Yard) -> None:
    client, server = yard.pair()
    server.send(b"unread")
    yard.run(0.1)
    yard.losing["client", "server"].next = 1
    client.close()
    yard.run(10)
    with pytest.raises(BlockingIOError):
        server.recv(1)
    server.send(b"x")
    yard.run(1)
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    server.close()


def test_a_reset_that_is_lost_is_asked_for_again_by_what_it_answers(yard: Yard) -> None:
    client, _ = yard.pair()
    yard.host("server").crash()
    yard.host("server")
    client.shutdown(socket.SHUT_WR)
    yard.losing["server", "client"].next = 1
    yard.run(0.1)
    assert error_of(client) == 0
    yard.run(1.0)
    assert error_of(client) == errno.ECONNRESET
    client.close()


def test_a_crash_gives_descriptors_and_ports_back(yard: Yard) -> None:
    old = yard.listener("server")
    client, _accepted = begin(yard), yard.run(1)
    yard.host("server").crash()
    assert len(yard.network.descriptors) == 1
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        old.accept()
    new = yard.listener("server")
    assert new.fileno() == old.fileno()
    old.close()
    again = begin(yard)
    yard.run(1)
    assert again.connect_ex(("10.0.0.1", 7000)) == 0
    for sock in (new, client, again):
        sock.close()


@pytest.mark.parametrize("lost", [False, True])
def test_a_client_that_has_given_up_resets_who_answers(yard: Yard, lost: bool) -> None:
    listener = yard.listener("server")
    client = begin(yard)
    yard.run(0.015)
    client.close()
    if lost:
        yard.losing["client", "server"].next = 1
    yard.run(0.02)
    server = yard.host("server")
    assert len(server.tcp_ports.holders(7000)) == 1 + lost
    yard.run(1.1)  # by when the answer has come once more
    assert len(server.tcp_ports.holders(7000)) == 1
    listener.close()


def test_who_does_not_complete_a_handshake_is_forgotten(yard: Yard) -> None:
    listener = yard.listener("server")
    begin(yard).detach()
    yard.run(0.015)
    yard.host("client").crash()
    yard.run(62)
    assert len(yard.host("server").tcp_ports.holders(7000)) == 2
    yard.run(2)
    assert len(yard.host("server").tcp_ports.holders(7000)) == 1
    assert times(yard, "retransmit", host="server") == [pytest.approx(0.01 + at) for at in (1, 3, 7, 15, 31)]
    listener.close()


def test_who_is_asked_after_a_restart_knows_of_no_handshake(yard: Yard) -> None:
    listener = yard.listener("server")
    begin(yard).detach()
    yard.run(0.015)
    yard.host("client").crash()
    yard.host("client")
    yard.run(1.5)
    assert len(yard.host("server").tcp_ports.holders(7000)) == 1
    listener.close()


def test_a_closed_end_does_not_wait_for_ever_for_the_peer(yard: Yard) -> None:
    client, server = yard.pair()
    client.close()
    yard.run(59)
    assert yard.host("client").tcp_ports.holders(49152)
    yard.run(2)
    assert not yard.host("client").tcp_ports.holders(49152)
    server.send(b"anybody?")
    yard.run(1)
    with pytest.raises(BrokenPipeError):
        server.send(b"x")
    server.close()


def test_a_closed_end_gives_up_bytes_that_nobody_takes(yard: Yard) -> None:
    client, server = yard.pair()
    client.send(bytes(80_000))
    yard.run(1)
    client.send(bytes(80_000))
    client.close()
    yard.run(1_000)
    assert not yard.host("client").tcp_ports.holders(49152)
    assert yard.scheduler.next_time() is None
    server.close()


def test_how_long_an_answer_takes_is_measured_anew(yard: Yard) -> None:
    slow, fast = Yard(latency=2.0), ROUND_TRIP / 2
    client, server = slow.pair()
    slow.links.link("client", "server", latency=fast)
    client.send(b"measured")
    slow.run(10)
    slow.links.link("client", "server", latency=fast, loss=1.0)
    client.send(b"lost")
    slow.links.link("client", "server", latency=fast)
    slow.run(2 * FIRST_TIMEOUT)
    assert received(server) == b"measuredlost"
    client.close()
    server.close()
