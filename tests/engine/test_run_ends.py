"""``run`` beside other handlers of signals, inside other loops, and with an exit asked for in a callback."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from netcore import Action, EventHandler, run
from netcore.testing import RecordingHandler
from netcore.worker import WorkerPool

ADDRESS = "tcp://127.0.0.1:0"


class Exit(BaseException):
    """What is no Exception, and nothing that Python knows."""


class Serving(RecordingHandler):
    """Connects to itself once it serves, sends a byte and leaves."""

    def on_boot(self, engine):
        super().on_boot(engine)
        self.engine = engine
        threading.Thread(target=self.visit, args=(engine.addresses[0].port,), daemon=True).start()

    def visit(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.sendall(b"x")
            sock.recv(1)


def raising(kind):
    def callback(*args):
        raise kind(3)

    return callback


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, Exit])
@pytest.mark.parametrize(
    "name", ["on_boot", "on_open", "on_traffic", "on_eof", "on_close", "on_error", "on_tick", "on_shutdown"]
)
def test_an_exit_in_a_callback_ends_the_engine_in_order_and_is_raised(name, kind):
    callbacks = {name: raising(kind)}
    if name == "on_error":
        callbacks["on_open"] = raising(LookupError)
    elif name == "on_shutdown":
        callbacks["on_open"] = lambda conn: Action.SHUTDOWN
    elif name in ("on_close",):
        callbacks["on_traffic"] = lambda conn: Action.CLOSE
    handler = Serving(**callbacks) if name not in ("on_boot", "on_tick") else RecordingHandler(**callbacks)
    if name == "on_eof":
        handler.visit = lambda port: socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(kind) as caught:
        run(handler, ADDRESS, ticker=name == "on_tick")
    assert caught.value.args == (3,)
    assert handler.names()[-1] == "on_shutdown"
    assert handler.names().count("on_open") == handler.names().count("on_close")


@pytest.mark.parametrize("where", ["task", "timer", "async_write", "wake", "close", "worker", "dial"])
def test_an_exit_in_what_is_called_later(where):
    fail = raising(SystemExit)
    pool = WorkerPool(1)

    def on_open(conn):
        if where == "task":
            conn.loop.execute(fail)
        elif where == "timer":
            conn.loop.schedule(0, fail)
        elif where == "worker":
            pool.run_for(conn, int, then=fail)
        elif where == "dial":
            if len(handler.names()) < 3:
                handler.engine.dial(handler.engine.addresses[0]).add_done_callback(fail)
        elif where == "async_write":
            conn.async_write(b"x", fail)
        else:
            getattr(conn, where)(fail)

    handler = Serving(on_open=on_open)
    with pool, pytest.raises(SystemExit) as caught:
        run(handler, ADDRESS)
    assert caught.value.code == 3


def test_an_exit_in_a_load_balancer():
    class Leaving:
        def pick(self, loops, remote):
            raise SystemExit(3)

    handler = Serving()
    with pytest.raises(SystemExit) as caught:
        run(handler, ADDRESS, load_balancer=Leaving(), num_event_loops=2)
    assert caught.value.code == 3
    assert handler.names()[-1] == "on_shutdown"


def test_the_first_exit_counts():
    codes = iter([1, 2])

    def leave(conn, *args):
        raise SystemExit(next(codes))

    with pytest.raises(SystemExit) as caught:
        run(Serving(on_open=leave, on_close=leave), ADDRESS)
    assert caught.value.code == 1


def test_the_status_of_the_process():
    program = """
    import sys, netcore
    class H(netcore.EventHandler):
        def on_tick(self, engine):
            sys.exit(7)
    netcore.run(H(), "tcp://127.0.0.1:0", ticker=True)
    """
    assert python(program).returncode == 7


def test_inside_a_running_asyncio_loop_it_warns():
    async def main():
        run(RecordingHandler(on_boot=lambda engine: Action.SHUTDOWN), ADDRESS)

    with pytest.warns(RuntimeWarning, match="blocks the asyncio loop"):
        asyncio.run(main())


def test_two_runs_one_after_the_other_and_one_inside():
    before = signal.getsignal(signal.SIGINT)
    inner = RecordingHandler(on_boot=lambda engine: Action.SHUTDOWN)
    outer = RecordingHandler(on_boot=lambda engine: run(inner, ADDRESS) or Action.SHUTDOWN)
    run(outer, ADDRESS)
    run(RecordingHandler(on_boot=lambda engine: Action.SHUTDOWN), ADDRESS)
    assert inner.names() == outer.names() == ["on_boot", "on_shutdown"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_is_set_meanwhile_stays():
    def mine(number, frame):
        """The application's own."""

    before = signal.getsignal(signal.SIGTERM)
    try:
        run(
            RecordingHandler(on_boot=lambda engine: signal.signal(signal.SIGTERM, mine) and Action.SHUTDOWN),
            ADDRESS,
        )
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_the_process_ignores_it_goes_on_ignoring(number):
    before = signal.signal(number, signal.SIG_IGN)

    def on_boot(engine):
        os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
        return Action.SHUTDOWN

    try:
        run(RecordingHandler(on_boot=on_boot), ADDRESS)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


