"""The batch of the transports: what goes through it, and what it leaves to them."""

import asyncio
import contextvars
import errno
import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from netcore._platform import pack_linger
from netcore.aio import EventLoop
from netcore.aio.batch import LARGE
from netcore.aio.exchange import PlainExchange
from netcore.aio.transport import StreamTransport


class Recorder(asyncio.Protocol):
    """Notes down what happens to it."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.on_data: Callable[[bytes], object] = lambda data: None

    def connection_made(self, transport: Any) -> None:
        self.transport: StreamTransport = transport

    def data_received(self, data: bytes) -> None:
        self.told.append(data)
        self.on_data(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(error)


class Ends:
    """Pairs of a transport on the loop and a plain socket that is its peer."""

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self.peers: list[socket.socket] = []

    def open(self, protocol: asyncio.BaseProtocol | None = None) -> tuple[Any, socket.socket]:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.settimeout(10)
        self.peers.append(peer)
        protocol = protocol or Recorder()
        self.loop._make_socket_transport(ours, protocol)
        self.turn(2)
        return protocol, peer

    def turn(self, times: int = 1) -> None:
        """Takes so many iterations, each of which looks at what is ready."""
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def run(self, function: Callable[[], object]) -> None:
        """Calls a function within an iteration."""
        self.loop.call_soon(function)
        self.turn()


@pytest.fixture
def ends(loop: EventLoop) -> Iterator[Ends]:
    ends = Ends(loop)
    yield ends
    for peer in ends.peers:
        peer.close()
    for transport in list(loop._transports.values()):
        transport.abort()
    ends.turn(3)


def test_writes_of_an_iteration_leave_together_at_its_end(ends: Ends) -> None:
    one, peer = ends.open()
    other, other_peer = ends.open()
    for sock in (peer, other_peer):
        sock.setblocking(False)
    early: list[object] = []

    def write() -> None:
        one.transport.write(b"a")
        other.transport.write(b"b")
        one.transport.write(bytearray(b"c"))
        one.transport.writelines([b"d", memoryview(b"e")])
        try:
            early.append(peer.recv(10, socket.MSG_PEEK))
        except BlockingIOError:
            early.append("nothing yet")

    ends.run(write)
    assert peer.recv(10) == b"acde"
    assert other_peer.recv(10) == b"b"


def test_whoever_asks_what_waits_has_it_sent(ends: Ends) -> None:
    one, peer = ends.open()
    sizes: list[int] = []

    def write() -> None:
        one.transport.write(b"x")
        sizes.append(one.transport.get_write_buffer_size())
        assert peer.recv(10) == b"x"

    ends.run(write)
    assert sizes == [0]


def test_a_large_write_is_sent_at_once_and_in_order(ends: Ends) -> None:
    one, peer = ends.open()

    def write() -> None:
        one.transport.write(b"small")
        one.transport.write(b"L" * LARGE)
        assert peer.recv(LARGE + 5, socket.MSG_WAITALL) == b"small" + b"L" * LARGE

    ends.run(write)


def test_writes_outside_of_a_run_leave_at_once(ends: Ends) -> None:
    one, peer = ends.open()
    one.transport.write(b"between two runs")
    assert peer.recv(100) == b"between two runs"


def test_what_the_kernel_does_not_take_waits_and_pauses_the_protocol(ends: Ends) -> None:
    one, peer = ends.open()
    total = 0

    def write() -> None:
        nonlocal total
        while "pause" not in one.told:
            one.transport.write(b"x" * 10000)
            total += 10000
        assert one.transport.get_write_buffer_size() > 0

    ends.run(write)
    received = 0
    while received < total:
        received += len(peer.recv(1 << 16))
        ends.turn()
    assert one.told == ["pause", "resume"]
    ends.run(lambda: one.transport.write(b"usual again"))
    assert peer.recv(100) == b"usual again"


def fill(sock: socket.socket) -> None:
    """Writes to a socket whatever its kernel takes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with suppress(BlockingIOError):
        while True:
            sock.send(b"." * 1000)


def empty(peer: socket.socket) -> bytes:
    """Reads what the peer of such a socket can get."""
    peer.setblocking(False)
    data = b""
    with suppress(BlockingIOError):
        while True:
            data += peer.recv(1 << 16)
    return data.replace(b".", b"")


