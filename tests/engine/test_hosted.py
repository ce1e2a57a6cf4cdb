"""Loops that get their turns from another loop: here a plain select(2)."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from netcore import (
    Action,
    Client,
    Engine,
    EngineNotRunningError,
    EventHandler,
    OptionsError,
    UnsupportedOperationError,
    WrongThreadError,
)
from netcore.poll import available, open_poller
from netcore.testing import RecordingHandler


def is_watchable(name):
    with contextlib.closing(open_poller(name)) as poller:
        return hasattr(poller, "fileno")


WATCHABLE = [name for name in available() if is_watchable(name)]


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


class Host:
    """Another loop, which knows of the engine's no more than a descriptor and a time."""

    def __init__(self, *engines):
        self.loops = [loop for engine in engines for loop in engine.loops]
        self.selects = 0

    def step(self, *others, timeout=None):
        """Waits for the loops and for descriptors of its own; returns which of these are readable."""
        due = [when for loop in self.loops if (when := loop.next_deadline()) is not None]
        if due:
            left = max(min(due) - time.monotonic(), 0)
            timeout = left if timeout is None else min(left, timeout)
        watched = {loop.fileno(): loop for loop in self.loops}
        readable, _, _ = select.select([*watched, *others], [], [], timeout)
        self.selects += 1
        for loop in self.loops:
            loop.turn(0)
        return [each for each in others if each in readable]

    def until(self, condition, patience=30):
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, "it never comes"
            self.step(timeout=1)

    def end(self):
        while self.loops:
            self.step(timeout=1)
            for loop in [loop for loop in self.loops if loop.finished]:
                loop.close()
                self.loops.remove(loop)


class Interrupted(BaseException):
    """What the handler of a signal raises."""


