"""Random histories of stream transports, on netcore's loop and on the stock one: in order.

A history is a list of iterations. In each the transport's owner does something, from a callback of the loop
or of the protocol, or the peer does. Where netcore defers a send to the end of the iteration, all that may
differ is when a call of the same iteration learns that the kernel is full or the peer has gone: so nobody
asks how much waits, or writes to a peer that has gone. What is compared is what the protocol is told, in
order, what calls return and raise, and how much the peer gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netcore.aio import EventLoop, exchange, halves

pytestmark = pytest.mark.posix

SIZES = st.sampled_from([0, 1, 5, 100, 16383, 16384, 70000, 400000])
OWN = st.one_of(
    st.tuples(st.just("write"), SIZES),
    st.tuples(st.just("write_memory"), SIZES),
    st.tuples(
        st.just("writelines"), st.lists(SIZES.filter(bool), max_size=3)
    ),  # asyncio trips over empty ones
    st.tuples(st.just("pause_reading")),
    st.tuples(st.just("resume_reading")),
    st.tuples(st.just("write_eof")),
    st.tuples(st.just("close")),
    st.tuples(st.just("abort")),
    st.tuples(st.just("set_protocol"), st.booleans()),
    st.tuples(st.just("set_write_buffer_limits"), st.sampled_from([0, 1, 1000, 65536])),
    st.tuples(st.just("get_write_buffer_limits")),
    st.tuples(st.just("is_closing")),
    st.tuples(st.just("is_reading")),
    st.tuples(st.just("fail")),
)
PEERS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from([1, 10, 5000])),
    st.tuples(st.just("end")),
    st.tuples(st.just("vanish")),
    st.tuples(st.just("read"), st.sampled_from([1000, 1000000])),
    st.tuples(st.just("nothing")),
)
HISTORIES = st.lists(
    st.tuples(
        st.lists(OWN, max_size=3),  # by call_soon
        st.lists(OWN, max_size=2),  # in the next callback of the protocol
        PEERS,
    ),
    min_size=1,
    max_size=8,
)


class Log:
    """What a protocol is told, and does about it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.plans: list[list[Any]] = []
        self.transport: Any = None
        self.gone = False

    def act(self, plan: list[Any]) -> None:
        for name, *arguments in plan:
            if name == "fail":
                raise ArithmeticError("as planned")
            self.do(name, *arguments)

    def do(self, name: str, *arguments: Any) -> None:
        transport = self.transport
        if self.gone and name.startswith("write"):
            return
        calls: dict[str, Callable[..., Any]] = {
            "write": lambda size: transport.write(bytes(size)),
            "write_memory": lambda size: transport.write(memoryview(bytearray(size))),
            "writelines": lambda sizes: transport.writelines([bytes(size) for size in sizes]),
            "set_protocol": lambda buffered: transport.set_protocol(
                BufferedPeer(self) if buffered else Peer(self)
            ),
            "set_write_buffer_limits": lambda high: transport.set_write_buffer_limits(high=high),
        }
        try:
            returned = calls.get(name, getattr(transport, name, None))(*arguments)
        except Exception as error:
            self.events.append((name, type(error)))
        else:
            self.events.append((name, returned))

    def note(self, *event: Any) -> None:
        self.events.append(event)
        if self.plans:
            self.act(self.plans.pop(0))


class Told:
    """The callbacks that both kinds of protocols have."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def connection_made(self, transport: Any) -> None:
        self.log.transport = transport
        self.log.note("made")

    def eof_received(self) -> bool:
        self.log.note("eof")
        return True

    def pause_writing(self) -> None:
        self.log.note("pause")

    def resume_writing(self) -> None:
        self.log.note("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.note("lost", type(error))


class Peer(Told, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.log.note("data", data)


class BufferedPeer(Told, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint: int) -> bytearray:
        self.buffer = bytearray(65536)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.log.note("data", bytes(self.buffer[:nbytes]))


def tell(loop: Any, history: list[Any]) -> tuple[list[Any], int, list[str]]:
    """Plays a history; returns what the protocol was told, what the peer got, and the loop's complaints."""
    log = Log()
    complaints: list[str] = []
    loop.set_exception_handler(lambda loop, context: complaints.append(type(context["exception"]).__name__))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    got = 0

    def act(plan: list[Any]) -> None:
        log.act(plan)

    def read(limit: int) -> int:
        taken = 0
        with contextlib.suppress(OSError):
            while taken < limit and (data := theirs.recv(min(limit - taken, 65536))):
                taken += len(data)
        return taken

    async def play() -> None:
        nonlocal got
        transport, _ = await loop.create_connection(lambda: Peer(log), sock=ours)
        for own, reaction, (what, *arguments) in history:
            log.plans = [list(reaction)] if reaction else []
            loop.call_soon(act, own)
            if what == "send":
                with contextlib.suppress(OSError):
                    theirs.send(bytes(arguments[0]))
            elif what == "end":
                with contextlib.suppress(OSError):
                    theirs.shutdown(socket.SHUT_WR)
            elif what == "vanish":
                log.gone = True
                theirs.close()
            for _ in range(7):
                await asyncio.sleep(0)
            if what == "read":
                got += read(arguments[0])
            for _ in range(6):
                await asyncio.sleep(0)
        log.plans = []
        transport.resume_reading()
        transport.close()
        for _ in range(2000):
            got += read(1 << 30)
            if any(event[0] == "lost" for event in log.events):
                break
            await asyncio.sleep(0)
        got += read(1 << 30)

    loop.run_until_complete(play())
    theirs.close()
    return log.events, got, complaints


def on(loop: Any, history: list[Any]) -> tuple[list[Any], int, list[str]]:
    try:
        return tell(loop, history)
    finally:
        loop.close()


@pytest.mark.parametrize("plain", [False, True], ids=["batched", "plain"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=HISTORIES)
def test_histories_are_the_same(
    aio_half: str, monkeypatch: pytest.MonkeyPatch, plain: bool, history: list[Any]
) -> None:
    if plain and aio_half == "python":
        monkeypatch.setattr(halves, "open_exchange", exchange.PlainExchange)
    assert on(EventLoop(), history) == on(asyncio.SelectorEventLoop(), history)