FULL = pytest.mark.wine("a full socket makes room by itself", run=False)


def open_full(ends: Ends) -> tuple[Any, socket.socket]:
    """Opens a transport whose kernel takes nothing, and that pauses its protocol at the first byte."""
    one, peer = ends.open()
    one.transport.set_write_buffer_limits(0)
    fill(one.transport._sock)
    return one, peer


@FULL
def test_what_a_protocol_writes_when_it_is_paused_comes_after_what_was_written(ends: Ends) -> None:
    (one, _peer), (other, other_peer) = open_full(ends), open_full(ends)
    got = []

    def write_to_the_other() -> None:
        got.append(empty(other_peer))
        other.transport.write(b"2" * 1500)
        other.transport.get_write_buffer_size()

    def write() -> None:
        one.transport.write(b"x" * 1500)
        other.transport.write(b"1" * 1500)

    one.pause_writing = write_to_the_other
    ends.run(write)
    while len(b"".join(got)) < 3000:
        ends.turn()
        got.append(empty(other_peer))
    assert b"".join(got) == b"1" * 1500 + b"2" * 1500


@FULL
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_of_one_that_is_paused_loses_nobodys_bytes(ends: Ends, kind: type[BaseException]) -> None:
    pairs = [open_full(ends) for _ in range(3)]

    def leave() -> None:
        pairs[0][0].told.append("left")
        raise kind

    pairs[0][0].pause_writing = leave

    def write() -> None:
        for protocol, _ in pairs:
            protocol.transport.write(b"x" * 1500)

    with pytest.raises(kind):
        ends.run(write)
    assert [protocol.told for protocol, _ in pairs] == [["left"], ["pause"], ["pause"]]
    for _, peer in pairs:
        got = empty(peer)
        while len(got) < 1500:
            ends.turn()
            got += empty(peer)
        assert got == b"x" * 1500


@FULL
def test_one_that_cannot_keep_what_is_unsent_ends(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, _peer), (other, other_peer) = open_full(ends), open_full(ends)

    def fail(_chunk: bytes, _left: int) -> None:
        raise MemoryError

    monkeypatch.setattr(one.transport, "unsent", fail)
    ends.run(lambda: (one.transport.write(b"x" * 1500), other.transport.write(b"y" * 1500)))
    ends.turn(2)
    (error,) = one.told
    assert isinstance(error, OSError) and error.errno == errno.ENOMEM
    assert empty(other_peer) == b""
    ends.turn(2)
    assert empty(other_peer) == b"y" * 1500


def test_an_end_comes_after_what_was_written(ends: Ends) -> None:
    for end in ("write_eof", "close", "abort"):
        one, peer = ends.open()

        def write(end: str = end, one: Any = one) -> None:
            one.transport.write(b"last")
            getattr(one.transport, end)()

        ends.run(write)
        ends.turn(2)
        assert peer.recv(10) == b"last"
        assert peer.recv(10) == b""


def test_a_failed_send_ends_its_connection_alone(ends: Ends) -> None:
    one, peer = ends.open()
    other, other_peer = ends.open()
    one.transport.pause_reading()
    peer.close()

    def write() -> None:
        one.transport.write(b"x")
        one.transport.write(b"y")
        other.transport.write(b"z")

    while not one.told:  # a pair on TCP takes the first of them
        ends.run(write)
        ends.turn()
    assert isinstance(one.told[-1], ConnectionError)
    assert other_peer.recv(1) == b"z"
    assert other.told == []


@pytest.mark.unix_sockets  # a pair on TCP takes a first send, though its peer has gone
def test_what_a_failed_send_brings_about_does_not_wait_for_the_next_event(ends: Ends) -> None:
    one, peer = ends.open()
    one.connection_lost = lambda error: ends.loop.stop()
    one.transport.pause_reading()  # so that nothing but the send tells
    peer.close()
    ends.loop.call_soon(one.transport.write, b"x")
    late: list[str] = []
    timer = ends.loop.call_later(30, late.append, "by the timer")
    ends.loop.run_forever()
    timer.cancel()
    assert late == []


