"""A stuck callback is named, and never keeps the process from ending."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from netcore import Client, Engine
from netcore.eventloop import whereabouts
from netcore.testing import RecordingHandler

SERVER = """
import os, sys, time, threading
import netcore

def hang(*args):
    os.write(1, b"stuck\\n")
    if sys.argv[2] == "sleep":
        time.sleep(1000)
    elif sys.argv[2] == "spin":
        while True:
            pass
    elif sys.argv[2] == "print":  # on a pipe that nobody reads, holding the lock of standard output
        while True:
            print("x" * 65536, flush=True)

class Base(netcore.EventHandler):
    def on_boot(self, engine):
        print("buffered", end="")
        os.write(1, b"%d\\n" % engine.addresses[0].port)
    def on_traffic(self, conn):
        conn.read()

class Handler(Base):
    def CALLBACK(self, *args):
        super().CALLBACK(*args)
        hang()

netcore.run(Handler(), "tcp://127.0.0.1:0", shutdown_timeout=float(sys.argv[3]), ticker=True)
os.write(1, b"returned\\n")
"""


@pytest.fixture
def stuck():
    """Starts a server and has it hang: ``stuck(callback, how, shutdown_timeout)``."""
    processes = []

    def start(callback, how="sleep", shutdown_timeout=60):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                SERVER.replace("CALLBACK", callback),
                callback,
                how,
                str(shutdown_timeout),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=sys.prefix,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        processes.append(process)
        port = int(process.stdout.readline())
        if callback not in ("on_boot", "on_tick", "on_shutdown"):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
                sock.sendall(b"x")
        if callback == "on_shutdown":
            process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"stuck\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def end_by_signals(process, number):
    """Sends one after the other, since several that wait at the same time are one; returns the output."""
    while True:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=0.2)


@pytest.mark.posix
@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("how", ["sleep", "spin"])
@pytest.mark.parametrize("callback", ["on_traffic", "on_close", "on_tick", "on_boot", "on_shutdown"])
def test_the_second_signal_ends_it_at_once_and_says_where_it_hangs(stuck, callback, how, number):
    process = stuck(callback, how)
    output, errors = end_by_signals(process, number)
    assert process.returncode == -number
    where = {"on_boot": "the engine's start", "on_shutdown": "the engine's end"}.get(callback, "loop 0")
    assert f"{where} is stuck in".encode() in errors
    assert f"{callback} (<string>:".encode() in errors
    assert b"in hang" in errors, "the stack is there"
    assert output.endswith(b"buffered"), "standard output was flushed"


@pytest.mark.posix
def test_a_full_pipe_does_not_keep_it(stuck):
    process = stuck("on_traffic", "print")
    time.sleep(0.2)
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert process.wait(30) == -signal.SIGTERM


@pytest.mark.posix
@pytest.mark.parametrize("callback", ["on_traffic", "on_close", "on_tick", "on_shutdown"])
def test_one_signal_is_enough_when_the_time_has_passed(stuck, callback):
    process = stuck(callback, "sleep", 0.1)
    if callback != "on_shutdown":  # which has been sent one
        process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert output == b"returned\nbuffered"
    assert process.returncode == 0
    assert b" is stuck in" in errors and callback.encode() in errors


def hanging(until):
    """A handler that hangs in one callback until an event is set, and the event that says so."""
    entered = threading.Event()

    def callback(*args):
        entered.set()
        until.wait(60)

    return callback, entered


@pytest.mark.parametrize("name", ["on_traffic", "on_close", "on_tick", "on_open", "on_shutdown"])
def test_stop_keeps_its_bound_and_names_the_callback(dial, caplog, name):
    until = threading.Event()
    callback, entered = hanging(until)
    handler = RecordingHandler(**{name: callback})
    engine = Engine(handler, "tcp://127.0.0.1:0", ticker=name == "on_tick", shutdown_timeout=0.1)
    engine.start()
    if name != "on_tick":
        sock = dial(engine)
        sock.sendall(b"x")
        sock.close()
    if name != "on_shutdown":
        assert entered.wait(30)
    assert engine.stop(0) is False
    assert engine.stop() is False
    assert f"{name} (" in caplog.text and "in callback" in caplog.text
    assert ("the engine's end" if name == "on_shutdown" else "loop 0") in caplog.text
    until.set()
    assert engine.join(30)


def test_a_client_and_a_start_that_fails_keep_it_too(serve, caplog):
    until = threading.Event()
    callback, entered = hanging(until)
    server = serve(RecordingHandler())

    def on_boot(engine):
        engine.dial(server.addresses[0])
        entered.wait(30)
        raise LookupError("on purpose")

    client = Client(RecordingHandler(on_boot=on_boot, on_open=callback), shutdown_timeout=0.1)
    with pytest.raises(LookupError):
        client.start()
    assert "on_open (" in caplog.text and "in callback" in caplog.text
    assert client.stop(0) is False
    until.set()
    assert client.engine.join(30)


@pytest.mark.parametrize("running", [True, False])
def test_the_end_of_the_interpreter_does_not_wait_for_ever(running):
    program = """
    import threading, time
    from netcore import Engine, EventHandler
    class Stuck(EventHandler):
        def on_tick(self, engine):
            entered.set()
            time.sleep(1000)
    entered = threading.Event()
    engines = [Engine(Stuck(), "tcp://127.0.0.1:0", shutdown_timeout=0.1, ticker=True) for _ in range(3)]
    for engine in engines:
        engine.start()
    entered.wait()
    """ + ("" if running else "engines[0].stop(0)")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        timeout=60,
        cwd=sys.prefix,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_whereabouts_of_a_thread():
    here = whereabouts(threading.get_ident())
    assert "test_whereabouts_of_a_thread" in here.stack
    assert here.in_callback is False, "nothing of netcore's has called it"
    assert whereabouts(None) is None
    assert whereabouts(1) is None


def test_whereabouts_of_an_idle_loop(serve):
    engine = serve(RecordingHandler())
    found = whereabouts(engine.loops[0].thread_id)
    assert not found.in_callback
    assert "netcore" in found.stack or os.name == "nt"


def test_whereabouts_are_bounded():
    def deeper(n):
        return deeper(n - 1) if n else whereabouts(threading.get_ident())

    assert len(deeper(500).stack.splitlines()) < 200
