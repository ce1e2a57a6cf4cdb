"""Addresses that begin with kcp:// against kcp-go: engines and clients, over lines that lose and double."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import kcp_go
import pytest
from kcp_go import DIFFERENT, LINES, TIRELESS, USUAL
from kcp_net import Line
from kcp_relay import Relay

from netcore import Client, Conn, Engine, EventHandler
from netcore.kcp import KcpOptions

# The first of them may have to build the program.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(700)]

PATIENCE = 90


class Echo(EventHandler):
    """Sends back what comes, and counts who has come."""

    def __init__(self) -> None:
        self.opened = 0
        self._lock = threading.Lock()

    def on_open(self, conn: Conn) -> None:
        with self._lock:
            self.opened += 1

    def on_traffic(self, conn: Conn) -> None:
        conn.write(conn.read())


class Collected(EventHandler):
    """Keeps what each connection gets; a connection's context is told when that is `size` bytes."""

    def __init__(self, size: int) -> None:
        self.got: dict[Conn, bytearray] = {}
        self._size = size

    def on_traffic(self, conn: Conn) -> None:
        got = self.got.setdefault(conn, bytearray())
        got += conn.read()
        if len(got) >= self._size:
            conn.context.set()


Serve = Callable[..., Engine]


@pytest.fixture
def echo(serve: Serve) -> Callable[..., tuple[Echo, int]]:
    """Starts an echo; gives its handler and the number of its port."""

    def start(kcp: KcpOptions = USUAL, **options: object) -> tuple[Echo, int]:
        handler = Echo()
        # Whoever checks it goes without a word, and perhaps without the last receipts.
        engine = serve(handler, "kcp://127.0.0.1:0", kcp=kcp, shutdown_timeout=0.5, **options)
        return handler, engine.addresses[0].port

    return start


def exchange(server: int, count: int, size: int, kcp: KcpOptions) -> None:
    """Dials so often, sends on each connection something else, and asserts that each gets back its own."""
    handler = Collected(size)
    with Client(handler, kcp=kcp) as client:
        sent = {}
        for number in range(count):
            ended = threading.Event()
            conn = client.dial(f"kcp://127.0.0.1:{server}", context=ended)
            sent[conn] = random.Random(number).randbytes(size)
            conn.async_write(sent[conn])
        for conn, data in sent.items():
            assert conn.context.wait(PATIENCE), f"{len(handler.got.get(conn, b''))} of {size} bytes are back"
            assert handler.got[conn] == data


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_kcp_go_is_a_client_of_an_engine(echo: Callable[..., tuple[Echo, int]], line: Line) -> None:
    handler, port = echo()
    with Relay(port, line) as relay:
        kcp_go.check(relay.port, sessions=3, bytes=100_000, size=3000)
    assert relay.lost or not line.loss
    assert handler.opened == 3


class Late(Echo):
    """Answers after a while, and notes who had proven its address without an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.proven: list[bool] = []

    def on_traffic(self, conn: Conn) -> None:
        conn.loop.schedule(0.5, self.answer, conn, conn.read())

    def answer(self, conn: Conn, said: bytes) -> None:
        self.proven.append(conn.session._kcp.proven)  # type: ignore[attr-defined]
        conn.write(said)


def test_kcp_go_proves_its_address_without_an_answer(serve: Serve) -> None:
    handler = Late()
    engine = serve(handler, "kcp://127.0.0.1:0", kcp=USUAL, shutdown_timeout=0.5)
    kcp_go.check(engine.addresses[0].port, bytes=10, size=10)
    assert handler.proven == [True]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_kcp_go_serves_a_client(line: Line) -> None:
    with kcp_go.serving() as port, Relay(port, line) as relay:
        exchange(relay.port, 3, 100_000, USUAL)
    assert relay.lost or not line.loss


@pytest.mark.parametrize(("ours", "theirs"), DIFFERENT.values(), ids=DIFFERENT)
def test_an_engine_and_kcp_go_with_other_settings(
    echo: Callable[..., tuple[Echo, int]], ours: dict[str, object], theirs: dict[str, object]
) -> None:
    options = KcpOptions(dead_link=TIRELESS, **ours)  # type: ignore[arg-type]
    line = Line(loss=0.05, delay=0.001, jitter=0.002)
    _, port = echo(options)
    with Relay(port, line) as relay:
        kcp_go.check(relay.port, bytes=10_000, size=700, **theirs)
    with kcp_go.serving(**theirs) as port, Relay(port, line) as relay:
        exchange(relay.port, 1, 10_000, options)


def test_megabytes_to_an_engine_and_back(echo: Callable[..., tuple[Echo, int]]) -> None:
    _, port = echo()
    kcp_go.check(port, bytes=8_000_000, size=50_000)


def test_megabytes_to_kcp_go_and_back() -> None:
    with kcp_go.serving() as port:
        exchange(port, 1, 8_000_000, USUAL)


@pytest.mark.parametrize("loops", [1, 2])
def test_many_clients_of_kcp_go_at_once(echo: Callable[..., tuple[Echo, int]], loops: int) -> None:
    handler, port = echo(num_event_loops=loops)
    with Relay(port, LINES["a tenth lost"]) as relay:
        kcp_go.check(relay.port, sessions=40, bytes=10_000)
    assert handler.opened == 40


def test_many_connections_to_kcp_go_at_once() -> None:
    with kcp_go.serving() as port, Relay(port, LINES["a tenth lost"]) as relay:
        exchange(relay.port, 40, 10_000, USUAL)