def test_what_a_pause_plans_does_not_wait_for_the_next_event(ends: Ends) -> None:
    one, _peer = ends.open()
    plans: list[str] = []
    late: list[str] = []

    def pause_writing() -> None:
        plans.append("paused")
        ends.loop.call_later(0, plans.append, "later")
        ends.loop.call_later(0, ends.loop.stop)

    with suppress(BlockingIOError):
        while True:
            one.transport._sock.send(b"x" * LARGE)
    one.pause_writing = pause_writing
    one.transport.set_write_buffer_limits(0)  # so that it is told by the batch, when it sends
    ends.loop.call_soon(one.transport.write, b"x")
    timer = ends.loop.call_later(30, late.append, "by the timer")
    ends.loop.run_forever()
    timer.cancel()
    assert plans == ["paused", "later"]
    assert late == []


def test_what_was_received_for_one_that_another_pauses_waits_for_it(ends: Ends) -> None:
    pairs = [ends.open() for _ in range(2)]
    (one, peer), (other, other_peer) = pairs
    one.on_data = lambda _: other.transport.pause_reading()
    other.on_data = lambda _: one.transport.pause_reading()
    peer.send(b"1")
    other_peer.send(b"2")
    ends.turn()
    assert sorted(one.told + other.told) in ([b"1"], [b"2"])
    paused = other if one.told else one
    paused.on_data = lambda _: None
    ends.turn(3)
    assert paused.told == []
    (peer if paused is one else other_peer).send(b"more")
    ends.run(paused.transport.resume_reading)
    ends.turn(2)
    assert b"".join(paused.told) in (b"1more", b"2more")


def test_what_was_received_for_one_that_another_closes_is_dropped(ends: Ends) -> None:
    (one, peer), (other, other_peer) = ends.open(), ends.open()
    one.on_data = lambda _: other.transport.abort()
    other.on_data = lambda _: one.transport.abort()
    peer.send(b"1")
    other_peer.send(b"2")
    ends.turn(3)
    assert sorted(map(repr, one.told + other.told)) in (["None", "b'1'"], ["None", "b'2'"])


def test_what_was_received_goes_to_the_protocol_of_the_moment(ends: Ends) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.got = b""
            self.room = bytearray(3)

        def get_buffer(self, hint: int) -> bytearray:
            return self.room

        def buffer_updated(self, n: int) -> None:
            self.got += self.room[:n]

    (one, peer), (other, other_peer) = ends.open(), ends.open()
    new = Buffered()

    def switch(transport: Any) -> None:
        transport.set_protocol(new)

    one.on_data = lambda _: switch(other.transport)
    other.on_data = lambda _: switch(one.transport)
    peer.send(b"from one")
    other_peer.send(b"of other")
    ends.turn()
    assert new.got in (b"from one", b"of other")
    assert len(one.told + other.told) == 1


def test_data_received_has_the_context_in_which_the_transport_was_made(ends: Ends) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[str] = []
    variable.set("of the maker")
    one, peer = ends.open()
    variable.set("later")
    one.on_data = lambda _: (seen.append(variable.get()), variable.set("kept"))
    for _ in range(2):
        peer.send(b"x")
        ends.turn()
    assert seen == ["of the maker", "kept"]


