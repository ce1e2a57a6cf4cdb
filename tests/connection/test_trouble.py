"""Errors that the poller reports while nothing is being received or sent."""

from __future__ import annotations

import errno

import pytest

from netcore import Action, CloseReason
from netcore.connection import Limits
from netcore.poll import Readiness

GONE = Readiness.HANGUP | Readiness.ERROR
EDGES = pytest.mark.parametrize("chunk", [0, 256], ids=["level", "edge"])


def paused(world, chunk=0, **callbacks):
    w = world(limits=Limits(edge_chunk=chunk), **callbacks)
    conn = w.connect()
    conn.pause_reading()
    w.turns()
    return w, conn


def reset(w, conn):
    w.sockets.feed_error(conn.fd, errno.ECONNRESET)
    w.poller.set_ready(conn.fd, GONE)
    w.turns(3)


@EDGES
def test_a_reset_is_noticed_in_a_pause(world, chunk):
    w, conn = paused(world, chunk)
    reset(w, conn)
    assert w.handler.names(conn) == ["on_open", "on_close"]
    assert isinstance(w.handler.details("on_close")[0], ConnectionResetError)
    assert conn.close_reason is CloseReason.ERROR


@EDGES
def test_what_came_before_the_reset_is_delivered(world, chunk):
    w, conn = paused(world, chunk)
    w.sockets.feed(conn.fd, b"last words")
    reset(w, conn)
    assert w.handler.received() == b"last words"
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_close"]


@EDGES
def test_a_hang_up_in_a_pause_waits_for_the_end_of_the_pause(world, chunk):
    """As of a Unix peer that has closed: what it sent may stay in the kernel, but must not be forgotten."""
    w, conn = paused(world, chunk)
    w.sockets.feed(conn.fd, b"last words")
    w.sockets.feed_eof(conn.fd)
    w.poller.set_ready(conn.fd, Readiness.HANGUP)
    w.turns(3)
    assert w.handler.names(conn) == ["on_open"]
    assert w.poller.wait(0) == [], "it would be reported for ever"
    conn.resume_reading()
    w.turns(4)
    assert w.handler.received() == b"last words"
    assert w.handler.names(conn)[-2:] == ["on_eof", "on_close"]


def test_a_reset_after_the_peers_fin(world):
    w = world(on_eof=lambda conn: Action.NONE)
    conn = w.connect()
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    w.poller.set_ready(conn.fd, GONE)
    w.turns(2)
    assert w.handler.names(conn) == ["on_open", "on_eof", "on_close"]
    assert isinstance(w.handler.details("on_close")[0], OSError)


def test_a_reset_in_a_pause_after_our_fin(world):
    w, conn = paused(world)
    conn.shutdown_write()
    w.turns()
    reset(w, conn)
    assert w.handler.names(conn) == ["on_open", "on_close"]


def test_a_reset_with_output_waiting_is_told_once(world):
    w, conn = paused(world)
    w.sockets.block(conn.fd)
    conn.write(b"never sent")
    w.turns()
    w.sockets.unblock(conn.fd)
    w.sockets.script_sends(conn.fd, -errno.EPIPE)
    reset(w, conn)
    assert w.handler.names(conn) == ["on_open", "on_close"]
    assert w.handler.details("on_close")[0].errno == errno.EPIPE


@EDGES
def test_an_interrupted_receive_is_repeated(world, chunk):
    w = world(limits=Limits(edge_chunk=chunk))
    conn = w.connect()
    w.sockets.feed_error(conn.fd, errno.EINTR)
    w.sockets.feed(conn.fd, b"after the signal")
    w.turns(3)
    assert w.handler.received() == b"after the signal"
