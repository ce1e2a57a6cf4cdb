"""The reading methods of a connection, over fake sockets."""

from __future__ import annotations

import errno
import io
import pickle
import sys

import pytest

from netcore import ShortBufferError
from netcore.buffer import VIEWS_ARE_COUNTED


class ShortFile(io.BytesIO):
    """Takes three bytes at a time, and fails when it is full."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data):
        if self.tell() >= self.room:
            raise OSError("full")
        return super().write(bytes(data)[:3])


def on_each(function):
    """Makes an on_traffic that records what a function of the connection returns."""
    results = []

    def on_traffic(conn):
        results.append(function(conn))

    return results, on_traffic


def test_read_takes_all_or_up_to_n(world):
    results, on_traffic = on_each(
        lambda conn: (conn.read(2), conn.read(0), conn.read(100), conn.read(), conn.read(5))
    )
    w = world(on_traffic=on_traffic)
    w.feed(w.connect(), b"abcdef")
    assert results == [(b"ab", b"", b"cdef", b"", b"")]


def test_unread_bytes_stay_and_later_ones_come_behind_them(world):
    results, on_traffic = on_each(lambda conn: (conn.inbound_buffered, conn.read(1), conn.inbound_buffered))
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    for data in (b"ab", b"cd", b"ef"):
        w.feed(conn, data)
    assert results == [(2, b"a", 1), (3, b"b", 2), (4, b"c", 3)]
    assert conn.read() == b"def"
    assert conn.inbound_buffered == 0


def test_connections_of_one_batch_keep_their_own_bytes(world):
    w = world(on_traffic=lambda conn: setattr(conn, "context", (conn.context or b"") + conn.read(2)))
    conns = [w.connect() for _ in range(5)]
    for i, conn in enumerate(conns):
        w.sockets.feed(conn.fd, bytes([65 + i]) * 4)
    w.loop.turn()
    assert [conn.context for conn in conns] == [bytes([65 + i]) * 2 for i in range(5)]
    assert [conn.read() for conn in conns] == [bytes([65 + i]) * 2 for i in range(5)]


def test_more_connections_than_the_arena_holds(world):
    w = world()
    conns = [w.connect() for _ in range(12)]  # of 64 KiB each, into an arena of 256 KiB
    for i, conn in enumerate(conns):
        w.sockets.feed(conn.fd, bytes([i]) * 65536)
    w.loop.turn()
    received = {event.conn: event.detail for event in w.handler.events if event.name == "on_traffic"}
    assert received == {conn: bytes([i]) * 65536 for i, conn in enumerate(conns)}


@pytest.mark.parametrize("kept", [False, True], ids=["in the arena", "kept from earlier"])
def test_peek_next_and_discard(world, kept):
    def look(conn):
        if kept and conn.inbound_buffered < 6:
            return None
        with pytest.raises(ShortBufferError):
            conn.peek(7)
        with pytest.raises(ShortBufferError):
            conn.next(7)
        assert conn.inbound_buffered == 6
        return (
            bytes(conn.peek(2)),
            bytes(conn.next(1)),
            conn.discard(2),
            bytes(conn.peek()),
            bytes(conn.next()),
            conn.discard(9),
            bytes(conn.peek(0)),
        )

    results, on_traffic = on_each(look)
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    for piece in (b"abc", b"def") if kept else (b"abcdef",):
        w.feed(conn, piece)
    assert results[-1] == (b"ab", b"a", 2, b"def", b"def", 0, b"")


@pytest.mark.parametrize("kept", [False, True], ids=["in the arena", "kept from earlier"])
def test_views_are_read_only_and_released_after_the_callback(world, kept):
    views = []

    def on_traffic(conn):
        if conn.inbound_buffered == 4:
            views.extend([conn.peek(2), conn.next(3)])
            with pytest.raises(TypeError):
                views[0][0] = 1

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    for piece in (b"ab", b"cd") if kept else (b"abcd",):
        w.feed(conn, piece)
    for view in views:
        with pytest.raises(ValueError, match="released"):
            bytes(view)
    assert len(views) == 2
    assert conn.read() == b"d"


def test_a_view_that_cannot_be_released_keeps_its_bytes(world):
    holders = []
    w = world(on_traffic=lambda conn: holders.append(pickle.PickleBuffer(conn.next())))
    conn = w.connect()
    w.feed(conn, b"first")
    w.feed(conn, b"other")
    w.feed(conn, b"third")
    if VIEWS_ARE_COUNTED:
        assert [bytes(holder.raw()) for holder in holders] == [b"first", b"other", b"third"]
        return
    for holder in holders:  # PyPy releases every view, and what was made of it shows nothing any more
        with pytest.raises(ValueError, match="released"):
            holder.raw()


def test_peek_joins_what_lies_around_the_end_of_the_ring(world):
    seen = []

    def on_traffic(conn):
        if conn.inbound_buffered > 900:
            seen.append(bytes(conn.peek(conn.inbound_buffered)))
            conn.discard(conn.inbound_buffered - 10)

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    for i in range(40):
        w.feed(conn, bytes([i]) * 100)
    stream = b"".join(bytes([i]) * 100 for i in range(40))
    at = 0
    for data in seen:
        assert stream[at : at + len(data)] == data
        at += len(data) - 10
    assert len(seen) >= 4


def test_read_into(world):
    target = bytearray(4)
    results, on_traffic = on_each(lambda conn: (conn.read_into(target), bytes(target)))
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"abcdef")
    assert results[0] == (4, b"abcd")
    assert conn.read_into(target) == 2
    assert target == b"efcd"
    assert conn.read_into(target) == 0


def test_write_to_takes_only_what_the_file_took(world):
    file = ShortFile(6)

    def on_traffic(conn):
        with pytest.raises(OSError, match="full"):
            conn.write_to(file)

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"abcdefgh")
    assert file.getvalue() == b"abcdef"
    assert conn.read() == b"gh"
    good = io.BytesIO()
    assert conn.write_to(good) == 0
    w.handler._callbacks["on_traffic"] = lambda conn: conn.write_to(good)
    w.feed(conn, b"tail")
    assert good.getvalue() == b"tail"
    assert conn.inbound_buffered == 0


def test_pause_keeps_bytes_in_the_kernel_and_resume_delivers_them(world):
    w = world()
    conn = w.connect()
    conn.pause_reading()
    w.turns()
    assert w.poller.interests[conn.fd] == 0
    w.sockets.feed(conn.fd, b"later")
    w.turns(3)
    assert w.handler.received() == b""
    conn.resume_reading()
    w.turns(3)
    assert w.handler.received() == b"later"


def test_pause_by_a_neighbour_in_the_same_batch_loses_nothing(world):
    def on_traffic(conn):
        second.pause_reading()
        conn.context = (conn.context or b"") + conn.read()

    w = world(on_traffic=on_traffic)
    first, second = w.connect(), w.connect()
    w.sockets.feed(first.fd, b"one")
    w.sockets.feed(second.fd, b"two")
    w.loop.turn()
    assert (first.context, second.context) == (b"one", None)
    w.handler._callbacks["on_traffic"] = lambda conn: setattr(conn, "context", conn.read())
    second.resume_reading()
    w.turns(2)
    assert second.context == b"two"


def test_reading_goes_on_when_no_reason_is_left(world):
    w = world(on_traffic=lambda conn: setattr(conn, "context", conn.read()))
    conn = w.connect()
    for reason in (None, "full", "full", ("late", 1)):
        conn.pause_reading(reason)
    w.sockets.feed(conn.fd, b"later")
    for reason in ("unknown", ("late", 1), None, None):
        conn.resume_reading(reason)
        w.turns(2)
        assert conn.paused and conn.context is None
        assert w.poller.interests[conn.fd] == 0
    conn.resume_reading("full")
    w.turns(2)
    assert not conn.paused and conn.context == b"later"


def test_what_is_unread_is_shown_when_the_last_reason_is_gone(world):
    lengths, on_traffic = on_each(lambda conn: conn.inbound_buffered)
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"abc")
    conn.pause_reading()
    conn.pause_reading("full")
    conn.resume_reading()
    w.turns(2)
    assert lengths == [3]
    conn.resume_reading("full")
    conn.pause_reading()  # again, before it could be shown
    w.turns(2)
    assert lengths == [3]
    conn.resume_reading()
    w.turns(2)
    assert lengths == [3, 3]


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="it hashes at other moments")
def test_a_reason_that_resumes_while_it_is_taken_leaves_no_pause_without_an_end(world):
    class Reason:
        """Acts where the loop hashes it; the caller's look is the first."""

        def __init__(self, act):
            self.acts = [lambda: None, act]

        def __hash__(self):
            if self.acts:
                self.acts.pop(0)()
            return 1

    w = world()
    conn = w.connect()
    reason = Reason(lambda: conn.resume_reading("first"))
    conn.pause_reading("first")
    conn.pause_reading(reason)
    assert conn.paused
    conn.resume_reading(reason)
    assert not conn.paused
    conn.pause_reading()
    conn.resume_reading()
    assert not conn.paused