NATIVE_HANDLER = """
import ctypes, os, signal, netcore

api = ctypes.pythonapi
api.PyOS_setsig.argtypes = [ctypes.c_int, ctypes.c_void_p]
api.PyOS_setsig.restype = ctypes.c_void_p
handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: os.write(1, b"native "))
api.PyOS_setsig(signal.SIGTERM, ctypes.cast(handler, ctypes.c_void_p).value)

class Handler(netcore.EventHandler):
    def on_boot(self, engine):
        os.kill(os.getpid(), signal.SIGTERM)

netcore.run(Handler(), "tcp://127.0.0.1:0")
os.write(1, b"returned ")
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.posix
@pytest.mark.skipif(not hasattr(ctypes, "pythonapi"), reason="this Python has no C API to install one by")
def test_a_handler_that_python_has_not_installed_comes_back():
    command = [sys.executable, "-c", NATIVE_HANDLER]
    process = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=False)
    assert (process.stdout, process.returncode) == (b"returned native ", 0)


@pytest.mark.posix
def test_the_wakeup_descriptor_of_others_is_theirs():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno())
        try:
            run(RecordingHandler(on_boot=lambda engine: os.kill(os.getpid(), signal.SIGINT)), ADDRESS)
            assert signal.set_wakeup_fd(theirs.fileno()) == theirs.fileno()
            assert ours.recv(10) == bytes([signal.SIGINT])
        finally:
            signal.set_wakeup_fd(before)


@pytest.mark.posix
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="installs a handler by way of the C API")
def test_a_handler_that_python_has_not_installed():
    """It is C's ``abs``, which does no harm.

    Python looks for such once, when it starts, when there is nothing yet to install one with: so getsignal
    is told what it would have found.
    """
    program = """
    import ctypes, os, signal, netcore
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    handler = ctypes.cast(libc.abs, ctypes.c_void_p).value
    asked = signal.getsignal
    libc.signal(signal.SIGTERM, handler)
    def getsignal(number):
        known = asked(number)
        return None if (number, known) == (signal.SIGTERM, signal.SIG_DFL) else known
    signal.getsignal = getsignal
    class H(netcore.EventHandler):
        def on_boot(self, engine):
            os.kill(os.getpid(), signal.SIGTERM)
    netcore.run(H(), "tcp://127.0.0.1:0")
    assert libc.signal(signal.SIGTERM, None) == handler, "it is not back"
    """
    done = python(program)
    assert done.returncode == 0, done.stderr


def python(program):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=sys.prefix,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_exit_of_who_dials_in_the_balancer_is_his(serve):
    class Leaving:
        def pick(self, loops, remote):
            raise KeyboardInterrupt

    engine = serve(EventHandler(), load_balancer=Leaving())
    with pytest.raises(KeyboardInterrupt):
        engine.dial(engine.addresses[0])
    assert engine.running
