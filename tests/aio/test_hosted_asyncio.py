"""Asyncio loops on the threads of an engine's loops: tasks of handlers, and an end in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import Future

import pytest

import netcore
from netcore import Action, Client, Engine, EventHandler, Options, OptionsError
from netcore.aio import loop_of
from netcore.poll import available

POLLERS = available()
LOCAL = "tcp://127.0.0.1:0"


class Answering(EventHandler):
    """Answers each message by a task, which is made by ``answer``."""

    def __init__(self, answer):
        self.answer = answer

    def on_traffic(self, conn):
        loop_of(conn).create_task(self.answer(conn, conn.read()))


async def reverse(conn, data):
    assert conn.loop.in_loop()
    assert asyncio.get_running_loop() is loop_of(conn)
    await asyncio.sleep(0.001)
    conn.write(await asyncio.to_thread(lambda: data[::-1]))


@pytest.mark.parametrize("loops", [1, 3])
@pytest.mark.parametrize("poller", POLLERS)
def test_a_task_answers(serve, dial, receive, poller, loops):
    engine = serve(Answering(reverse), asyncio=True, poller=poller, num_event_loops=loops)
    peers = [dial(engine) for _ in range(2 * loops)]
    for round_ in range(3):
        for i, peer in enumerate(peers):
            peer.sendall(b"message %d %d" % (i, round_))
        for i, peer in enumerate(peers):
            assert receive(peer, 11) == (b"message %d %d" % (i, round_))[::-1]


@pytest.mark.parametrize("poller", POLLERS)
def test_a_task_speaks_to_another_server_by_asyncio(serve, dial, receive, poller):
    """As a driver of a database does."""

    class Echo(EventHandler):
        def on_traffic(self, conn):
            conn.write(conn.read())

    backend = serve(Echo(), poller=poller).addresses[0]

    async def ask(conn, data):
        reader, writer = await asyncio.open_connection(backend.host, backend.port)
        writer.write(data)
        conn.write(await reader.readexactly(len(data)))
        writer.close()
        await writer.wait_closed()

    engine = serve(Answering(ask), asyncio=True, poller=poller)
    peers = [dial(engine) for _ in range(20)]
    for peer in peers:
        peer.sendall(b"x" * 5000)
    for peer in peers:
        assert receive(peer, 5000) == b"x" * 5000


def test_a_task_that_nobody_keeps_is_not_collected(serve, dial, receive):
    """Though what it waits for has nobody but the task: a callback has no place to keep one."""

    async def answer(conn, data):
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        conn.context = weakref.ref(waiter)
        loop.call_soon(gc.collect)
        loop.call_later(0.02, lambda: conn.context().set_result(data))
        conn.write(await waiter)

    peer = dial(serve(Answering(answer), asyncio=True))
    peer.sendall(b"kept")
    assert receive(peer, 4) == b"kept"


def test_without_the_option_there_is_none(serve, dial):
    seen = Future()

    class Handler(EventHandler):
        def on_open(self, conn):
            for where in (conn, conn.loop):
                try:
                    loop_of(where)
                except RuntimeError as error:
                    seen_error.append(error)
            seen.set_result(None)

    seen_error = []
    dial(serve(Handler()))
    seen.result(30)
    assert len(seen_error) == 2
    assert all("needs the option asyncio" in str(error) for error in seen_error)


def test_asyncio_is_not_imported_for_nothing():
    code = "import sys, netcore; netcore.Engine(netcore.EventHandler(), 'tcp://127.0.0.1:0').stop()"
    code += "; sys.exit('asyncio' in sys.modules or 'netcore.aio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_the_option_is_a_switch(value):
    with pytest.raises(OptionsError, match="asyncio"):
        Options(asyncio=value)


def test_loops_that_are_hosted_take_no_guest():
    engine = Engine(EventHandler(), LOCAL, asyncio=True)
    with pytest.raises(OptionsError, match="hosted"):
        engine.start(hosted=True)
    with engine:  # nothing was begun
        assert engine.running


def test_other_threads_reach_it(serve):
    engine = serve(EventHandler(), asyncio=True, num_event_loops=2)

    async def where():
        await asyncio.sleep(0)
        return threading.get_ident()

    for loop in engine.loops:
        future = asyncio.run_coroutine_threadsafe(where(), loop_of(loop))
        assert future.result(30) == loop.thread_id
    assert loop_of(engine.loops[0]) is not loop_of(engine.loops[1])
    assert loop_of(engine.loops[0]).is_running()


def test_in_debug_mode_another_thread_is_told(serve):
    engine = serve(EventHandler(), asyncio=True)
    loop = loop_of(engine.loops[0])
    loop.call_soon_threadsafe(loop.set_debug, True)
    assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "on"), loop).result(30) == "on"
    with pytest.raises(RuntimeError, match="Non-thread-safe"):
        loop.call_soon(int)


def test_boot_finds_it_and_each_callback_has_it_running(serve, dial, receive):
    class Handler(EventHandler):
        def on_boot(self, engine):
            async def connect():
                await asyncio.sleep(0.001)
                return b"pool"

            self.pool = asyncio.run_coroutine_threadsafe(connect(), loop_of(engine.loops[0])).result(30)

        def on_open(self, conn):
            async def greet():
                conn.write(self.pool)

            asyncio.create_task(greet())  # noqa: RUF006 - it does not wait, so nobody has to keep it

    assert receive(dial(serve(Handler(), asyncio=True)), 4) == b"pool"


def test_a_client_has_them_too(serve):
    class Echo(EventHandler):
        def on_traffic(self, conn):
            conn.write(conn.read())

    class Asker(EventHandler):
        def __init__(self):
            self.got = Future()

        def on_open(self, conn):
            async def ask():
                await asyncio.sleep(0.001)
                conn.write(b"ping")

            conn.context = loop_of(conn).create_task(ask())

        def on_traffic(self, conn):
            self.got.set_result(conn.read())

    address = serve(Echo()).addresses[0]
    asker = Asker()
    with Client(asker, asyncio=True) as client:
        client.dial(address)
        assert asker.got.result(30) == b"ping"


def test_a_task_dials(serve, dial, receive):
    """On its own thread, where waiting for the future would be waiting for oneself."""

    class Handler(EventHandler):
        def on_traffic(self, conn):
            loop_of(conn).create_task(self.answer(conn, conn.read()))

        async def answer(self, conn, data):
            if data == b"ask":
                engine_address = conn.local_address
                other = await asyncio.wrap_future(conn.loop.dial(engine_address))
                other.write(b"nothing")
                conn.write(b"dialled %d" % (other.id != conn.id))
                other.close()

    peer = dial(serve(Handler(), asyncio=True))
    peer.sendall(b"ask")
    assert receive(peer, 9) == b"dialled 1"


@pytest.mark.parametrize("poller", POLLERS)
def test_what_is_written_between_two_turns_leaves(serve, dial, receive, poller):
    """Though nothing else wakes the loop, and nothing follows."""

    async def answer(conn, data):
        for size in (1, 100, 300_000):
            await asyncio.sleep(0.005)
            conn.write(bytes(size))

    engine = serve(Answering(answer), asyncio=True, poller=poller)
    peer = dial(engine)
    peer.sendall(b"!")
    assert len(receive(peer, 300_101)) == 300_101


def test_a_task_sees_the_peers_room(serve, dial, receive):
    """``writable`` of what a task writes comes back by ``on_writable``, as of what a callback does."""

    class Handler(EventHandler):
        def on_open(self, conn):
            conn.context = asyncio.Event()
            self.task = asyncio.ensure_future(self.flood(conn))

        def on_writable(self, conn):
            conn.context.set()

        async def flood(self, conn):
            for _ in range(100):
                conn.write(bytes(100_000))
                while not conn.writable:
                    conn.context.clear()
                    await conn.context.wait()
            conn.close()

    peer = dial(serve(Handler(), asyncio=True, max_outbound=3 << 20))
    assert len(receive(peer, 20_000_000)) == 10_000_000


def test_timers_of_both_kinds_keep_their_time(serve):
    engine = serve(EventHandler(), asyncio=True)
    (loop,) = engine.loops
    order = []

    async def sleeps():
        # So far apart that a busy machine does not bring them together.
        loop.schedule(0.3, order.append, "netcore")
        await asyncio.sleep(0.05)
        order.append("asyncio")
        await asyncio.sleep(0.5)
        order.append("asyncio again")

    asyncio.run_coroutine_threadsafe(sleeps(), loop_of(loop)).result(30)
    assert order == ["asyncio", "netcore", "asyncio again"]


def test_it_sleeps_while_there_is_nothing(serve):
    engine = serve(EventHandler(), asyncio=True)
    loop = loop_of(engine.loops[0])
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(30)
    time.sleep(0.05)
    before = engine.metrics().turns
    time.sleep(0.2)
    assert engine.metrics().turns - before <= 3


# What goes wrong.


def test_an_exception_of_a_task_goes_to_the_engines_logger(serve, dial):
    logger = logging.getLogger("test.hosted")
    told = Future()

    class Tell(logging.Handler):
        def emit(self, record):
            told.set_result(record)

    logger.addHandler(Tell())

    async def fail(conn, data):
        raise LookupError("the reason")

    engine = serve(Answering(fail), asyncio=True, logger=logger)
    peer = dial(engine)
    peer.sendall(b"!")
    deadline = time.monotonic() + 30
    while not told.done() and time.monotonic() < deadline:
        gc.collect()  # that it is never retrieved is known once it is gone
        time.sleep(0.01)
    record = told.result(0)
    assert "Task exception was never retrieved" in record.getMessage()
    assert "LookupError: the reason" in record.exc_text
    assert engine.running


def test_an_exception_handler_of_ones_own_is_asked(serve):
    engine = serve(EventHandler(), asyncio=True)
    loop = loop_of(engine.loops[0])
    seen = Future()
    loop.call_soon_threadsafe(loop.set_exception_handler, lambda loop, context: seen.set_result(context))
    loop.call_soon_threadsafe(lambda: 1 / 0)
    assert isinstance(seen.result(30)["exception"], ZeroDivisionError)


@pytest.mark.parametrize("how", ["task", "callback", "handler"])
def test_an_exit_ends_the_engine_in_order(dial, how):
    class Handler(EventHandler):
        def __init__(self):
            self.closed = []

        def on_traffic(self, conn):
            conn.read()
            if how == "handler":
                sys.exit(3)
            loop = loop_of(conn)
            if how == "task":
                conn.context = loop.create_task(self.exit())
            else:
                loop.call_later(0.001, sys.exit, 3)

        async def exit(self):
            await asyncio.sleep(0.001)
            sys.exit(3)

        def on_close(self, conn, error):
            self.closed.append(error)

    handler = Handler()
    engine = Engine(handler, LOCAL, asyncio=True)
    engine.start()
    peers = [dial(engine), dial(engine)]
    peers[0].sendall(b"!")
    assert engine.join(30)
    assert isinstance(engine.ended_by, SystemExit)
    assert engine.ended_by.code == 3
    assert handler.closed == [None, None]
    assert [peer.recv(1) for peer in peers] == [b"", b""]
    assert loop_of(engine.loops[0]).is_closed()


def test_a_poller_that_fails_ends_the_tasks_too(caplog):
    """There is no poller any more for their end, and none is needed."""
    from netcore.poll import open_poller

    class Failing:
        def __init__(self):
            self.poller = open_poller()
            self.fails = False

        def __getattr__(self, name):
            return getattr(self.poller, name)

        def wait(self, timeout):
            if self.fails:
                raise ValueError("it is broken")
            return self.poller.wait(timeout)

    pollers = []

    def make():
        pollers.append(Failing())
        return pollers[-1]

    engine = Engine(EventHandler(), LOCAL, asyncio=True, poller=make)
    engine.start()
    loop = loop_of(engine.loops[0])
    ended = []

    async def works():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.to_thread(ended.append, "cleaned up")

    future = asyncio.run_coroutine_threadsafe(works(), loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result(30)
    pollers[0].fails = True
    loop.call_soon_threadsafe(int)
    assert engine.join(30)
    assert ended == ["cleaned up"]
    assert future.cancelled()
    assert loop.is_closed()
    assert "failed and ends" in caplog.text


def test_signals_are_not_its_business(serve):
    engine = serve(EventHandler(), asyncio=True)
    loop = loop_of(engine.loops[0])

    async def ask():
        with pytest.raises(RuntimeError, match="main thread"):
            loop.add_signal_handler(signal.SIGTERM, int)

    asyncio.run_coroutine_threadsafe(ask(), loop).result(30)


@pytest.mark.posix
def test_a_subprocess_is_driven(serve):
    engine = serve(EventHandler(), asyncio=True)

    async def ask():
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        out, _ = await process.communicate(b"through a pipe")
        return out, process.returncode

    future = asyncio.run_coroutine_threadsafe(ask(), loop_of(engine.loops[0]))
    assert future.result(30) == (b"through a pipe", 0)


# The end.


def test_tasks_are_cancelled_generators_and_the_executor_closed():
    engine = Engine(EventHandler(), LOCAL, asyncio=True)
    others = set(threading.enumerate())
    engine.start()
    loop = loop_of(engine.loops[0])
    ended = []

    async def sleeps():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            ended.append("task")
            raise

    async def generates():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            ended.append("generator")

    async def begin():
        generator = generates()
        await generator.__anext__()
        await asyncio.to_thread(int)
        return generator, asyncio.ensure_future(sleeps())

    generator, task = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
    assert len(set(threading.enumerate()) - others) == 2
    assert engine.stop(30)
    assert ended == ["task", "generator"]
    assert task.cancelled()
    assert loop.is_closed()
    assert generator.ag_frame is None
    for thread in set(threading.enumerate()) - others:
        thread.join(30)
    assert not set(threading.enumerate()) - others


def test_nothing_is_left_behind(dial, open_descriptors):
    async def waits(conn, data):
        await asyncio.sleep(3600)

    before = open_descriptors()
    engine = Engine(Answering(waits), LOCAL, asyncio=True, num_event_loops=3)
    engine.start()
    with engine:
        for _ in range(300):
            dial(engine).sendall(b"!")
        while sum(len(asyncio.all_tasks(loop_of(loop))) for loop in engine.loops) < 300:
            time.sleep(0.01)
        sockets = open_descriptors() - before
    assert sockets or sys.platform != "linux"
    ours = [sock for sock in gc.get_objects() if isinstance(sock, socket.socket) and sock.fileno() >= 0]
    assert len(open_descriptors() - before) <= len(ours)
    assert not any(loop_of(loop).serving for loop in engine.loops)


def test_a_task_that_does_not_end_is_left_and_named(caplog):
    engine = Engine(EventHandler(), LOCAL, asyncio=True, shutdown_timeout=0.1)
    engine.start()

    async def clings():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    loop = loop_of(engine.loops[0])
    asyncio.run_coroutine_threadsafe(clings(), loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(30)
    assert engine.stop(30)
    assert loop.is_closed()
    assert "have not ended in time, though they were cancelled" in caplog.text
    assert "clings" in caplog.text


def test_a_task_made_by_one_that_is_cancelled_is_cancelled_too():
    engine = Engine(EventHandler(), LOCAL, asyncio=True)
    engine.start()
    ended = []

    async def waits(depth):
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(depth)
            if depth:
                tasks.append(asyncio.ensure_future(waits(depth - 1)))

    tasks = []
    loop = loop_of(engine.loops[0])
    asyncio.run_coroutine_threadsafe(waits(3), loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(30)
    assert engine.stop(30)
    assert ended == [3, 2, 1, 0]


def test_stop_now_does_not_wait_for_the_time(dial):
    engine = Engine(EventHandler(), LOCAL, asyncio=True, shutdown_timeout=3600)
    engine.start()

    async def clings():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    loop = loop_of(engine.loops[0])
    asyncio.run_coroutine_threadsafe(clings(), loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(30)
    assert not engine.stop(0.05)
    engine.stop_now()
    assert engine.join(30)


def test_a_task_stops_the_engine(dial):
    engine = Engine(
        Answering(lambda conn, data: stops(conn)),
        LOCAL,
        asyncio=True,
    )

    async def stops(conn):
        assert engine.stop() is False  # which must not wait for this very thread
        conn.write(b"is it too late?")

    engine.start()
    peer = dial(engine)
    peer.sendall(b"!")
    assert engine.join(30)
    assert loop_of(engine.loops[0]).is_closed()
    with pytest.raises(RuntimeError, match="closed"):
        loop_of(engine.loops[0]).call_soon(int)


def test_run_serves_with_it(dial):
    class Handler(EventHandler):
        def on_boot(self, engine):
            loop_of(engine.loops[0]).call_soon_threadsafe(self.soon, engine)

        def soon(self, engine):
            self.task = asyncio.ensure_future(self.ends(engine))

        async def ends(self, engine):
            await asyncio.sleep(0.001)
            engine.stop()

    netcore.run(Handler(), LOCAL, asyncio=True)


def test_an_engine_that_cannot_start_leaves_none(open_descriptors):
    before = open_descriptors()

    class Handler(EventHandler):
        def on_boot(self, engine):
            self.loop = loop_of(engine.loops[0])
            raise LookupError("no")

    handler = Handler()
    with pytest.raises(LookupError):
        Engine(handler, LOCAL, asyncio=True).start()
    assert handler.loop.is_closed()
    with pytest.raises(OSError):
        Engine(handler, LOCAL, "tcp://192.0.2.1:1", asyncio=True).start()
    assert open_descriptors() == before

    async def main():
        with pytest.raises(LookupError):
            Engine(handler, LOCAL, asyncio=True).start()
        return asyncio.get_running_loop()

    assert asyncio.run(main()) is not handler.loop


def test_shutdown_by_a_callback(dial):
    class Handler(EventHandler):
        def on_traffic(self, conn):
            return Action.SHUTDOWN

    engine = Engine(Handler(), LOCAL, asyncio=True, num_event_loops=2)
    engine.start()
    dial(engine).sendall(b"!")
    assert engine.join(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork(2)")
def test_a_forked_child_has_no_part_in_it():
    code = """
        import asyncio, os, sys, threading
        from netcore import Engine, EventHandler
        from netcore.aio import loop_of

        engine = Engine(EventHandler(), "tcp://127.0.0.1:0", asyncio=True)
        engine.start()
        (loop,) = engine.loops
        ran = []

        async def forks():
            asyncio.get_running_loop().call_soon(ran.append, os.getpid())
            return os.fork()

        def child(how):
            try:
                loop_of(loop)
            except RuntimeError as error:
                assert "fork" in str(error), error
            else:
                os._exit(1)
            assert not ran
            os._exit(7)

        async def forks_here():
            asyncio.get_running_loop().call_soon(ran.append, os.getpid())
            pid = os.fork()
            if not pid:
                child("on the loop's thread")
            return pid

        if not (pid := os.fork()):
            child("on another thread")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        pid = asyncio.run_coroutine_threadsafe(forks_here(), loop_of(loop)).result(30)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        pid = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 5), loop_of(loop)).result(30)
        assert pid == 5
        assert ran == [os.getpid()]
        assert engine.stop(30)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert "pending" not in done.stderr


def test_who_is_stuck_is_named():
    go_on = threading.Event()
    stuck = threading.Event()

    async def hangs_here():
        stuck.set()
        go_on.wait(60)

    engine = Engine(EventHandler(), LOCAL, asyncio=True)
    engine.start()
    try:
        loop = loop_of(engine.loops[0])
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(30)
        (idle,) = engine.hangs()
        assert idle[0].startswith("loop 0 is in ")
        asyncio.run_coroutine_threadsafe(hangs_here(), loop)
        assert stuck.wait(30)
        (hang,) = engine.hangs()
        assert hang[0].startswith("loop 0 is stuck in ")
        assert "hangs_here (test_hosted_asyncio.py:" in hang[0]
    finally:
        go_on.set()
        assert engine.stop(30)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_the_end_does_not_cancel_itself_where_tasks_are_eager(serve, dial, receive, caplog):
    async def answer(conn, data):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        conn.write(data)
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.1)
            ended.append(data)

    ended = []
    engine = serve(Answering(answer), asyncio=True)
    peer = dial(engine)
    peer.sendall(b"hello")
    assert receive(peer, 5) == b"hello"

    assert engine.stop()
    assert ended == [b"hello"]
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