def test_an_exception_ends_its_connection_alone(ends: Ends) -> None:
    told: list[dict[str, Any]] = []
    ends.loop.set_exception_handler(lambda _, context: told.append(context))
    (one, peer), (other, other_peer) = ends.open(), ends.open()

    def fail(_: bytes) -> None:
        raise RuntimeError("why")

    one.on_data = fail
    peer.send(b"1")
    other_peer.send(b"2")
    ends.turn(3)
    (context,) = told
    assert context["message"] == "Fatal error: protocol.data_received() call failed."
    assert context["protocol"] is one and str(context["exception"]) == "why"
    assert str(one.told[-1]) == "why"
    assert other.told == [b"2"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_in_one_callback_loses_nobody_elses_bytes(ends: Ends, kind: type[BaseException]) -> None:
    pairs = [ends.open() for _ in range(5)]

    def leave(_: bytes) -> None:
        for protocol, _peer in pairs:
            protocol.on_data = lambda _: None
        raise kind

    for number, (protocol, peer) in enumerate(pairs):
        protocol.on_data = leave
        peer.send(b"%d" % number)
    with pytest.raises(kind):
        ends.loop.run_forever()
    ends.turn(3)
    assert [protocol.told for protocol, _ in pairs] == [[b"%d" % number] for number in range(5)]


def test_many_ends_with_much_each_are_all_served(ends: Ends) -> None:
    pairs = [ends.open() for _ in range(150)]
    sent = {}
    for number, (_, peer) in enumerate(pairs):
        peer.setblocking(False)
        sent[number] = bytes([number]) * (20000 if number % 3 else 50)
        assert peer.send(sent[number]) == len(sent[number])
    for (protocol, _), data in zip(pairs, sent.values(), strict=True):
        while sum(map(len, protocol.told)) < len(data):
            ends.turn()
        assert b"".join(protocol.told) == data
    for number, (_, peer) in enumerate(pairs):
        peer.send(sent[number])
        peer.shutdown(socket.SHUT_WR)
    for (protocol, _), data in zip(pairs, sent.values(), strict=True):
        while "eof" not in protocol.told:
            ends.turn()
        assert b"".join(protocol.told[: protocol.told.index("eof")]) == 2 * data


def test_a_wait_within_the_last_delivery_of_many_is_one_like_any_other(ends: Ends) -> None:
    pairs = [ends.open() for _ in range(150)]
    told: list[bytes] = []

    def wait_again(data: bytes) -> None:
        told.append(data)
        if len(told) == len(pairs):
            for _, peer in pairs:
                peer.send(b"2")
            assert not ends.loop._batch.wait(0.0, [])

    for protocol, peer in pairs:
        protocol.on_data = wait_again
        peer.send(b"1")
    ends.turn(4)
    assert [protocol.told for protocol, _ in pairs] == [[b"1", b"2"]] * len(pairs)


def test_the_number_of_a_socket_that_somebody_closes_is_nobody_elses_yet(ends: Ends) -> None:
    one, peer = ends.open()
    sock = one.transport._sock
    number = sock.fileno()
    sock.close()
    other, other_peer = socket.socketpair()
    with other, other_peer:
        assert number not in (other.fileno(), other_peer.fileno())
        ends.run(lambda: one.transport.write(b"secret"))
        assert peer.recv(10) == b"secret"
        ends.run(one.transport.close)
        ends.turn(2)
        assert one.told == [None] and peer.recv(10) == b""
    assert sock.fileno() == -1


def test_a_transport_that_is_dropped_closes_its_socket(new_loop: Callable[[], EventLoop]) -> None:
    loop = new_loop()
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with peer:
        transport = loop._make_socket_transport(ours, Recorder())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        with pytest.warns(ResourceWarning, match="unclosed transport"):
            del transport
            gc.collect()
        assert ours.fileno() == -1


def test_a_socket_that_lingers_is_closed_without_waiting(ends: Ends) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    with peer:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(600))
        protocol = Recorder()
        transport = ends.loop._make_socket_transport(ours, protocol)
        ends.turn(2)

        def write() -> None:
            while not transport.get_write_buffer_size():
                transport.write(b"x" * LARGE)
            transport.abort()

        ends.run(write)
        ends.turn(2)
        assert protocol.told[-1] is None and ours.fileno() == -1


def on_another_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_what_another_thread_writes_is_left_to_the_loops(ends: Ends) -> None:
    one, peer = ends.open()
    data = bytearray(b"2")

    def elsewhere() -> None:
        one.transport.write(data)
        one.transport.writelines([b"3", bytearray(b"4")])
        assert one.transport.get_write_buffer_size() == 0
        with pytest.raises(TypeError):
            one.transport.write("no bytes")
        one.transport.write_eof()

    def write() -> None:
        one.transport.write(b"1")
        on_another_thread(elsewhere)
        data[:] = b"x"

    ends.run(write)
    ends.turn(3)
    assert peer.recv(10) == b"1234"
    assert peer.recv(10) == b""


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_another_thread_ends_is_left_to_the_loops_or_refused(ends: Ends, end: str) -> None:
    one, peer = ends.open()

    def write() -> None:
        one.transport.write(b"1")
        on_another_thread(getattr(one.transport, end))
        one.transport.write(b"2")

    ends.run(write)
    ends.turn(3)
    assert one.told == [None] and peer.recv(10) == b"12"
    other, _ = ends.open()
    refused: list[str] = []

    def try_to() -> None:
        try:
            getattr(other.transport, end)()
        except RuntimeError as error:
            refused.append(str(error))

    ends.loop.set_debug(True)
    ends.run(lambda: on_another_thread(try_to))
    ends.loop.set_debug(False)
    assert len(refused) == 1 and "Non-thread-safe operation" in refused[0]


