"""Datagram transports beside the standard library's: the same calls, the same callbacks."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netcore.aio import EventLoop
from netcore.aio.datagrams import PER_TURN, DatagramTransport, open_datagrams

pytestmark = pytest.mark.posix

BATCHES = pytest.mark.skipif(open_datagrams() is None, reason="a system call moves one datagram at a time")


class Log(asyncio.DatagramProtocol):
    """Notes what it is told of."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.act: Callable[[Any], object] = lambda event: None

    def note(self, *event: Any) -> None:
        self.events.append(event)
        self.act(event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.note("datagram", data, addr)

    def error_received(self, error: Exception) -> None:
        assert isinstance(error, OSError)
        self.note("error", type(error), error.errno)

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.note("lost", error)


@pytest.fixture(params=["stock", "netcore"])
def any_loop(request: pytest.FixtureRequest, new_loop: Callable[[], EventLoop]) -> Iterator[Any]:
    """Each test says the same of both, and so says what is the same."""
    if request.param == "netcore":
        yield new_loop()
    else:
        loop = asyncio.SelectorEventLoop()
        yield loop
        loop.close()


def run(loop: Any, seconds: float = 0.0) -> None:
    loop.run_until_complete(asyncio.sleep(seconds))


def until(loop: Any, condition: Callable[[], object]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(wait(), 30))


def endpoint(loop: Any, **how: Any) -> Log:
    _, protocol = loop.run_until_complete(loop.create_datagram_endpoint(Log, **how))
    assert isinstance(protocol, Log)
    return protocol


@pytest.fixture
def ends(any_loop: Any) -> Iterator[tuple[Log, Log]]:
    server = endpoint(any_loop, local_addr=("127.0.0.1", 0))
    client = endpoint(any_loop, remote_addr=server.transport.get_extra_info("sockname"))
    yield server, client
    for end in (server, client):
        end.transport.close()
    run(any_loop)


@BATCHES
def test_they_are_netcores(loop: EventLoop) -> None:
    end = endpoint(loop, local_addr=("127.0.0.1", 0))
    assert type(end.transport) is DatagramTransport
    end.transport.close()
    run(loop)


def test_many_come_in_order_with_their_sender(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends
    data = [b"%d" % number for number in range(3 * PER_TURN)]

    async def send() -> None:
        for datagram in data:
            client.transport.sendto(datagram)

    any_loop.run_until_complete(send())
    until(any_loop, lambda: len(server.events) == len(data))
    sender = client.transport.get_extra_info("sockname")
    assert server.events == [("datagram", datagram, sender) for datagram in data]


def test_replies(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends
    server.act = lambda event: server.transport.sendto(event[1].upper(), event[2])
    client.transport.sendto(b"before it runs")
    any_loop.call_soon(client.transport.sendto, b"from a callback")
    until(any_loop, lambda: len(client.events) == 2)
    address = server.transport.get_extra_info("sockname")
    assert [event[1] for event in client.events] == [b"BEFORE IT RUNS", b"FROM A CALLBACK"]
    assert {event[2] for event in client.events} == {address}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_is_sent_may_change_afterwards(any_loop: Any, ends: tuple[Log, Log], kind: Any) -> None:
    server, client = ends
    memory = bytearray(b"first")

    async def send() -> None:
        client.transport.sendto(kind(memory))
        memory[:] = b"later"

    any_loop.run_until_complete(send())
    until(any_loop, lambda: server.events)
    assert server.events[0][1] == b"first"


def test_ipv6_addresses_have_four_parts(any_loop: Any) -> None:
    try:
        server = endpoint(any_loop, local_addr=("::1", 0))
    except OSError:
        pytest.skip("no IPv6")
    client = endpoint(any_loop, local_addr=("::1", 0))
    address = server.transport.get_extra_info("sockname")

    async def send() -> None:
        client.transport.sendto(b"whole", address)
        client.transport.sendto(b"short", address[:2])

    any_loop.run_until_complete(send())
    until(any_loop, lambda: len(server.events) == 2)
    sender = client.transport.get_extra_info("sockname")
    assert len(sender) == 4
    assert [event[1:] for event in server.events] == [(b"whole", sender), (b"short", sender)]
    server.transport.close()
    client.transport.close()
    run(any_loop)


def test_names_are_looked_up_in_their_place(any_loop: Any) -> None:
    server = endpoint(any_loop, local_addr=("127.0.0.1", 0))
    client = endpoint(any_loop, local_addr=("127.0.0.1", 0))
    port = server.transport.get_extra_info("sockname")[1]

    async def send() -> None:
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            client.transport.sendto(host.encode(), (host, port))

    any_loop.run_until_complete(send())
    until(any_loop, lambda: len(server.events) == 3)
    assert [event[1] for event in server.events] == [b"127.0.0.1", b"localhost", b"127.0.0.1"]
    server.transport.close()
    client.transport.close()
    run(any_loop)


def test_unix_sockets(any_loop: Any, tmp_path: Path) -> None:
    names = [os.path.relpath(tmp_path / name) for name in ("server", "client")]
    server = endpoint(any_loop, local_addr=names[0], family=socket.AF_UNIX)
    client = endpoint(any_loop, local_addr=names[1], remote_addr=names[0], family=socket.AF_UNIX)
    client.transport.sendto(b"x" * 70000)
    until(any_loop, lambda: server.events)
    assert server.events == [("datagram", b"x" * 70000, names[1])]
    server.transport.close()
    client.transport.close()
    run(any_loop)


def test_nobody_there_is_told_and_ends_nothing(any_loop: Any) -> None:
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    client = endpoint(any_loop, remote_addr=probe.getsockname())
    probe.close()
    client.transport.sendto(b"anybody?")
    until(any_loop, lambda: client.events)
    assert client.events == [("error", ConnectionRefusedError, errno.ECONNREFUSED)]
    assert not client.transport.is_closing()
    client.transport.close()
    run(any_loop)


def test_one_that_is_too_long_is_told_and_the_others_leave(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends

    async def send() -> None:
        for datagram in (b"one", bytes(70000), b"two"):
            client.transport.sendto(datagram)

    any_loop.run_until_complete(send())
    until(any_loop, lambda: len(server.events) == 2)
    assert client.events == [("error", OSError, errno.EMSGSIZE)]
    assert [event[1] for event in server.events] == [b"one", b"two"]


def test_broadcast_needs_leave(any_loop: Any) -> None:
    end = endpoint(any_loop, local_addr=("127.0.0.1", 0))
    any_loop.call_soon(end.transport.sendto, b"x", ("255.255.255.255", 9))
    until(any_loop, lambda: end.events)
    assert end.events == [("error", PermissionError, errno.EACCES)]
    end.transport.close()
    run(any_loop)


def test_odd_arguments(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends

    async def send() -> None:
        with pytest.raises(TypeError, match="data argument must be"):
            client.transport.sendto("text")
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            client.transport.sendto(b"x", ("127.0.0.1", 1))
        client.transport.sendto(b"the peer", server.transport.get_extra_info("sockname"))

    any_loop.run_until_complete(send())
    until(any_loop, lambda: server.events)
    assert server.events[0][1] == b"the peer"


@pytest.mark.parametrize("address", [("127.0.0.1", 70000), ("127.0.0.1", "80"), ("127.0.0.1", 80.0), 5])
def test_an_odd_address_ends_it_with_its_error(any_loop: Any, address: Any) -> None:
    told: list[Any] = []
    any_loop.set_exception_handler(lambda loop, context: told.append(context["message"]))
    end = endpoint(any_loop, local_addr=("127.0.0.1", 0))
    any_loop.call_soon(end.transport.sendto, b"fine", ("127.0.0.1", 80))
    any_loop.call_soon(end.transport.sendto, b"x", address)
    until(any_loop, lambda: any(event[0] == "lost" for event in end.events))
    assert isinstance(end.events[-1][1], (TypeError, OverflowError))
    assert told == ["Fatal write error on datagram transport"]


def test_close_in_a_callback_ends_the_receiving(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends
    server.act = lambda event: server.transport.close()
    for _ in range(3):
        client.transport.sendto(b"x")
    until(any_loop, lambda: any(event[0] == "lost" for event in server.events))
    assert [event[0] for event in server.events] == ["datagram", "lost"]


def test_what_was_sent_leaves_before_the_end(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends

    async def send() -> None:
        client.transport.sendto(b"last")
        client.transport.abort()
        client.transport.sendto(b"too late")

    any_loop.run_until_complete(send())
    until(any_loop, lambda: server.events and client.events)
    assert client.events == [("lost", None)]
    assert [event[1] for event in server.events] == [b"last"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="such transports have no pause yet")
def test_a_pause_holds_the_rest(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends
    server.act = lambda event: server.transport.pause_reading()
    for number in range(3):
        client.transport.sendto(b"%d" % number)
    until(any_loop, lambda: server.events)
    run(any_loop, 0.01)
    assert len(server.events) == 1
    server.act = lambda event: None
    server.transport.resume_reading()
    until(any_loop, lambda: len(server.events) == 3)
    assert [event[1] for event in server.events] == [b"0", b"1", b"2"]


def test_an_exception_costs_no_other_datagram(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends
    told: list[Any] = []
    any_loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))

    def fail(event: Any) -> None:
        raise ArithmeticError

    server.act = fail
    for number in range(3):
        client.transport.sendto(b"%d" % number)
    until(any_loop, lambda: len(server.events) == 3)
    run(any_loop)
    assert [type(error) for error in told] == [ArithmeticError] * 3
    assert [event[1] for event in server.events] == [b"0", b"1", b"2"]


def test_an_interrupt_costs_no_datagram(any_loop: Any, ends: tuple[Log, Log]) -> None:
    server, client = ends

    def interrupt(event: Any) -> None:
        server.act = lambda event: None
        raise KeyboardInterrupt

    server.act = interrupt
    for number in range(3):
        client.transport.sendto(b"%d" % number)
    with pytest.raises(KeyboardInterrupt):
        until(any_loop, lambda: len(server.events) == 3)
    until(any_loop, lambda: len(server.events) == 3)
    assert [event[1] for event in server.events] == [b"0", b"1", b"2"]


def test_a_full_kernel_pauses_the_protocol_and_loses_nothing(any_loop: Any, tmp_path: Path) -> None:
    name = os.path.relpath(tmp_path / "theirs")
    theirs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.bind(name)
    theirs.settimeout(30)
    end = endpoint(any_loop, remote_addr=name, family=socket.AF_UNIX)
    end.transport.set_write_buffer_limits(high=64)

    async def send() -> None:
        for number in range(1000):
            end.transport.sendto(b"%d" % number)

    any_loop.run_until_complete(send())
    run(any_loop)
    assert end.events == [("pause",)]
    assert end.transport.get_write_buffer_size() > 0
    came = 0
    while came < 1000:
        assert theirs.recv(16) == b"%d" % came
        came += 1
        run(any_loop)
    if isinstance(any_loop, EventLoop) or sys.version_info[:3] != (3, 13, 0):  # which has a fault there
        assert end.events == [("pause",), ("resume",)]
        assert end.transport.get_write_buffer_size() == 0
    end.transport.close()
    run(any_loop)
    theirs.close()


class FullSockets:
    """Takes nothing for a while, and then has no memory, and then goes on."""

    def __init__(self, sockets: Any, codes: list[tuple[int, int]]) -> None:
        self.sockets = sockets
        self.codes = codes

    def send_datagrams(self, fd: int, chunks: Any, names: Any) -> Any:
        if not self.codes:
            return self.sockets.send_datagrams(fd, chunks, names)
        at, code = self.codes.pop(0)
        self.sockets.send_datagrams(fd, chunks[:at], names[:at])
        return [(at, -code)]


@BATCHES
@pytest.mark.parametrize(
    ("code", "lost", "errors"),
    [(errno.EAGAIN, [], []), (errno.ENOBUFS, [b"2"], [("error", OSError, errno.ENOBUFS)])],
)
def test_a_batch_that_ends_early(loop: EventLoop, code: int, lost: list[bytes], errors: list[Any]) -> None:
    server = endpoint(loop, local_addr=("127.0.0.1", 0))
    client = endpoint(loop, remote_addr=server.transport.get_extra_info("sockname"))
    batch = client.transport._batch
    real = batch.sockets
    batch.sockets = FullSockets(real, [(2, code)])
    data = [b"%d" % number for number in range(5)]

    async def send() -> None:
        for datagram in data:
            client.transport.sendto(datagram)

    loop.run_until_complete(send())
    batch.sockets = real
    left = [datagram for datagram in data if datagram not in lost]
    until(loop, lambda: len(server.events) == len(left))
    assert [event[1] for event in server.events] == left
    assert client.events == errors
    for end in (server, client):
        end.transport.close()
    run(loop)
