"""No descriptor left: whoever is here is served, whoever comes is turned away, and it passes."""

from __future__ import annotations

import errno
import gc
import os

import pytest

from netcore.eventloop.reserve import Reserve

CODES = pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])


def exhaust(w, code):
    """Makes accept fail with ``code`` unless the reserve was given up first."""
    accept = w.sockets.accept
    reserve = w.acceptor._reserve

    def exhausted(fd, limit):
        return ([], -code) if reserve._fd >= 0 else accept(fd, limit)

    w.sockets.accept = exhausted
    return lambda: setattr(w.sockets, "accept", accept)


@CODES
def test_those_who_wait_are_closed_at_once(world, code):
    w = world()
    conn = w.connect()
    exhaust(w, code)
    waiting = [w.sockets.connect(w.LISTENER) for _ in range(5)]
    w.turns()
    assert w.sockets.resets == waiting
    w.feed(conn, b"still served")
    assert w.handler.received() == b"still served"
    assert w.handler.names().count("on_open") == 1


@CODES
def test_accepting_backs_off_and_resumes(world, code):
    w = world()
    relieve = exhaust(w, code)
    w.sockets.connect(w.LISTENER)
    w.turns()
    assert w.LISTENER not in w.poller.interests
    relieve()
    start = w.clock.now
    later = w.sockets.connect(w.LISTENER)
    while not w.hosts(later):
        w.loop.turn()
    assert w.clock.now - start == pytest.approx(0.1)


@CODES
def test_one_line_of_log_per_interval(world, caplog, code):
    w = world()
    exhaust(w, code)
    start = w.clock.now
    while w.clock.now - start < 25:
        w.sockets.connect(w.LISTENER)
        w.turns()
        w.clock.advance(0.1)
    lines = [record.getMessage() for record in caplog.records if "cannot accept" in record.getMessage()]
    assert len(lines) == 3
    assert "1 times, 1 just turned away" in lines[0]


@CODES
def test_a_flood_of_them_is_turned_away_in_portions(world, code):
    w = world()
    exhaust(w, code)
    for _ in range(200):
        w.sockets.connect(w.LISTENER)
    w.turns()
    assert len(w.sockets.resets) == 64
    while len(w.sockets.resets) < 200:
        w.loop.turn()


def test_without_a_reserve_they_wait(world, monkeypatch):
    w = world()
    monkeypatch.setattr(Reserve, "fill", lambda self: False)
    w.acceptor._reserve.spend()
    w.sockets.accept = lambda fd, limit: ([], -errno.EMFILE)
    w.sockets.connect(w.LISTENER)
    w.turns(3)
    assert w.sockets.resets == []
    assert w.LISTENER not in w.poller.interests


def test_refusals_of_the_poller_are_one_line_too(world, caplog):
    w = world()
    register = w.poller.register

    def full(fd, interest):
        if fd != w.LISTENER:
            raise OSError(errno.ENOSPC, "max_user_watches")
        register(fd, interest)

    w.poller.register = full
    fds = [w.sockets.connect(w.LISTENER) for _ in range(20)]
    w.turns()
    assert w.sockets.resets == fds
    assert caplog.text.count("cannot serve") == 1


def test_the_reserve_gives_its_descriptor_back():
    reserve = Reserve()
    assert reserve.fill()
    assert reserve.fill()
    fd = reserve._fd
    assert not os.get_inheritable(fd)
    assert reserve.spend()
    assert not reserve.spend()
    with pytest.raises(OSError):
        os.fstat(fd)
    reserve.fill()
    fd = reserve._fd
    del reserve
    gc.collect()  # where nothing else looks for what is let go of
    with pytest.raises(OSError):
        os.fstat(fd)


def test_the_listener_takes_its_reserve_along(world):
    w = world()
    reserve = w.acceptor._reserve
    assert reserve._fd >= 0
    w.loop.stop_accepting()
    assert reserve._fd < 0
