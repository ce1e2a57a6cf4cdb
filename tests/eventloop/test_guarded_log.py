"""A logging handler that raises costs a line on standard error, and nothing else."""

from __future__ import annotations

import logging

import pytest

from netcore import EventHandler
from netcore.eventloop import GuardedLogger


class Raising(logging.Handler):
    def emit(self, record):
        raise RuntimeError("the disk is full")


class Filtering(logging.Filter):
    def filter(self, record):
        raise RuntimeError("no")


@pytest.fixture
def broken():
    logger = logging.Logger("broken")
    logger.addHandler(Raising())
    return logger


def fail(*args):
    raise LookupError("on purpose")


def test_it_goes_to_standard_error(broken, capsys):
    GuardedLogger(broken).error("important")
    assert "the disk is full" in capsys.readouterr().err


def test_filters_too(capsys):
    logger = logging.Logger("broken")
    logger.addFilter(Filtering())
    GuardedLogger(logger).error("important")
    assert "RuntimeError: no" in capsys.readouterr().err


def test_level_name_and_caller_are_those_of_the_target(caplog):
    logger = logging.getLogger("netcore.guarded")
    logger.setLevel(logging.ERROR)
    guarded = GuardedLogger(logger)
    guarded.warning("unheard")
    guarded.error("heard")
    (record,) = caplog.records
    assert (record.name, record.funcName) == (
        "netcore.guarded",
        "test_level_name_and_caller_are_those_of_the_target",
    )


@pytest.mark.parametrize("name", ["on_open", "on_traffic", "on_eof", "on_close"])
def test_the_loop_goes_on(world, broken, capsys, name):
    """The error in the callback, the one in on_error, and that in reporting both: three in a row."""
    w = world(**{name: fail}, on_error=fail, shared={"logger": broken})
    conn = w.connect()
    w.sockets.feed(conn.fd, b"x")
    w.sockets.feed_eof(conn.fd)
    w.turns(3)
    assert conn.closed
    assert w.handler.names(conn).count("on_close") == 1
    assert w.connect() is not conn
    assert "the disk is full" in capsys.readouterr().err


def test_an_engine_goes_on(serve, dial, broken, receive, capfd):

    class Bad(EventHandler):
        def on_traffic(self, conn):
            if conn.read() == b"bad":
                fail()
            conn.write(b"fine")

    engine = serve(Bad(), logger=broken)
    bad = dial(engine)
    bad.sendall(b"bad")
    assert bad.recv(1) == b""
    good = dial(engine)
    good.sendall(b"good")
    assert receive(good, 4) == b"fine"