@pytest.mark.parametrize("to_pause", [True, False])
def test_who_acts_in_the_midst_of_a_pause_has_the_last_word(world, monkeypatch, to_pause):
    """As a signal's handler may, which comes between any two steps."""
    w = world(on_traffic=lambda conn: seen.append(conn.read()))
    seen = []
    conn = w.connect()
    kind = type(conn)
    set_paused = kind.set_paused

    def interrupted(self, paused):
        if acts:
            acts.pop()()
        set_paused(self, paused)

    monkeypatch.setattr(kind, "set_paused", interrupted)
    acts = []
    if to_pause:
        conn.pause_reading("full")
        acts.append(lambda: conn.pause_reading("again"))
        conn.resume_reading("full")
        assert conn.paused
        w.feed(conn, b"later")
        assert not seen
        conn.resume_reading("again")
    else:
        acts.append(lambda: conn.resume_reading("full"))
        conn.pause_reading("full")
        w.feed(conn, b"later")
    w.turns(2)
    assert seen == [b"later"] and not conn.paused


def test_a_finalizer_may_pause_for_a_reason_of_its_own(world):
    """``pause_reading`` is for ``__del__``, too; here it runs where the reason is hashed on the loop."""

    class Reason:
        def __init__(self, act):
            self.act = act

        def __hash__(self):
            act, self.act = self.act, lambda: None
            act()
            return 7

    w = world()
    conn = w.connect()
    conn.pause_reading(Reason(lambda: conn.pause_reading("inner")))
    assert conn.paused
    reason = Reason(lambda: None)
    conn.pause_reading(reason)
    conn.resume_reading("inner")
    reason.act = lambda: conn.pause_reading("again")
    conn.resume_reading(reason)
    assert conn.paused


