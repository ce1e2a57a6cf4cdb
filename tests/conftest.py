"""What the tests share: a loop without a kernel, and engines that are stopped."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from netcore import Address, Conn, Engine, EventHandler
from netcore._native import COLD, MISSING
from netcore.connection import Limits
from netcore.eventloop import Listener, Loop, Phase, Shared, log_writer
from netcore.poll import open_poller, why_unavailable
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler

# How long an example takes says how busy the machine is, and nothing of netcore. One environment of tox takes
# more of them than the others: pytest --hypothesis-profile=thorough.
for name, examples in (("thorough", 100), ("quick", 40)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("quick")


def on_wine() -> bool:
    """Whether this is Windows only so far as Wine makes it."""
    windll = getattr(ctypes, "windll", None)
    return windll is not None and hasattr(windll.ntdll, "wine_get_version")


def _patient(socketpair: Callable[..., tuple[socket.socket, socket.socket]]) -> Callable[..., object]:
    """Wraps what makes pairs under Wine, where the end that has connected may not know so yet."""

    def make(*arguments: object, **named: object) -> object:
        for _ in range(10):
            with contextlib.suppress(OSError):
                return socketpair(*arguments, **named)
        return socketpair(*arguments, **named)

    return make


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background of a shell, say: what the tests start would inherit that, and netcore heeds it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if on_wine():
    socket.socketpair = _patient(socket.socketpair)  # type: ignore[assignment]


def _is_blind(forced: str | None) -> bool:
    return forced == "select" and not hasattr(select, "poll")


def _why_no_edges() -> str:
    try:
        poller = open_poller()
    except Exception:  # one that is asked for by the environment, and is not there: others tell
        return ""
    poller.close()
    return "" if poller.supports_edge else "the default poller has no edges"


SKIPPED = {
    "edges": _why_no_edges(),
    "native": MISSING,
    "posix": "of POSIX systems only" if sys.platform == "win32" else "",
    "unix_sockets": "" if hasattr(socket, "AF_UNIX") else "needs Unix sockets",
    "unasked": "select(2) tells nothing unasked" if _is_blind(os.environ.get("NETCORE_POLLER")) else "",
}
"""Marks, and why what has them is skipped here; empty where it is not."""


why_no_poller = cache(why_unavailable)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Applies the marks that depend on the system, and the mark ``fakes``.

    Everything is skipped where io_uring is forced and the system refuses it, as containers do by default.
    """
    wine = on_wine()
    for item in items:
        if "half" in getattr(item, "fixturenames", ()):
            item.add_marker("fakes")
        for name, reason in SKIPPED.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))
        for marker in item.iter_markers("poller"):
            if reason := why_no_poller(*marker.args):
                item.add_marker(pytest.mark.skip(reason=f"no {marker.args[0]}: {reason}"))
        difference = item.get_closest_marker("wine")
        if wine and difference:
            run = difference.kwargs.get("run", True)
            item.add_marker(pytest.mark.xfail(reason=f"Wine: {difference.args[0]}", run=run))
    forced = os.environ.get("NETCORE_POLLER")
    reason = why_no_poller(forced) if forced == "io_uring" else ""
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"NETCORE_POLLER={forced}: {reason}"))


@pytest.fixture(scope="session")
def _hypothesis_has_begun() -> None:
    """Has Hypothesis make its random numbers, for whose owner it looks among what is not frozen."""
    given(strategies.none())(lambda _: None)()


@pytest.fixture(scope="module", autouse=True)
def _nothing_old_is_collected(_hypothesis_has_begun: None) -> None:
    """Keeps the collector from looking, hundreds of times, at what there was before: tests, above all."""
    gc.collect()
    if hasattr(gc, "freeze"):  # which PyPy has not
        gc.freeze()


@pytest.fixture(autouse=True)
def told_nothing_yet() -> None:
    """Lets each test read complaints that an earlier one has caused as well."""
    vars(logging.getLogger("netcore")).pop("complaints", None)


