"""Misuse of the loop and its transports: asyncio's own errors."""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from netcore.aio import EventLoop, run


async def nothing() -> None: ...


def test_a_second_loop_in_the_thread(new_loop: Callable[[], EventLoop]) -> None:
    other = new_loop()

    async def main() -> None:
        coroutine = nothing()
        with pytest.raises(RuntimeError, match="Cannot run the event loop while another loop is running"):
            other.run_until_complete(coroutine)
        coroutine.close()

    new_loop().run_until_complete(main())


def test_run_and_close_within_a_running_loop(loop: EventLoop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        coroutine = nothing()
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            run(coroutine)
        coroutine.close()

    loop.run_until_complete(main())


def test_a_closed_loop(new_loop: Callable[[], EventLoop]) -> None:
    loop = new_loop()
    loop.close()
    loop.close()
    coroutine = nothing()
    for call in (
        lambda: loop.call_soon(print),
        lambda: loop.call_later(1, print),
        lambda: loop.call_at(1, print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.run_until_complete(coroutine),
        loop.run_forever,
        lambda: loop.add_reader(0, print),
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()
    coroutine.close()


def test_a_future_of_another_loop(new_loop: Callable[[], EventLoop]) -> None:
    loop, other = new_loop(), new_loop()
    with pytest.raises(ValueError, match="belongs to a different loop"):
        loop.run_until_complete(other.create_future())


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at"])
def test_another_thread_in_debug_mode(loop: EventLoop, name: str) -> None:
    loop.set_debug(True)
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            getattr(loop, name)(*([print] if name == "call_soon" else [1.0, print]))
        except RuntimeError as error:
            raised.append(error)

    async def main() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    loop.run_until_complete(main())
    assert "Non-thread-safe operation" in str(raised[0])


def test_odd_callbacks(loop: EventLoop) -> None:
    loop.set_debug(True)
    with pytest.raises(TypeError, match="coroutines cannot be used"):
        loop.call_soon(nothing)
    with pytest.raises(TypeError, match="a callable object was expected"):
        loop.call_soon(5)  # type: ignore[arg-type]


@pytest.fixture
def end(loop: EventLoop) -> Any:
    ours, theirs = socket.socketpair()
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    yield transport
    transport.abort()
    loop.run_until_complete(asyncio.sleep(0))
    theirs.close()


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_odd_writes(loop: EventLoop, end: Any, where: str) -> None:
    async def misuse() -> None:
        with pytest.raises(TypeError, match="data argument must be"):
            end.write("text")
        end.write_eof()
        with pytest.raises(RuntimeError, match="Cannot call write\\(\\) after write_eof\\(\\)"):
            end.write(b"x")

    if where == "inside":
        loop.run_until_complete(misuse())
    else:
        with pytest.raises(StopIteration):
            misuse().send(None)


def test_a_transport_after_its_end(loop: EventLoop, end: Any, caplog: pytest.LogCaptureFixture) -> None:
    write = end.write
    end.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    assert end.is_closing()
    end.close()
    end.abort()
    end.pause_reading()
    end.resume_reading()
    for _ in range(8):
        write(b"x")
        end.write(b"x")
    assert "socket.send() raised exception." in caplog.text
    assert end.get_write_buffer_size() == 0
    assert "closed" in repr(end)


def test_a_socket_that_has_a_transport(loop: EventLoop, end: Any) -> None:
    sock = end.get_extra_info("socket")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="is used by transport"):
            loop.add_reader(sock.fileno(), print)

    loop.run_until_complete(main())


def test_what_a_transport_shows(loop: EventLoop, end: Any) -> None:
    sock = end.get_extra_info("socket")
    assert end.get_extra_info("sockname") == sock.getsockname()
    assert end.get_extra_info("nothing", "default") == "default"
    assert f"fd={sock.fileno()}" in repr(end) and "read=polling" in repr(end)
    for it in (end, loop):
        with pytest.raises((TypeError, pickle.PicklingError), match=r"pickle|serialize"):
            pickle.dumps(it)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_nobody_closes(aio_half: str) -> None:
    loop = EventLoop()
    gone = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert gone() is None


@pytest.mark.parametrize("how", ["close", "abort"])
def test_nothing_keeps_a_transport_that_has_ended(loop: EventLoop, how: str) -> None:
    class Peer(asyncio.Protocol):
        """One that can be referred to weakly."""

    ours, theirs = socket.socketpair()
    transport, protocol = loop.run_until_complete(loop.create_connection(Peer, sock=ours))
    gone = weakref.ref(transport), weakref.ref(protocol)
    channel = weakref.ref(ours)
    transport.write(b"x")
    getattr(transport, how)()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    del transport, protocol, ours
    gc.collect()
    assert [reference() for reference in (*gone, channel)] == [None] * 3
    theirs.close()


def test_debug_mode_names_a_slow_protocol(loop: EventLoop, caplog: pytest.LogCaptureFixture) -> None:
    class Slow(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            loop.stop()

    loop.set_debug(True)
    loop.slow_callback_duration = -1.0
    ours, theirs = socket.socketpair()
    transport, _ = loop.run_until_complete(loop.create_connection(Slow, sock=ours))
    theirs.send(b"x")
    with caplog.at_level("WARNING", "asyncio"):
        loop.run_forever()
    assert "_read_ready" in caplog.text and "deliver" not in caplog.text
    transport.abort()
    loop.run_until_complete(asyncio.sleep(0))
    theirs.close()


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_callback_costs_no_bytes(loop: EventLoop, raised: type[BaseException]) -> None:
    got: dict[int, bytes] = {}
    armed = [True]

    class Peer(asyncio.Protocol):
        def __init__(self, number: int) -> None:
            self.number = number

        def data_received(self, data: bytes) -> None:
            got[self.number] = got.get(self.number, b"") + data
            if armed:
                armed.clear()
                raise raised

    pairs = [socket.socketpair() for _ in range(5)]

    async def main() -> list[Any]:
        made = [
            await loop.create_connection(lambda number=number: Peer(number), sock=ours)
            for number, (ours, _) in enumerate(pairs)
        ]
        return [transport for transport, _ in made]

    transports = loop.run_until_complete(main())
    for number, (_, theirs) in enumerate(pairs):
        theirs.send(b"%d" % number)
    with pytest.raises(raised):
        loop.run_forever()

    async def rest() -> None:
        while len(got) < 5:
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(rest(), 30))
    assert got == {number: b"%d" % number for number in range(5)}
    for transport in transports:
        transport.abort()
    loop.run_until_complete(asyncio.sleep(0))
    for _, theirs in pairs:
        theirs.close()


@pytest.mark.unix_sockets  # a pair on TCP takes a first send, though its peer has gone
def test_what_could_not_be_sent_is_told_at_once(loop: EventLoop) -> None:
    """A send fails at the iteration's end, when the loop has nothing to do but to tell of it."""
    lost = loop.create_future()

    class Peer(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            lost.set_result(error)

    ours, theirs = socket.socketpair()
    transport, _ = loop.run_until_complete(loop.create_connection(Peer, sock=ours))
    transport.pause_reading()
    theirs.close()
    loop.call_later(0.01, transport.write, b"x")
    assert isinstance(loop.run_until_complete(lost), ConnectionError)