def test_a_receive_that_has_no_memory_is_an_error_of_its_connection() -> None:
    class Poor(socket.socket):
        def recv(self, *_: Any) -> bytes:
            raise MemoryError

    class End:
        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock
            self.fd = sock.fileno()

    one, two = socket.socketpair()
    with one, two, Poor(fileno=one.detach()) as poor:
        assert PlainExchange().receive([End(poor), End(poor)]) == [-errno.ENOMEM, -errno.ENOMEM]


def test_messages_alone_do_not_keep_the_loop_from_timers_and_stops(ends: Ends) -> None:
    one, peer = ends.open()
    rounds = 0

    def ping(_: bytes) -> None:
        nonlocal rounds
        rounds += 1
        peer.send(b"again")

    one.on_data = ping
    fired: list[int] = []
    ends.loop.call_later(0.01, fired.append, 1)

    def stop() -> None:
        if rounds > 1:
            ends.loop.stop()
        else:
            ends.loop.call_later(0.01, stop)

    ends.loop.call_later(0.02, stop)
    peer.send(b"begin")
    ends.loop.run_forever()
    assert fired == [1]
    one.on_data = lambda _: (ping(b""), ends.loop.stop())
    before = rounds
    ends.loop.run_forever()
    assert rounds == before + 1


def test_a_transport_in_debug_mode_has_a_callback_of_its_own(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    one, peer = ends.open()
    ends.loop.set_debug(True)
    ends.loop.slow_callback_duration = 0.0
    peer.send(b"slow")
    ends.turn(2)
    assert one.told == [b"slow"]
    assert "_read_ready" in caplog.text
    ends.loop.set_debug(False)
    peer.send(b"fast")
    ends.turn(2)
    assert one.told == [b"slow", b"fast"]


class Small(asyncio.BufferedProtocol):
    """Has room for three bytes at a time, and pauses when told to."""

    def __init__(self, pause_after: int = 99) -> None:
        self.got: list[bytes] = []
        self.room = bytearray(3)
        self.left = pause_after

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, hint: int) -> bytearray:
        return self.room

    def buffer_updated(self, n: int) -> None:
        self.got.append(bytes(self.room[:n]))
        self.left -= 1
        if not self.left:
            self.transport.pause_reading()


def test_a_buffered_protocol_is_filled_step_by_step_until_it_pauses(ends: Ends) -> None:
    protocol, peer = ends.open(Small(pause_after=2))
    peer.send(b"12345678")
    ends.turn(3)
    assert protocol.got == [b"123", b"456"]
    ends.run(protocol.transport.resume_reading)
    ends.turn(2)
    assert protocol.got == [b"123", b"456", b"78"]
    peer.send(b"9")
    ends.turn(2)
    assert protocol.got[-1] == b"9"


@pytest.mark.parametrize("paused", [False, True])
def test_an_exit_in_a_step_leaves_the_rest_to_later_ones(ends: Ends, paused: bool) -> None:
    protocol, peer = ends.open(Small(pause_after=1 if paused else 99))
    peer.send(b"12345678")
    if paused:
        ends.turn(2)
        assert protocol.got == [b"123"]
        protocol.transport.resume_reading()
    updated = protocol.buffer_updated

    def leave(n: int) -> None:
        protocol.buffer_updated = updated
        updated(n)
        raise KeyboardInterrupt

    protocol.buffer_updated = leave
    with pytest.raises(KeyboardInterrupt):
        ends.loop.run_forever()
    peer.send(b"9")
    ends.turn(4)
    assert b"".join(protocol.got) == b"123456789"


def test_what_was_held_is_not_overtaken_after_an_exit(ends: Ends) -> None:
    protocol, peer = ends.open(Small())
    pauser, pausers_peer = ends.open()
    pauser.on_data = lambda _: protocol.transport.pause_reading()
    pausers_peer.send(b"x")
    peer.send(b"12345")
    ends.turn(2)
    peer.send(b"67")
    updated = protocol.buffer_updated

    def leave(n: int) -> None:
        protocol.buffer_updated = updated
        updated(n)
        raise KeyboardInterrupt

    protocol.buffer_updated = leave
    with pytest.raises(KeyboardInterrupt):
        ends.run(protocol.transport.resume_reading)
        ends.turn(3)
    ends.turn(4)
    assert b"".join(protocol.got) == b"1234567"