@pytest.fixture
def known_to_wine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out, under Wine, the rules for sockets that it does not keep."""
    if on_wine():
        module = import_module("netcore.testing.conformance.check_sockets")
        broken = (
            "_resets",
            "_resets_where_the_linger_time_is_zero",
            "_reports_a_reset",
            "_reports_a_refusal",
            "_tells_the_peer",
        )
        for name in ("_RULES", "DATAGRAM_RULES", "CONNECT_RULES"):
            rules = tuple(rule for rule in getattr(module, name) if rule.__name__ not in broken)
            monkeypatch.setattr(module, name, rules)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


_load(Path(__file__).with_name("each_line.py"))  # from where test modules import it
_load(Path(__file__).with_name("movers.py"))
_load(Path(__file__).with_name("page_blocks.py"))
_load(Path(__file__).with_name("needed.py"))
_load(Path(__file__).with_name("servers.py"))
_load(Path(__file__).with_name("asking.py"))
_load(Path(__file__).with_name("fake_yard.py"))
_load(Path(__file__).with_name("kcp_net.py"))
_load(Path(__file__).with_name("simulated_udp.py"))
_load(Path(__file__).with_name("kcp_relay.py"))
_load(Path(__file__).with_name("kcp_over_udp.py"))
_load(Path(__file__).with_name("kcp_go.py"))
_load(Path(__file__).with_name("supervised.py"))
_load(Path(__file__).with_name("simulated.py"))
_load(Path(__file__).with_name("browsing.py"))
_load(Path(__file__).with_name("made_up_trace.py"))
pki_module = _load(Path(__file__).with_name("pki.py"))


fakes_in_c = _load(Path(__file__).with_name("fakes_in_c.py"))
_load(Path(__file__).with_name("kcp_world.py"))
_TOYS = _load(Path(__file__).with_name("toys.py"))
_load(Path(__file__).with_name("one_history.py"))
_load(Path(__file__).with_name("random_history.py"))
_load(Path(__file__).with_name("tls_peer.py"))

HALVES = ("python",) if COLD else ("python", "hot")
"""What the hot path of a loop over fakes is in."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs what is made of fakes with each half of the hot path, unless it is about the one in Python."""
    if "half" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("python_half")
        metafunc.parametrize("half", HALVES[:1] if only else HALVES)


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    """The module ``toys.py``: a filter and headers to play with."""
    return _TOYS


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A certificate authority, and "server", "client", "other" (a host's) and "expired" of it."""
    if pki_module.OPENSSL is None:
        pytest.skip("there is no program openssl")
    made = pki_module.Pki(tmp_path_factory.mktemp("pki"))
    made.issue("server", "DNS:server.example", "DNS:*.wild.example", "IP:127.0.0.1")
    made.issue("client", "DNS:client.example")
    made.issue("other", "DNS:other.example")
    made.issue("expired", "DNS:server.example", days=-1)
    return made


class FakeWorld:
    """A loop over a fake poller, fake sockets and a manual clock, driven turn by turn."""

    LISTENER = 50

    def __init__(
        self,
        handler: EventHandler,
        limits: Limits,
        sockets: type[FakeSockets],
        phases: Callable[[bytes], Sequence[Phase]] | None,
        half: str,
        **shared: object,
    ) -> None:
        self.handler = handler
        self.clock = ManualClock()
        make_poller, make_sockets = fakes_in_c.of(half, FakePoller, sockets)
        self.poller = make_poller(self.clock)
        self.sockets = make_sockets(self.poller)
        self.loop = Loop(0, Shared(handler, limits, **shared), self.poller, self.sockets, self.clock)
        fakes_in_c.let_raise(self.loop)
        self.loop.claim()
        self.cleanups = 0
        listener = Listener(
            self.LISTENER, Address("tcp", "192.0.2.1", 9000), "tcp", None, self._count_cleanup, phases
        )
        self.acceptor = self.loop.listen(listener, None)
        self.loop.start_accepting()

    def _count_cleanup(self) -> None:
        self.cleanups += 1

    def connect(self) -> Conn:
        """Connects a peer and lets the loop accept it."""
        fd = self.sockets.connect(self.LISTENER)
        self.loop.turn()
        conn = self.loop._hosted.streams.get(fd)
        if conn is None:  # closed in on_open
            conn = next(event.conn for event in reversed(self.handler.events) if event.name == "on_open")
        return conn

    def only(self) -> Conn:
        """The first connection that has opened, be it closed by now."""
        return next(event.conn for event in self.handler.events if event.name == "on_open")

    def hosts(self, fd: int) -> bool:
        """Whether the loop has a stream of that descriptor."""
        return self.loop._hosted.streams.get(fd) is not None

    def feed(self, conn: Conn, data: bytes) -> None:
        """Lets the peer send something and the loop handle it."""
        self.sockets.feed(conn.fd, data)
        self.loop.turn()

    def sent(self, conn: Conn) -> bytes:
        """What the peer has been sent."""
        return bytes(self.sockets.sent[conn.fd])

    def turns(self, count: int = 1) -> None:
        """Runs turns; a task keeps each from waiting."""
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn()


@pytest.fixture(autouse=True)
def _read_log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has those who log wait for as long as it takes, where a test reads what was logged right after it."""
    if "caplog" in request.fixturenames:
        monkeypatch.setattr(log_writer, "_PATIENCE", 60)


@pytest.fixture
def world(half: str) -> Callable[..., FakeWorld]:
    """Makes a fake world: ``world(handler_or_callbacks, **limits)``; with each half of the hot path."""

    def make(
        handler: EventHandler | None = None,
        limits: Limits | None = None,
        shared: dict[str, object] | None = None,
        sockets: type[FakeSockets] = FakeSockets,
        phases: Callable[[bytes], Sequence[Phase]] | None = None,
        **callbacks: object,
    ) -> FakeWorld:
        handler = handler or RecordingHandler(**callbacks)
        return FakeWorld(handler, limits or Limits(), sockets, phases, half, **(shared or {}))

    return make


def skip_without_edges(options: dict[str, object]) -> None:
    """Skips the test if its options ask for edges, which the reference poller does not have."""
    if options.get("edge_triggered") or options.get("edge_triggered_chunk"):
        with contextlib.closing(open_poller()) as poller:
            if not poller.supports_edge:
                pytest.skip(f"the poller {poller.name} has no edges")


@pytest.fixture
def serve() -> Iterator[Callable[..., Engine]]:
    """Starts engines on loopback and stops them after the test: ``serve(handler, *addresses, **options)``."""
    engines: list[Engine] = []

    def start(handler: EventHandler, *addresses: str, **options: object) -> Engine:
        skip_without_edges(options)
        engine = Engine(handler, *(addresses or ("tcp://127.0.0.1:0",)), **options)
        engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        assert engine.stop(30), "an engine did not stop"


@pytest.fixture
def dial() -> Iterator[Callable[..., socket.socket]]:
    """Connects plain sockets to an engine and closes them after the test: ``dial(engine, index=0)``."""
    sockets: list[socket.socket] = []

    def connect(engine: Engine, index: int = 0) -> socket.socket:
        address = engine.addresses[index]
        if address.network == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(30)
            sock.connect(f"\0{address.path[1:]}" if address.path.startswith("@") else address.path)
        else:
            sock = socket.create_connection((address.host or "127.0.0.1", address.port), timeout=30)
        sockets.append(sock)
        return sock

    yield connect
    for sock in sockets:
        sock.close()


@pytest.fixture
def new_threads() -> Callable[[str], list[threading.Thread]]:
    """Finds threads by how their names begin, those aside that were there before the test.

    What an earlier one has begun may end a moment later.
    """
    before = set(threading.enumerate())

    def find(name: str) -> list[threading.Thread]:
        return [
            thread
            for thread in threading.enumerate()
            if thread not in before and thread.name.startswith(name)
        ]

    return find


@pytest.fixture
def tracemalloc() -> ModuleType:
    """The module, which PyPy has by name only."""
    try:
        return import_module("tracemalloc")
    except ImportError as error:
        pytest.skip(f"{error}")


@pytest.fixture
def open_descriptors() -> Callable[..., set[str]]:
    """Tells which descriptors this process has, where the system shows them; elsewhere none.

    ``open_descriptors(engine)`` waits until the loops of a running engine have opened what they begin with.
    """

    def look(engine: Engine | None = None) -> set[str]:
        for loop in engine.loops if engine is not None else ():
            loop.execute((begun := threading.Event()).set)
            assert begun.wait(30)
        gc.collect()  # what an earlier test has left would be closed at any moment
        return set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()

    return look


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """Reads so many bytes, or what there is until the end of the stream."""
    pieces = []
    while size > 0 and (piece := sock.recv(min(size, 1 << 20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


@pytest.fixture(scope="session")
def ask_to_stop() -> Callable[[subprocess.Popen[str]], bool]:
    """Asks a process to stop, as its user would; returns whether it could be asked.

    On Windows that is Ctrl+Break, which reaches a process group: it has to be started as one, by its
    ``creationflags``. Wine has no console that it could come from.
    """

    def ask(process: subprocess.Popen[str]) -> bool:
        if on_wine():
            return False
        process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        return True

    return ask


@pytest.fixture
def receive() -> Callable[[socket.socket, int], bytes]:
    """The function ``receive_exactly``."""
    return receive_exactly
