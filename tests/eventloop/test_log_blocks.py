"""A log that cannot be written holds nobody up."""

from __future__ import annotations

import _thread
import contextlib
import logging
import os
import subprocess
import sys
import threading

import pytest

from netcore import Engine, EventHandler
from netcore.eventloop import GuardedLogger

SERVER = """
import os, socket, netcore

reading, writing = os.pipe()
os.set_blocking(writing, False)
try:
    while True:
        os.write(writing, b"x")
except BlockingIOError:
    os.set_blocking(writing, True)
os.dup2(writing, 2)

class Handler(netcore.EventHandler):
    def on_traffic(self, conn):
        if conn.read() == b"bad":
            raise LookupError("on purpose")
        conn.write(b"fine")

engine = netcore.Engine(Handler(), "tcp://127.0.0.1:0", num_event_loops=LOOPS)
engine.start()
peers = [socket.create_connection(("127.0.0.1", engine.addresses[0].port)) for _ in range(4)]
for peer in peers[:2]:
    peer.sendall(b"bad")
    assert peer.recv(1) == b""
for peer in peers[2:]:
    peer.sendall(b"good")
    assert peer.recv(4, socket.MSG_WAITALL) == b"fine"
    peer.close()
assert engine.stop()
os.write(1, b"served")
"""


HANGING = """
import logging, os, time, netcore

class Hanging(logging.Handler):
    def emit(self, record):
        time.sleep(1000)

logging.getLogger("netcore").addHandler(Hanging())

class Handler(netcore.EventHandler):
    def on_boot(self, engine):
        engine.loops[0].execute(fail)
        engine.loops[0].execute(engine.stop)

def fail():
    raise LookupError("on purpose")

netcore.run(Handler(), "tcp://127.0.0.1:0")
os.write(1, b"over")
"""


class Blocking(logging.Handler):
    """Holds each record until it is let go, and tells what it was given."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.messages = []
        self.last = threading.Event()

    def emit(self, record):
        self.go.wait()
        self.messages.append(record.getMessage())
        if record.getMessage() == "last":
            self.last.set()


@pytest.fixture
def handler():
    handler = Blocking()
    yield handler
    handler.go.set()


@pytest.fixture
def logger(handler):
    logger = logging.Logger("blocking")
    logger.addHandler(handler)
    return logger


def test_lines_come_later_in_their_order(logger, handler):
    outer = GuardedLogger(logger)
    inner = GuardedLogger(outer)
    outer.error("first")
    inner.error("second")
    outer.error("last")
    assert handler.messages == []
    handler.go.set()
    assert handler.last.wait(60)
    assert handler.messages == ["first", "second", "last"]


def test_a_line_is_written_before_who_logs_goes_on(logger, handler):
    handler.go.set()
    GuardedLogger(logger).error("first")
    assert handler.messages == ["first"]


def test_it_is_waited_for_again_once_it_goes_on(logger, handler):
    guarded = GuardedLogger(logger)
    guarded.error("first")
    handler.go.set()
    guarded.error("last")
    assert handler.last.wait(60)
    done = threading.Event()
    guarded.last(done.set)
    assert done.wait(60)
    guarded.error("written")
    assert handler.messages[-1] == "written"


def test_those_lost_are_counted(logger, handler):
    guarded = GuardedLogger(logger)
    for i in range(1000):
        guarded.error("line %d", i)
    handler.go.set()
    done = threading.Event()
    guarded.last(done.set)
    while not done.wait(0.01):
        guarded.last(done.set)
    (lost,) = [message for message in handler.messages if "lost" in message]
    assert int(lost.split()[0]) + len(handler.messages) - 1 >= 1000


def test_what_writes_may_log(logger):
    class Chatty(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())
            if len(seen) < 3:
                guarded.error("more")

    seen = []
    logger.handlers[:] = [Chatty()]
    guarded = GuardedLogger(logger)
    guarded.error("first")
    assert seen == ["first", "more", "more"]


def test_without_a_thread_it_is_written_all_the_same(logger, handler, monkeypatch):
    def fail(*args):
        raise RuntimeError("can't start new thread")

    handler.go.set()
    monkeypatch.setattr(_thread, "start_new_thread", fail)
    GuardedLogger(logger).error("first")
    assert handler.messages == ["first"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_writes_its_own(logger, handler):
    guarded = GuardedLogger(logger)
    guarded.error("of the parent")
    child = os.fork()
    if not child:
        try:
            guarded.abandon()
            logger.handlers[:] = [other := Blocking()]
            other.go.set()
            guarded.error("of the child")
        finally:
            os._exit(0 if other.messages == ["of the child"] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_engine_serves_and_ends(logger, handler, dial, receive):
    class Bad(EventHandler):
        def on_traffic(self, conn):
            if conn.read() == b"bad":
                raise LookupError("on purpose")
            conn.write(b"fine")

    engine = Engine(Bad(), "tcp://127.0.0.1:0", logger=logger)
    engine.start()
    bad = dial(engine)
    bad.sendall(b"bad")
    assert bad.recv(1) == b""
    good = dial(engine)
    good.sendall(b"good")
    assert receive(good, 4) == b"fine"
    assert engine.stop()
    assert handler.messages == []


@pytest.mark.skipif(os.name == "nt", reason="its pipes cannot be made to say that they are full")
@pytest.mark.parametrize("loops", [1, 2])
def test_nobody_reads_standard_error(loops):
    command = [sys.executable, "-c", SERVER.replace("LOOPS", str(loops))]
    process = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=False, cwd=sys.prefix)
    assert (process.stdout, process.returncode) == (b"served", 0)


def test_a_handler_that_hangs_does_not_keep_the_process():
    process = subprocess.run(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, timeout=60, check=False, cwd=sys.prefix
    )
    assert (process.stdout, process.returncode) == (b"over", 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_nobody_reads_the_log_file(tmp_path, dial, receive):
    class Bad(EventHandler):
        def on_traffic(self, conn):
            conn.read()
            raise LookupError("on purpose")

    path = tmp_path / "log"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        engine = Engine(Bad(), "tcp://127.0.0.1:0", log_path=str(path))
        engine.start()
        with pytest.raises(BlockingIOError):
            while True:
                os.write(reading, b"x")
        bad = dial(engine)
        bad.sendall(b"bad")
        assert bad.recv(1) == b""
        assert engine.stop()
    finally:
        with contextlib.suppress(BlockingIOError):
            while os.read(reading, 65536):
                pass
        over = threading.Event()  # what waits is written, and no other test gets it
        engine._logger.last(over.set)
        assert over.wait(60)
        os.close(reading)
