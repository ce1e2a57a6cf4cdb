"""What strangers can cause is one line per interval and kind, and no line is theirs."""

from __future__ import annotations

import logging
import socket
import threading

import pytest

from netcore import EventHandler
from netcore._complaints import Complaints, complain, complaints_of, plain
from netcore.connection import Limits
from netcore.testing import ManualClock


class Failing(EventHandler):
    def __init__(self, fail):
        self.fail = fail

    def on_traffic(self, conn):
        self.fail(conn.read())


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def fail_here(data):
    raise ValueError(data)


def send(w, times, data=b"x"):
    for _ in range(times):
        conn = w.connect()
        w.feed(conn, data)


def test_an_exception_of_a_callback_is_one_line_per_interval_and_place(world, caplog):
    def fail(data):
        if data == b"other":
            raise ValueError("from another line")
        fail_here(data)

    w = world(Failing(fail))
    send(w, 50)
    assert len(caplog.records) == 1, "the first at once, the others not"
    assert "fail_here" in caplog.text and "ValueError" in caplog.text
    send(w, 1, b"other")
    assert len(caplog.records) == 2
    w.clock.advance(11)
    send(w, 3)
    assert len(caplog.records) == 3
    assert lines(caplog)[-1].endswith("failed (50 times since the last such line)")
    assert caplog.records[-1].exc_info[0] is ValueError, "handlers get the exception itself"


def test_on_error_that_fails_and_tasks_that_fail(world, caplog):
    w = world(on_traffic=fail_here, on_error=lambda conn, error: 1 / 0)
    send(w, 20)
    assert len(caplog.records) == 1
    for _ in range(20):
        w.loop.execute(fail_here, b"")
        w.loop.schedule(0, fail_here, b"")
    w.turns(2)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("data", [b"x" * 1_000_000, b"\r\nCRITICAL netcore: forged\x1b[2J\x00"])
def test_no_line_is_the_strangers(world, caplog, data):
    w = world(Failing(lambda data: fail_here(data.decode("latin-1"))), limits=Limits(max_inbound=1 << 30))
    send(w, 1, data)
    assert len(caplog.text) < 20_000
    assert not any(line.startswith("CRITICAL") for line in caplog.text.splitlines())
    assert "\x1b" not in caplog.text and "\x00" not in caplog.text


def test_what_a_callback_returns_by_mistake_is_not_shown(world, caplog):
    w = world(on_traffic=lambda conn: conn.read())
    send(w, 5, b"secret")
    assert len(caplog.records) == 1
    assert "bytes" in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize("edge_triggered", [False, True])
def test_datagrams_that_are_too_long(serve, caplog, edge_triggered):
    got = threading.Event()

    class Quiet(EventHandler):
        def on_traffic(self, conn):
            got.set()

    engine = serve(Quiet(), "udp://127.0.0.1:0", read_buffer_cap=1024, edge_triggered=edge_triggered)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for _ in range(300):
            sock.sendto(bytes(1500), ("127.0.0.1", engine.addresses[0].port))
        while not got.wait(0.1):
            sock.sendto(b"the last", ("127.0.0.1", engine.addresses[0].port))
    assert len(caplog.records) == 1


def test_a_balancer_that_fails(serve, dial, caplog):
    class Broken:
        def pick(self, loops, remote):
            raise LookupError("on purpose")

    class Opened(EventHandler):
        def on_open(self, conn):
            opened.release()

    opened = threading.Semaphore(0)
    engine = serve(Opened(), load_balancer=Broken(), num_event_loops=2)
    for _ in range(10):
        dial(engine)
        assert opened.acquire(timeout=30)
    assert len(caplog.records) == 1


def test_kinds_are_bounded_and_the_first_of_each_is_at_once():
    clock = ManualClock()
    complaints = Complaints(clock)
    said = sum(complaints.due(("kind", i)) for i in range(10_000))
    assert 64 <= said <= 66
    clock.advance(11)
    assert complaints.due(("kind", 20_000)) == 10_000 - said + 1, (
        "what has no kind of its own is counted together"
    )


def test_a_logger_keeps_its_own_complaints(caplog):
    one, other = logging.getLogger("netcore.one"), logging.getLogger("netcore.other")
    for logger in (one, other, one):
        complain(logger, logging.WARNING, "kind", "%s", "said")
    assert [record.name for record in caplog.records] == ["netcore.one", "netcore.other"]
    assert caplog.records[0].funcName == "test_a_logger_keeps_its_own_complaints"
    assert complaints_of(one) is complaints_of(one)


def test_a_level_that_is_off_is_off(caplog):
    logger = logging.getLogger("netcore.silent")
    logger.setLevel(logging.CRITICAL)
    complain(logger, logging.WARNING, "kind", "unheard")
    assert not caplog.records


def test_plain_texts():
    class Wrong(Exception):
        def __str__(self):
            raise LookupError

    assert plain("a\nb\x1b\u2028c") == "a\\nb\\x1b\\u2028c"
    assert plain("x" * 1000) == "x" * 400 + "... (1000 characters)"
    assert plain(Wrong()) == "<Wrong without a text>"


def test_causes_are_harmless_too(caplog):
    logger = logging.getLogger("netcore.causes")
    try:
        try:
            raise LookupError("first\nforged")
        except LookupError as error:
            raise ValueError("second\nforged") from error
    except ValueError as error:
        complain(logger, logging.ERROR, "causes", "failed", error=error)
    assert "\nforged" not in caplog.text
    assert "first\\nforged" in caplog.text and "second\\nforged" in caplog.text