def test_resume_shows_what_was_left_unread(world):
    lengths, on_traffic = on_each(lambda conn: conn.inbound_buffered)
    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"abc")
    conn.pause_reading()
    conn.resume_reading()
    w.turns(2)
    assert lengths == [3, 3]


def test_nothing_is_left_in_memory_by_an_idle_connection(world):
    w = world()
    conn = w.connect()
    for _ in range(3):
        w.feed(conn, b"x" * 1000)
    assert conn._kept is None
    assert conn._backlog is None


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_what_a_pause_held_back_is_shown_before_the_end(world, end):
    seen = []

    def on_traffic(conn):
        seen.append(conn.read(1))
        conn.pause_reading()

    w = world(on_traffic=on_traffic)
    conn = w.connect()
    w.feed(conn, b"ab")
    if end == "eof":
        w.sockets.feed_eof(conn.fd)
    else:
        w.sockets.feed_error(conn.fd, errno.ECONNRESET)
    w.turns(2)
    w.handler._callbacks["on_traffic"] = lambda conn: seen.append(conn.read())
    w.loop.execute(conn.resume_reading)
    w.turns(4)
    assert seen == [b"a", b"b"]
    names = w.handler.names(conn)
    assert names.index("on_close") > max(i for i, name in enumerate(names) if name == "on_traffic")
