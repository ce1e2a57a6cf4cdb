"""``run`` in a process of its own, and its signals."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

import netcore
from netcore.testing import RecordingHandler

PROGRAM = """
import sys
import netcore

class Server(netcore.EventHandler):
    def on_boot(self, engine):
        print(engine.addresses[0].port, flush=True)

    def on_open(self, conn):
        conn.write(b"s" * int(sys.argv[1]))

    def on_close(self, conn, error):
        print("closed", flush=True)

    def on_shutdown(self, engine):
        print("shut down", flush=True)

netcore.run(Server(), "tcp://127.0.0.1:0", close_timeout=60, shutdown_timeout=60)
print("returned", flush=True)
"""


@pytest.fixture
def program():
    """Starts the program; the argument is how many bytes it writes to each connection."""
    processes = []

    def start(size):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(size)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=sys.prefix,  # not the source tree, where another netcore than the one under test may lie
        )
        processes.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.posix  # elsewhere a process cannot be sent these signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_gracefully(program, number):
    process, port = program(5)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        assert sock.recv(5) == b"sssss"
        process.send_signal(number)
        assert sock.recv(1) == b""
    output, _ = process.communicate(timeout=30)
    assert output.split("\n") == ["closed", "shut down", "returned", ""]
    assert process.returncode == 0


@pytest.mark.posix
def test_a_second_signal_stops_at_once(program):
    process, port = program(16 << 20)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        assert sock.recv(1) == b"s"
        process.send_signal(signal.SIGTERM)
        sock.setblocking(True)
        with pytest.raises(ConnectionRefusedError):  # the listener is closed: the first one was handled
            while True:
                with contextlib.suppress(ConnectionResetError):  # of one that was waiting in the backlog
                    socket.create_connection(("127.0.0.1", port), timeout=30).close()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert output.endswith("closed\nshut down\nreturned\n")


def test_an_interrupt_ends_it_where_it_comes_from_the_keyboard_alone():
    """Ctrl+C, as Python's main thread gets it on every platform."""
    program = PROGRAM.replace(
        'conn.write(b"s" * int(sys.argv[1]))', "threading.Timer(0.05, _thread.interrupt_main).start()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"import _thread, threading\n{program}"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=sys.prefix,
    )
    with process, socket.create_connection(("127.0.0.1", int(process.stdout.readline())), timeout=30) as sock:
        assert sock.recv(1) == b""
        assert process.stdout.read().split() == ["closed", "shut", "down", "returned"]
    assert process.returncode == 0


def test_run_in_a_thread_leaves_signals_alone_and_ends_with_shutdown():
    handler = RecordingHandler(on_boot=lambda engine: netcore.Action.SHUTDOWN)
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=netcore.run, args=(handler, "tcp://127.0.0.1:0"))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert handler.names() == ["on_boot", "on_shutdown"]
    assert signal.getsignal(signal.SIGINT) is before


def test_run_restores_the_signal_handlers():
    before = signal.getsignal(signal.SIGTERM)
    netcore.run(RecordingHandler(on_boot=lambda engine: netcore.Action.SHUTDOWN), "tcp://127.0.0.1:0")
    assert signal.getsignal(signal.SIGTERM) is before


def test_run_raises_what_the_bind_raises():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match=r"127\.0\.0\.1") as raised,
    ):
        netcore.run(netcore.EventHandler(), f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert raised.value.errno == errno.EADDRINUSE


def test_descriptors_are_not_inherited(serve, dial):
    handler = RecordingHandler()
    engine = serve(handler)
    dial(engine)
    conn = handler.wait_for("on_open").conn
    listing = subprocess.run(
        [sys.executable, "-c", f"import socket; socket.socket(fileno={conn.fd})"],
        close_fds=False,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"\[(Errno 9|WinError 10038)\]", listing.stderr), listing.stderr
    is_inheritable = getattr(os, "get_handle_inheritable", os.get_inheritable)
    assert not is_inheritable(conn.fd)