@pytest.mark.parametrize("step", ["get_buffer", "buffer_updated"])
def test_what_a_buffered_protocol_raises_ends_its_connection(ends: Ends, step: str) -> None:
    told: list[dict[str, Any]] = []
    ends.loop.set_exception_handler(lambda _, context: told.append(context))
    protocol, peer = ends.open(Small())

    def fail(_: int) -> bytearray:
        raise RuntimeError("why")

    setattr(protocol, step, fail)
    peer.send(b"x")
    ends.turn(3)
    assert [context["message"] for context in told] == [f"Fatal error: protocol.{step}() call failed."]
    assert protocol.transport.is_closing()


def connect(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address)
    sock.settimeout(10)
    return sock


def serve(loop: EventLoop, factory: Callable[[], asyncio.BaseProtocol]) -> tuple[asyncio.Server, Any]:
    server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, backlog=50))
    return server, server.sockets[0].getsockname()


def test_connections_are_accepted_many_at_a_time(ends: Ends) -> None:
    made: list[Recorder] = []

    def factory() -> Recorder:
        made.append(Recorder())
        return made[-1]

    server, address = serve(ends.loop, factory)
    peers = [connect(address) for _ in range(20)]
    while len(made) < len(peers):
        ends.turn()
    ends.turn(2)
    names = {protocol.transport.get_extra_info("peername") for protocol in made}
    assert names == {peer.getsockname() for peer in peers}
    for protocol in made:
        protocol.transport.abort()
    ends.turn(2)
    server.close()
    for peer in peers:
        assert peer.recv(1) == b""
        peer.close()


@pytest.mark.parametrize("debug", [False, True])
def test_a_factory_that_fails_costs_its_connection_alone(ends: Ends, debug: bool) -> None:
    told: list[dict[str, Any]] = []
    ends.loop.set_exception_handler(lambda _, context: told.append(context))
    made: list[Recorder] = []
    ends.loop.set_debug(debug)

    def factory() -> Recorder:
        made.append(Recorder())
        if len(made) == 1:
            raise RuntimeError("why")
        return made[-1]

    server, address = serve(ends.loop, factory)
    peers = [connect(address) for _ in range(2)]
    while len(made) < 2:
        ends.turn()
    ends.turn(2)
    assert peers[0].recv(1) == b""
    peers[1].send(b"x")
    while not made[1].told:
        ends.turn()
    assert made[1].told == [b"x"]
    assert [str(context["exception"]) for context in told] == (["why"] if debug else [])
    made[1].transport.abort()
    server.close()
    ends.turn(2)
    for peer in peers:
        peer.close()


def test_a_system_out_of_descriptors_is_told_and_asked_again_later(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    ends.loop.set_exception_handler(lambda _, context: told.append(context))
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.001)
    made: list[Recorder] = []

    def factory() -> Recorder:
        made.append(Recorder())
        return made[-1]

    server, address = serve(ends.loop, factory)
    real = socket.socket.accept
    # Netcore is told so, and so is asyncio's own way, to which it leaves the rest.
    failures = [OSError(errno.EMFILE, "Too many open files") for _ in range(2)]

    def accept(self: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    peer = connect(address)
    while not made:
        ends.turn()
    (context,) = told
    assert context["message"] == "socket.accept() out of system resource"
    assert context["exception"].errno == errno.EMFILE
    ends.turn(2)
    made[0].transport.abort()
    server.close()
    ends.turn(2)
    peer.close()


def test_empty_lines_keep_nothing_from_leaving(ends: Ends) -> None:
    one, peer = ends.open()

    def write() -> None:
        one.transport.writelines([])
        one.transport.writelines([b""])
        one.transport.writelines([b"", b"x" * LARGE, b""])
        one.transport.close()

    ends.run(write)
    ends.turn(2)
    assert peer.recv(LARGE, socket.MSG_WAITALL) == b"x" * LARGE
    assert peer.recv(1) == b""
    assert one.told == [None]
