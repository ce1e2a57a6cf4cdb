"""Accepting, beside asyncio's own: the same callbacks in the same order, and the same of errors."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netcore.aio import EventLoop

pytestmark = pytest.mark.posix

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


@pytest.fixture(params=["stock", "netcore"])
def any_loop(request: pytest.FixtureRequest, new_loop: Callable[[], EventLoop]) -> Iterator[Any]:
    if request.param == "netcore":
        yield new_loop()
    else:
        loop = asyncio.SelectorEventLoop()
        yield loop
        loop.close()


class Peer(asyncio.Protocol):
    log: list[Any]

    def __init__(self) -> None:
        WHO.set(f"{WHO.get()}'s")
        self.log.append(("factory", WHO.get()))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.log.append(("made", WHO.get(), transport.get_extra_info("peername") is not None))

    def data_received(self, data: bytes) -> None:
        self.log.append(("data", data, WHO.get()))
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.log.append(("lost", error))


@pytest.fixture
def log() -> list[Any]:
    Peer.log = []
    return Peer.log


def serve(loop: Any, factory: Any = Peer, **how: Any) -> tuple[Any, Any]:
    server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, **how))
    return server, server.sockets[0].getsockname()


def until(loop: Any, condition: Callable[[], object]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(wait(), 30))


def end(loop: Any, server: Any) -> None:
    server.close()
    loop.run_until_complete(server.wait_closed())


def test_several_are_begun_in_their_order_in_contexts_of_their_own(any_loop: Any, log: list[Any]) -> None:
    async def begin() -> Any:
        WHO.set("the server")
        return await any_loop.create_server(Peer, "127.0.0.1", 0)

    server = any_loop.run_until_complete(begin())
    address = server.sockets[0].getsockname()
    clients = [socket.create_connection(address) for _ in range(3)]
    until(any_loop, lambda: len(log) == 6)
    who = "the server's"
    assert log == [("factory", who)] * 3 + [("made", who, True)] * 3
    assert WHO.get() == "nobody"
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
        client.settimeout(30)
        until(any_loop, lambda seen=number: len(log) == 7 + seen)
        assert client.recv(16) == b"%d" % number
    assert {entry[2] for entry in log[6:]} == {who}
    for client in clients:
        client.close()
    until(any_loop, lambda: log.count(("lost", None)) == 3)
    end(any_loop, server)


def test_a_listener_without_backlog_accepts(loop: EventLoop, log: list[Any]) -> None:
    server, address = serve(loop, backlog=0)
    with socket.create_connection(address):
        until(loop, lambda: len(log) == 2)
    until(loop, lambda: ("lost", None) in log)
    end(loop, server)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nobody closes its socket
@pytest.mark.parametrize("debug", [False, True])
def test_a_factory_that_fails_is_told_in_debug_mode(any_loop: Any, debug: bool) -> None:
    told: list[Any] = []
    called: list[Any] = []
    any_loop.set_exception_handler(lambda loop, context: told.append(context))
    any_loop.set_debug(debug)

    def factory() -> Any:
        called.append(True)
        raise ArithmeticError

    server, address = serve(any_loop, factory)
    with socket.create_connection(address) as client:
        until(any_loop, lambda: called)
        told_of = [(entry["message"], type(entry["exception"])) for entry in told]
        del told[:]
        gc.collect()
        client.settimeout(30)
        assert client.recv(1) == b""
    message = "Error on transport creation for incoming connection"
    assert told_of == ([(message, ArithmeticError)] if debug else [])
    end(any_loop, server)


class Exhausted:
    """A listener that is refused descriptors for a while."""

    def __init__(self, sock: socket.socket, times: int) -> None:
        self.sock = sock
        self.times = times

    def accept(self) -> Any:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


def test_without_descriptors_it_pauses(
    any_loop: Any, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    told: list[Any] = []
    any_loop.set_exception_handler(lambda loop, context: told.append(context["message"]))
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    listener = Exhausted(
        sock, 2 if isinstance(any_loop, EventLoop) else 1
    )  # which asks once, and asyncio again
    any_loop.call_soon(any_loop._start_serving, Peer, listener)
    with socket.create_connection(sock.getsockname()):
        until(any_loop, lambda: len(log) == 2)
        assert told == ["socket.accept() out of system resource"]
    until(any_loop, lambda: ("lost", None) in log)
    any_loop.remove_reader(sock)
    sock.close()