@contextlib.contextmanager
def interrupted_after(seconds):
    """Has this thread interrupted, once, by a signal whose handler raises; on POSIX only."""

    def interrupt(*_):
        raise Interrupted

    if not hasattr(signal, "pthread_kill"):
        yield
        return
    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(seconds, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.fixture(params=WATCHABLE)
def hosted(request):
    """Starts hosted engines: ``hosted(handler, **options)`` gives the engine and its host."""
    engines = []

    def make(handler, *addresses, **options):
        engine = Engine(handler, *(addresses or ("tcp://127.0.0.1:0",)), poller=request.param, **options)
        engine.start(hosted=True)
        engines.append(engine)
        return engine, Host(engine)

    yield make
    for engine in engines:
        engine.stop()
        engine.end_hosted()
        assert engine.join(0) is True


def connect(engine, host):
    peer = socket.create_connection((engine.addresses[0].host, engine.addresses[0].port), timeout=30)
    host.until(lambda: engine.connection_count)
    return peer


def test_a_plain_select_serves(hosted):
    engine, host = hosted(Echo())
    ours, theirs = socket.socketpair()
    with connect(engine, host) as peer, ours, theirs:
        for i in range(50):
            peer.sendall(b"ping %d" % i)
            while not (readable := host.step(peer)):
                pass
            assert readable == [peer]
            assert peer.recv(100) == b"ping %d" % i
        theirs.send(b"!")
        assert host.step(ours) == [ours]  # its own descriptors go on, too


def test_it_sleeps_while_there_is_nothing(hosted):
    engine, host = hosted(Echo())
    with connect(engine, host):
        for _ in range(5):
            host.step(timeout=0)
        before = engine.metrics().events
        host.selects = 0
        start = time.monotonic()
        while time.monotonic() - start < 0.3:
            host.step(timeout=0.3)
        assert host.selects <= 5
        assert engine.metrics().events == before


def test_what_is_not_received_is_told_again(hosted):
    """Level-triggered: the peer has sent more than one receive takes."""
    handler = RecordingHandler()
    engine, host = hosted(handler, read_buffer_cap=1024)
    with connect(engine, host) as peer:
        peer.sendall(bytes(100_000))
        host.until(lambda: len(handler.received()) == 100_000)


def test_large_answers_wait_for_the_peer(hosted):
    engine, host = hosted(RecordingHandler(on_open=lambda conn: conn.write(bytes(10_000_000)) and None))
    with connect(engine, host) as peer:
        peer.setblocking(False)
        got = 0
        while got < 10_000_000:
            for sock in host.step(peer, timeout=30):
                got += len(sock.recv(1 << 20))
        assert got == 10_000_000


def test_tasks_of_other_threads_wake_it(hosted):
    engine, host = hosted(Echo())
    ran = []
    for _ in range(20):
        thread = threading.Thread(target=engine.loops[0].execute, args=(ran.append, threading.get_ident()))
        before = len(ran)
        threading.Timer(0.01, thread.start).start()
        host.until(lambda: len(ran) > before)  # noqa: B023
        thread.join()
    assert set(ran) == {threading.get_ident()}
    assert host.selects < 200


def test_tasks_and_timers_of_its_own_thread(hosted):
    engine, host = hosted(Echo())
    loop = engine.loops[0]
    ran = []
    loop.execute(ran.append, "task")
    assert loop.next_deadline() <= time.monotonic()
    start = time.monotonic()
    loop.schedule(0.05, ran.append, "timer")
    host.until(lambda: len(ran) == 2)
    assert ran == ["task", "timer"]
    assert time.monotonic() - start >= 0.05
    far = loop.schedule(60, int)
    assert 59 < loop.next_deadline() - time.monotonic() <= 60
    far.cancel()
    assert loop.next_deadline() is None


def test_deadlines_count(hosted):
    handler = RecordingHandler(on_open=lambda conn: conn.set_deadline(0.1))
    engine, host = hosted(handler)
    with connect(engine, host):
        host.until(lambda: "on_timeout" in handler.names())


def test_dialling(hosted):
    engine, host = hosted(RecordingHandler())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        future = engine.dial(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        assert not future.done(), "nothing happens between the turns"
        host.until(future.done)
        assert future.result().fd > 0


def test_several_loops_and_engines_in_one_host(hosted):
    first, _ = hosted(Echo(), num_event_loops=3)
    second, _ = hosted(Echo())
    host = Host(first, second)
    peers = [socket.create_connection(("127.0.0.1", e.addresses[0].port)) for e in [first, second] * 6]
    host.until(lambda: first.connection_count == second.connection_count == 6)
    assert [loop.connection_count for loop in first.loops] == [2, 2, 2]
    waiting = set(peers)
    for peer in peers:
        peer.sendall(b"x")
    while waiting:
        for peer in host.step(*waiting):
            assert peer.recv(10) == b"x"
            waiting.remove(peer)
    for peer in peers:
        peer.close()


def test_a_loop_that_gets_a_connection_of_anothers_listener_is_woken(hosted):
    """Each loop is looked after on its own: only what makes its descriptor readable gives it a turn."""
    greeted = RecordingHandler(on_open=lambda conn: conn.write(b"welcome") and None)
    engine, _ = hosted(greeted, num_event_loops=3)
    peers = [socket.create_connection(("127.0.0.1", engine.addresses[0].port), timeout=30) for _ in range(9)]
    engine.loops[0].turn(0)  # which begins to accept
    for loop in engine.loops:
        loop.turn(0)
    waiting = set(peers)
    for loop in engine.loops:
        loop.next_deadline()
    while waiting:
        watched = {loop.fileno(): loop for loop in engine.loops}
        readable, _, _ = select.select([*watched, *waiting], [], [], 30)
        assert readable, "a loop sleeps on what it has to do"
        for each in readable:
            if each in watched:
                watched[each].turn(0)
                while (due := watched[each].next_deadline()) is not None and due <= time.monotonic():
                    watched[each].turn(0)
            else:
                assert each.recv(10) == b"welcome"
                waiting.discard(each)
    assert [loop.connection_count for loop in engine.loops] == [3, 3, 3]
    for peer in peers:
        peer.close()


def test_a_loop_that_has_begun_is_nobody_elses(serve, hosted):
    threaded = serve(Echo())
    with pytest.raises(WrongThreadError, match="another thread"):
        threaded.loops[0].claim()
    engine, _ = hosted(Echo())
    moved = []

    def move():
        engine.loops[0].claim()
        engine.loops[0].turn(0)
        moved.append(engine.loops[0].in_loop())

    thread = threading.Thread(target=move)
    thread.start()
    thread.join()
    assert moved == [True]
    with pytest.raises(WrongThreadError):
        engine.loops[0].claim()
    engine.stop(0)
    engine.loops[0]._thread_id = threading.get_ident()  # the one that it was moved to has ended
    engine.loops[0].close()


def test_the_end_in_order(hosted):
    handler = RecordingHandler()
    engine, host = hosted(handler)
    with connect(engine, host) as peer:
        assert engine.stop() is False, "on a loop's thread, which the end must not wait for"
        assert not engine.running
        host.end()
        assert peer.recv(10) == b""
    assert handler.names()[-2:] == ["on_close", "on_shutdown"]
    assert engine.join(0)
    with pytest.raises(EngineNotRunningError):
        engine.loops[0].execute(int)


def test_a_stop_of_another_thread_waits_for_the_hosts_turns(hosted):
    engine, host = hosted(Echo())
    with connect(engine, host):
        stopped = []
        thread = threading.Thread(target=lambda: stopped.append(engine.stop(30)))
        thread.start()
        host.end()
        thread.join()
    assert stopped == [True]


def test_a_handler_that_shuts_down(hosted):
    engine, host = hosted(RecordingHandler(on_traffic=lambda conn: Action.SHUTDOWN))
    with connect(engine, host) as peer:
        peer.sendall(b"enough")
        host.end()
    assert engine.join(0)


def test_on_boot_may_say_no(hosted):
    engine, host = hosted(RecordingHandler(on_boot=lambda engine: Action.SHUTDOWN))
    host.end()
    assert engine.join(0)


def test_on_boot_that_raises_leaves_nothing(hosted):
    def on_boot(engine):
        ports.append(engine.addresses[0].port)
        raise LookupError("on purpose")

    ports = []
    with pytest.raises(LookupError, match="on purpose"):
        hosted(RecordingHandler(on_boot=on_boot))
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", ports[0]))


def test_what_is_written_between_the_turns_leaves_with_the_next(hosted):
    engine, host = hosted(RecordingHandler())
    with connect(engine, host) as peer:
        (conn,) = engine.connections()
        assert engine.loops[0].next_deadline() is None
        conn.write(b"between")
        assert engine.loops[0].next_deadline() <= time.monotonic()
        start = time.monotonic()
        while not host.step(peer, timeout=30):
            pass
        assert (peer.recv(10), time.monotonic() - start < 25) == (b"between", True)


def test_a_turn_that_is_due_does_not_wait(hosted):
    engine, host = hosted(RecordingHandler())
    with connect(engine, host) as peer, interrupted_after(20):
        engine.connections()[0].write(b"by the host")
        engine.loops[0].turn()
        assert peer.recv(100) == b"by the host"


@pytest.mark.posix
@pytest.mark.parametrize("timeout", [None, 60], ids=["for as long as it takes", "for a minute"])
def test_what_a_signal_handler_raises_comes_out_of_a_turn_that_waits(hosted, timeout):
    engine, host = hosted(Echo())
    with connect(engine, host) as peer:
        with pytest.raises(Interrupted), interrupted_after(0.05):
            while True:
                engine.loops[0].turn(timeout)
        peer.sendall(b"goes on")
        while not host.step(peer):
            pass
        assert peer.recv(100) == b"goes on"


class LateInterrupts:
    """An intake whose waits are interrupted, if so wished, when they have found something already."""

    def __init__(self, intake):
        self.intake = intake
        self.wished = False

    def __getattr__(self, name):
        return getattr(self.intake, name)

    def wait(self, timeout):
        found = self.intake.wait(timeout)
        if found and self.wished:
            self.wished = False
            raise Interrupted
        return found


@pytest.fixture
def late(hosted):
    """Starts an edge-triggered engine; gives it, its host, and what interrupts its waits."""

    def make(*addresses):
        try:
            engine, host = hosted(Echo(), *addresses, edge_triggered=True)
        except OptionsError:
            pytest.skip("a poller without edges")
        turn = engine.loops[0]._turn
        turn._intake = LateInterrupts(turn._intake)
        return engine, host, turn._intake

    return make


def interrupt(host, intake):
    intake.wished = True
    with pytest.raises(Interrupted):
        host.until(lambda: not intake.wished)


def answer(host, peer):
    """Returns what comes back though nothing else happens: the next turns are due at once."""
    for _ in range(3):
        if host.step(peer, timeout=5):
            break
    return peer.recv(100)


def test_an_interrupted_wait_loses_no_edge_of_what_has_come(late):
    engine, host, intake = late()
    with connect(engine, host) as peer:
        peer.sendall(b"at the edge")
        interrupt(host, intake)
        assert answer(host, peer) == b"at the edge"


def test_an_interrupted_wait_loses_no_edge_of_what_can_leave(late):
    engine, host, intake = late()
    with connect(engine, host) as peer:
        peer.setblocking(False)
        got, size = bytearray(), 20_000_000
        engine.connections()[0].write(bytes(size))
        host.step(timeout=0)
        intake.wished = True

        def is_here():
            with contextlib.suppress(BlockingIOError):
                while data := peer.recv(1 << 20):
                    got.extend(data)
            return len(got) == size

        with pytest.raises(Interrupted):
            host.until(is_here)
        host.until(is_here)


def test_an_interrupted_wait_loses_no_edge_of_a_datagram(late):
    engine, host, intake = late("udp://127.0.0.1:0")
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.settimeout(30)
        host.step(timeout=0)
        peer.sendto(b"at the edge", ("127.0.0.1", engine.addresses[0].port))
        interrupt(host, intake)
        assert answer(host, peer) == b"at the edge"


def test_an_interrupt_between_the_steps_of_a_turn_loses_no_edge(late):
    engine, host, intake = late()
    with connect(engine, host) as peer:
        peer.sendall(b"at the edge")

        def interrupted():
            del intake.serve
            raise Interrupted

        intake.serve = interrupted
        with pytest.raises(Interrupted):
            host.until(lambda: False)
        assert answer(host, peer) == b"at the edge"


def test_what_the_host_asks_for_between_the_turns_wakes_it(hosted):
    engine, _ = hosted(Echo())
    loop = engine.loops[0]
    loop.turn(0)  # which begins to accept
    ran = []
    assert loop.next_deadline() is None
    watched = loop.fileno()
    loop.execute(ran.append, 1)
    assert select.select([watched], [], [], 30)[0] == [watched]
    loop.turn(0)
    assert ran == [1]


def test_a_turn_belongs_to_one_thread_and_not_into_another_turn(hosted):
    errors = []

    def on_open(conn):
        with pytest.raises(RuntimeError, match="inside"):
            conn.loop.turn(0)
        errors.append("inside")

    engine, host = hosted(RecordingHandler(on_open=on_open))

    def elsewhere():
        with pytest.raises(WrongThreadError):
            engine.loops[0].turn(0)
        errors.append("elsewhere")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    with connect(engine, host):
        pass
    assert errors == ["elsewhere", "inside"]


def test_a_loop_that_fails_ends_its_engine_as_on_a_thread(hosted, caplog, monkeypatch):
    handler = RecordingHandler()
    engine, host = hosted(handler)
    loop = engine.loops[0]
    with connect(engine, host):
        monkeypatch.setattr(loop._turn, "run", lambda timeout: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loop.turn(0)
        assert loop.finished
    assert "ZeroDivisionError" in caplog.text and "loop 0 failed" in caplog.text
    assert handler.names()[-2:] == ["on_close", "on_shutdown"]
    assert engine.join(0)


def test_as_a_context_manager_it_ends_with_the_block(hosted):
    handler = RecordingHandler()
    engine, host = hosted(handler)
    with engine, connect(engine, host):
        pass
    assert handler.names()[-2:] == ["on_close", "on_shutdown"]
    with pytest.raises(EngineNotRunningError, match="ended"):
        engine.loops[0].turn(0)


def test_a_client_is_an_engine_too(hosted):
    server, host = hosted(Echo())
    handler = RecordingHandler(on_open=lambda conn: conn.write(b"hi") and None)
    client = Client(handler, poller=server.loops[0].poller.name)
    client.engine.start(hosted=True)
    host.loops += client.engine.loops
    client.engine.dial(server.addresses[0])
    host.until(lambda: handler.received() == b"hi")
    client.stop()
    client.engine.end_hosted()
    assert client.engine.join(0)


def test_a_turn_waits_as_long_as_it_may():
    """Any poller: without a descriptor to watch there is still ``turn`` with a time."""
    engine = Engine(Echo(), "tcp://127.0.0.1:0")
    engine.start(hosted=True)
    loop = engine.loops[0]
    start = time.monotonic()
    loop.turn(0.05)
    loop.turn(0.05)
    assert time.monotonic() - start < 10
    ran = []
    loop.schedule(0.01, ran.append, 1)
    while not ran:
        loop.turn(60)
    assert time.monotonic() - start < 30
    peer = socket.create_connection((engine.addresses[0].host, engine.addresses[0].port), timeout=30)
    peer.sendall(b"x")
    while engine.metrics().bytes_sent == 0:
        loop.turn(1)
    assert peer.recv(10) == b"x"
    peer.close()
    engine.stop()
    while not loop.finished:
        loop.turn(1)
    loop.close()
    loop.close()
    assert engine.join(0)


def test_a_poller_without_a_descriptor_says_so():
    engine = Engine(Echo(), "tcp://127.0.0.1:0", poller="select")
    engine.start(hosted=True)
    with pytest.raises(UnsupportedOperationError, match="select"):
        engine.loops[0].fileno()
    engine.stop()
    engine.end_hosted()


@pytest.mark.parametrize("how", ["running", "stopping"])
def test_the_end_of_the_interpreter_ends_what_it_hosts(tmp_path, how):
    program = """
        import netcore, socket, sys

        class Handler(netcore.EventHandler):
            def on_close(self, conn, error):
                print("closed", conn.close_reason.value, flush=True)
            def on_shutdown(self, engine):
                print("over", flush=True)

        engine = netcore.Engine(Handler(), "tcp://127.0.0.1:0")
        engine.start(hosted=True)
        peer = socket.create_connection((engine.addresses[0].host, engine.addresses[0].port))
        while not engine.connection_count:
            engine.loops[0].turn(1)
        if "stopping" in sys.argv:
            engine.stop()
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["closed shutdown", "over"]), done.stderr
