"""A filter between sockets and a stream: everything that holds without one holds with it."""

from __future__ import annotations

import errno

import pytest

from netcore import Action, CloseReason, ConnectionClosedError, UnsupportedOperationError
from netcore.connection import Limits
from netcore.poll import Interest

SMALL = Limits(high_water=300, low_water=100, max_outbound=3000, write_cap=64, close_timeout=5)


@pytest.fixture
def filtered(world, toys):
    """Makes a world whose connections have a filter from their ``on_open``, and its first connection."""

    def make(limits=None, greets=False, **callbacks):
        def on_open(conn):
            conn.put_on(toys.ToyFilter(greets))
            return then(conn) if then is not None else None

        then = callbacks.pop("on_open", None)
        w = world(limits=limits, on_open=on_open, **callbacks)
        return w, w.connect()

    return make


def sent(w, conn, toys):
    """What the peer makes of what it was sent: the bytes, and the records that have none."""
    return toys.decode(w.sent(conn))


def test_every_byte_is_changed_both_ways(filtered, toys):
    w, conn = filtered(on_traffic=lambda conn: conn.write(conn.read()) and None)
    w.feed(conn, toys.encode(b"hello"))
    assert w.sent(conn) == toys.encode(b"hello")
    assert b"hello" not in w.sent(conn)
    w.feed(conn, toys.encode(b", ") + toys.encode(b"world"))
    assert sent(w, conn, toys) == (b"hello, world", [])


class Four:
    """A number that is no int."""

    def __index__(self):
        return 4


def test_reads_of_every_kind(filtered, toys):
    def on_traffic(conn):
        got.append((conn.inbound_buffered, bytes(conn.peek(Four())), conn.read(2), conn.read(Four())))
        got.append((bytes(conn.next(Four())), conn.discard(1), bytes(conn.peek()), conn.inbound_buffered))

    got = []
    w, conn = filtered(on_traffic=on_traffic)
    w.feed(conn, toys.encode(b"abcdefghijklmno"))
    assert got == [(15, b"abcd", b"ab", b"cdef"), (b"ghij", 1, b"lmno", 4)]
    got.clear()
    w.feed(conn, toys.encode(b"pqrstuvwxyz"))
    assert got == [(15, b"lmno", b"lm", b"nopq"), (b"rstu", 1, b"wxyz", 4)]


def test_what_is_read_to_its_end_in_pieces(filtered, toys):
    w, conn = filtered(on_traffic=lambda conn: got.extend(iter(lambda: conn.read(4), b"")))
    got = []
    w.feed(conn, toys.encode(b"0123456789"))
    w.feed(conn, toys.encode(b"again"))
    assert got == [b"0123", b"4567", b"89", b"agai", b"n"]
    assert conn.inbound_buffered == 0


def test_byte_by_byte(filtered, toys):
    w, conn = filtered()
    for byte in toys.encode(b"slow"):
        w.feed(conn, bytes([byte]))
    assert w.handler.details("on_traffic") == [b"slow"]


def test_all_records_of_one_receive_are_one_on_traffic(filtered, toys):
    w, conn = filtered()
    w.feed(conn, toys.encode(b"one ") + toys.encode(b"two ") + toys.encode(b"three")[:3])
    assert w.handler.details("on_traffic") == [b"one two "]


def test_all_writes_of_a_turn_are_one_record_and_leave_in_one_batch(filtered, toys):
    w, conn = filtered(on_traffic=lambda conn: conn.writev([b"a", bytearray(b"bc")]) and None)
    others = [w.connect() for _ in range(3)]
    before = w.sockets.sends[conn.fd]
    for each in (conn, *others):
        w.sockets.feed(each.fd, toys.encode(b"go"))
    batches = []
    send = w.sockets.send
    w.sockets.send = lambda fds, chunks: (batches.append(list(fds)), send(fds, chunks))[1]
    w.loop.turn()
    assert [sorted(batch) for batch in batches] == [sorted(each.fd for each in (conn, *others))]
    assert w.sockets.sends[conn.fd] == before + 1
    assert w.sent(conn) == toys.encode(b"abc")


def test_output_that_only_feeding_has_made(filtered, toys):
    w, conn = filtered()
    w.feed(conn, toys.record(toys.ASK))
    assert w.sent(conn) == toys.record(toys.ANSWER)
    assert not w.handler.details("on_traffic")


def test_what_a_filter_holds_back_leaves_when_it_may(filtered, toys):
    w, conn = filtered(greets=True, on_open=lambda conn: conn.write(b"early") and None)
    w.turns()
    assert w.sent(conn) == toys.record(toys.HELLO)
    assert conn.outbound_buffered == 5
    w.feed(conn, toys.record(toys.HELLO))
    assert sent(w, conn, toys) == (b"early", [toys.HELLO])
    assert conn.outbound_buffered == 0
    conn.write(b" late")
    w.turns()
    assert sent(w, conn, toys)[0] == b"early late"


def test_what_a_filter_holds_back_is_bounded(filtered):
    w, conn = filtered(SMALL, greets=True)
    while not conn.closed:
        conn.write(b"x" * 100)
        w.turns()
    assert conn.close_reason is CloseReason.OVERFLOW
    assert w.handler.names(conn)[-1] == "on_close"


def test_pause_listens_only_for_the_filters_sake(filtered, toys):
    w, conn = filtered(greets=True)
    conn.write(b"held")
    conn.pause_reading()
    w.turns()
    assert w.poller.interests[conn.fd] & Interest.READ
    w.feed(conn, toys.record(toys.HELLO) + toys.encode(b"not yet"))
    w.turns()
    assert sent(w, conn, toys)[0] == b"held"
    assert not w.poller.interests[conn.fd] & Interest.READ
    assert not w.handler.details("on_traffic")
    conn.resume_reading()
    w.turns()
    assert w.handler.details("on_traffic") == [b"not yet"]


def test_close_sends_what_is_held_then_the_closing_record_then_fin(filtered, toys):
    w, conn = filtered(greets=True)
    conn.write(b"last words")
    conn.close()
    w.turns(2)
    assert not w.handler.names(conn).count("on_close")
    w.feed(conn, toys.record(toys.HELLO) + toys.encode(b"nobody reads this"))
    w.turns(2)
    assert sent(w, conn, toys) == (b"last words", [toys.HELLO, toys.CLOSING])
    assert w.sockets.closed == [conn.fd]
    assert not w.handler.details("on_traffic")
    assert w.handler.details("on_close") == [None]


def test_close_gives_up_on_a_filter_that_never_lets_go(filtered):
    w, conn = filtered(greets=True)
    conn.write(b"never")
    conn.close()
    start = w.clock.now
    while not w.handler.details("on_close"):
        w.loop.turn()
    assert w.clock.now - start == 5
    assert w.sockets.resets == [conn.fd]


def test_a_peer_that_leaves_while_bytes_are_held_ends_it(filtered):
    w, conn = filtered(greets=True)
    conn.write(b"never")
    conn.close()
    w.turns()
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    (error,) = w.handler.details("on_close")
    assert error is not None


def test_shutdown_write_ends_one_direction_in_the_filters_way(filtered, toys):
    w, conn = filtered()
    conn.write(b"bye")
    conn.shutdown_write()
    w.turns(2)
    assert w.sent(conn) == toys.encode(b"bye") + toys.record(toys.CLOSING)
    assert w.sockets.shut == [conn.fd]
    w.feed(conn, toys.encode(b"still there"))
    assert w.handler.received() == b"still there"
    with pytest.raises(ConnectionClosedError):
        conn.write(b"more")
    w.feed(conn, toys.record(toys.CLOSING))
    w.turns(2)
    assert w.handler.names(conn)[-2:] == ["on_eof", "on_close"]
    assert conn.close_reason is CloseReason.EOF


def test_the_peers_closing_record_is_the_end_of_the_stream(filtered, toys):
    w, conn = filtered(on_eof=lambda conn: conn.write(b"so long") and None)
    w.feed(conn, toys.encode(b"bye") + toys.record(toys.CLOSING) + b"never fed")
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_eof"]
    w.turns()
    assert sent(w, conn, toys)[0] == b"so long"
    assert not w.poller.interests[conn.fd] & Interest.READ
    conn.close()
    w.turns(2)
    assert sent(w, conn, toys) == (b"so long", [toys.CLOSING])
    assert w.handler.details("on_close") == [None]


def test_an_end_behind_a_pause_waits_for_what_is_unread(filtered, toys):
    w, conn = filtered(on_traffic=lambda conn: None)
    w.feed(conn, toys.encode(b"bye") + toys.record(toys.CLOSING))
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_eof", "on_close"]
    w, conn = filtered(on_traffic=lambda conn: None if conn.context else conn.pause_reading())
    w.feed(conn, toys.encode(b"bye") + toys.record(toys.CLOSING))
    w.turns(2)
    assert w.handler.names(conn) == ["on_open", "on_traffic"]
    conn.context = "resumed"
    conn.resume_reading()
    w.turns(3)
    assert w.handler.names(conn)[:4] == ["on_open", "on_traffic", "on_traffic", "on_eof"]


def test_an_end_without_the_closing_record_is_judged_by_the_filter(filtered, toys):
    w, conn = filtered()
    w.sockets.feed(conn.fd, toys.encode(b"the bytes first"))
    w.sockets.feed_eof(conn.fd)
    w.turns(3)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_close"]
    (error,) = w.handler.details("on_close")
    assert (str(error), conn.close_reason) == ("cut off", CloseReason.ERROR)


def test_an_end_without_one_after_ours_is_an_end_like_another(filtered):
    w, conn = filtered()
    conn.shutdown_write()
    w.turns(2)
    w.sockets.feed_eof(conn.fd)
    w.turns(2)
    assert w.handler.names(conn) == ["on_open", "on_eof", "on_close"]
    assert (w.handler.details("on_close"), conn.close_reason) == ([None], CloseReason.EOF)


def test_a_failure_delivers_what_was_good_sends_the_last_and_ends(filtered, toys):
    w, conn = filtered(on_traffic=lambda conn: conn.write(b"answer") and None)
    w.feed(conn, toys.encode(b"good") + toys.record(9999, b"bad"))
    w.turns(2)
    assert w.handler.names(conn) == ["on_open", "on_traffic", "on_close"]
    (error,) = w.handler.details("on_close")
    assert (str(error), conn.close_reason) == ("a record of 9999 bytes", CloseReason.ERROR)
    assert toys.CLOSING in sent(w, conn, toys)[1]
    assert w.sockets.closed == [conn.fd]


def test_abort_sends_no_closing_record(filtered, toys):
    w, conn = filtered()
    conn.write(b"lost")
    conn.abort()
    w.turns(2)
    assert toys.CLOSING not in sent(w, conn, toys)[1]
    assert w.sockets.resets == [conn.fd]


def test_a_reset_is_what_it_is_without(filtered, toys):
    w, conn = filtered()
    w.sockets.feed(conn.fd, toys.encode(b"before"))
    w.sockets.feed_error(conn.fd, errno.ECONNRESET)
    w.turns(3)
    assert w.handler.received() == b"before"
    (error,) = w.handler.details("on_close")
    assert isinstance(error, ConnectionResetError)


def test_a_write_that_fails_drains_what_came_before(filtered, toys):
    w, conn = filtered()
    w.sockets.script_sends(conn.fd, -errno.EPIPE)
    conn.write(b"x")
    w.sockets.feed(conn.fd, toys.encode(b"before"))
    w.turns(3)
    assert w.handler.received() == b"before"
    assert isinstance(w.handler.details("on_close")[0], BrokenPipeError)


def test_what_came_before_it_broke_is_shown_also_in_a_pause(filtered, toys):
    w, conn = filtered(on_open=lambda conn: conn.pause_reading())
    w.sockets.feed(conn.fd, toys.encode(b"before"))
    w.sockets.script_sends(conn.fd, -errno.EPIPE)
    conn.write(b"x")
    w.turns(3)
    assert w.handler.names() == ["on_open", "on_traffic", "on_close"]
    assert w.handler.received() == b"before"


def test_water_marks_count_raw_bytes(filtered, toys):
    w, conn = filtered(SMALL)
    w.sockets.block(conn.fd)
    conn.write(b"x" * 310)
    w.turns()
    assert not conn.writable
    assert conn.outbound_buffered == len(toys.encode(b"x" * 310))
    w.sockets.unblock(conn.fd)
    w.turns(10)
    assert conn.writable
    assert w.handler.names(conn).count("on_writable") == 1
    assert sent(w, conn, toys)[0] == b"x" * 310


def test_a_slow_peer_gets_everything_in_order(filtered, toys):
    w, conn = filtered(SMALL)
    w.sockets.script_sends(conn.fd, 3, 0, 1, 50, 7)
    expected = b""
    for i in range(20):
        data = bytes([i]) * (i * 7)
        conn.write(data)
        expected += data
        w.turns()
    w.turns(50)
    assert sent(w, conn, toys)[0] == expected


@pytest.mark.parametrize("size", [100, 40_000, 200_000])
def test_sendfile_falls_back_to_reading(filtered, toys, tmp_path, size):
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "file").write_bytes(content)
    w, conn = filtered()
    sendfiles = []
    w.sockets.sendfile = lambda *args: sendfiles.append(args)
    conn.write(b"before ")
    with (tmp_path / "file").open("rb") as file:
        assert conn.sendfile(file) == size
    conn.write(b" after")
    assert conn.outbound_buffered >= size
    w.turns(20)
    assert sent(w, conn, toys)[0] == b"before " + content + b" after"
    assert not sendfiles
    assert conn.outbound_buffered == 0
    assert w.poller.interests[conn.fd] == Interest.READ


def test_a_long_file_takes_no_memory_and_leaves_room(filtered, toys, tmp_path):
    size = 1_000_000
    with (tmp_path / "file").open("wb") as file:
        file.truncate(size)
    w, conn = filtered()
    w.sockets.block(conn.fd, after=100_000)
    with (tmp_path / "file").open("rb") as file:
        conn.sendfile(file)
    w.turns(30)
    assert conn.outbound_buffered - conn.file_bytes <= 2 * 65536
    turns = 0
    w.sockets.unblock(conn.fd)
    while conn.outbound_buffered:
        w.turns()
        turns += 1
    assert turns > 5, "one turn sends all of a long file"
    assert len(sent(w, conn, toys)[0]) == size


def test_a_file_that_becomes_shorter_ends_with_a_reset(filtered, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    w, conn = filtered()
    with path.open("rb") as file:
        conn.sendfile(file)
    path.write_bytes(bytes(1000))
    w.turns(20)
    (error,) = w.handler.details("on_close")
    assert (error.errno, conn.close_reason) == (errno.EIO, CloseReason.ERROR)
    assert w.sockets.resets == [conn.fd]


def test_close_waits_for_a_file(filtered, toys, tmp_path):
    (tmp_path / "file").write_bytes(bytes(300_000))
    w, conn = filtered()
    with (tmp_path / "file").open("rb") as file:
        conn.sendfile(file)
    conn.close()
    w.turns(30)
    plain, signs = sent(w, conn, toys)
    assert (len(plain), signs) == (300_000, [toys.CLOSING])
    assert w.handler.details("on_close") == [None]


def test_flush_sends_at_once(filtered, toys):
    w, conn = filtered()
    conn.write(b"now")
    conn.flush()
    assert sent(w, conn, toys)[0] == b"now"


def test_a_full_outbox_is_sent_early(filtered, toys):
    def on_traffic(conn):
        for _ in range(10):
            conn.write(b"x" * 100)
        seen.append(len(w.sent(conn)))

    seen = []
    w, conn = filtered(SMALL, on_traffic=on_traffic)
    w.feed(conn, toys.encode(b"go"))
    assert seen[0] >= 600
    assert sent(w, conn, toys)[0] == b"x" * 1000


def test_putting_it_on_in_mid_life(world, toys):
    w = world(limits=SMALL)
    conn = w.connect()
    w.sockets.block(conn.fd, after=3)
    conn.write(b"plain until here")
    conn.put_on(toys.ToyFilter())
    conn.write(b"and changed from here on")
    w.turns()
    w.sockets.unblock(conn.fd)
    w.turns(3)
    assert w.sent(conn) == b"plain until here" + toys.encode(b"and changed from here on")
    w.feed(conn, toys.encode(b"reply"))
    assert w.handler.received() == b"reply"
    with pytest.raises(UnsupportedOperationError):
        conn.put_on(toys.ToyFilter())


def test_what_is_unread_when_it_is_put_on_stays_as_it_is(world, toys):
    w = world(on_traffic=lambda conn: conn.put_on(toys.ToyFilter()) if not conn._filtering else None)
    conn = w.connect()
    w.feed(conn, b"plain ")
    w.feed(conn, toys.encode(b"changed"))
    assert conn.read() == b"plain changed"


def test_deadlines(filtered, toys):
    w, conn = filtered(on_timeout=lambda conn, timeout: Action.NONE)
    conn.set_read_deadline(2)
    conn.set_write_deadline(3)
    w.clock.advance(1.5)
    w.feed(conn, toys.encode(b"x"))
    w.clock.advance(1.5)
    w.turns()
    assert not w.handler.details("on_timeout")
    conn.set_read_deadline(None)
    w.sockets.block(conn.fd)
    conn.write(b"stuck")
    w.turns()
    w.clock.advance(3.1)
    w.turns()
    assert [timeout.value for timeout in w.handler.details("on_timeout")] == ["write"]


def test_edge_triggered(filtered, toys, tmp_path):
    (tmp_path / "file").write_bytes(bytes(200_000))
    w, conn = filtered(Limits(edge_chunk=1000))
    for _ in range(30):
        w.sockets.feed(conn.fd, toys.encode(b"y" * 300))
    conn.write(b"x" * 50)
    with (tmp_path / "file").open("rb") as file:
        conn.sendfile(file)
    w.turns(40)
    assert w.handler.received() == b"y" * 9000
    assert len(sent(w, conn, toys)[0]) == 200_050


def test_a_fork_forgets_what_waits(filtered):
    w, conn = filtered(greets=True)
    w.turns()
    before = w.sent(conn)
    conn.write(b"held")
    w.loop.abandon()
    assert conn.closed
    assert w.sent(conn) == before


def test_without_one_nobody_asks(world, monkeypatch):
    """The usual ways, receiving, reading and writing, never look whether there is a filter."""
    w = world(on_traffic=lambda conn: conn.write(conn.read()) and None)
    conn = w.connect()
    cls = type(conn)
    slot, asked = cls._filtering, []

    class Watched:
        def __get__(self, instance, owner):
            asked.append(1)
            return slot.__get__(instance, owner)

        def __set__(self, instance, value):
            slot.__set__(instance, value)

    monkeypatch.setattr(cls, "_filtering", Watched(), raising=False)
    assert conn._filtering is None and asked
    asked.clear()
    w.feed(conn, b"ping")
    assert w.sent(conn) == b"ping"
    assert not asked


@pytest.mark.parametrize("method", ["feed", "wrap", "finish", "output", "end_of_stream"])
def test_a_filter_that_raises_costs_only_its_connection(world, toys, method):
    def fail(*arguments):
        raise RuntimeError(method)

    w = world()
    conn, other = w.connect(), w.connect()
    its = toys.ToyFilter()
    setattr(its, method, fail)
    w.loop.execute(conn.put_on, its)
    w.turns(2)
    if method == "feed":
        w.feed(conn, toys.encode(b"x"))
    elif method == "end_of_stream":
        w.sockets.feed_eof(conn.fd)
        w.turns(2)
    elif method == "finish":
        w.loop.execute(conn.close)
        w.turns(2)
    else:
        w.loop.execute(conn.write, b"x")
        w.turns(2)
    (error,) = w.handler.details("on_close")
    assert (type(error), str(error)) == (RuntimeError, method)
    assert conn.close_reason is (CloseReason.LOCAL if method == "finish" else CloseReason.ERROR)
    assert w.sockets.resets == [conn.fd]
    w.feed(other, b"still here")
    assert w.handler.details("on_traffic")[-1] == b"still here"


def test_a_failure_does_not_wait_for_what_the_filter_holds(filtered, toys):
    w, conn = filtered(greets=True, on_open=lambda conn: conn.write(b"never") and None)
    w.feed(conn, toys.record(toys.LONGEST + 1))
    w.turns(2)
    (error,) = w.handler.details("on_close")
    assert isinstance(error, toys.ToyError)
    assert (w.sockets.closed, w.sockets.resets) == ([conn.fd], [])


def test_raw_bytes_are_progress_though_they_make_no_plain_ones(filtered, toys):
    w, conn = filtered()
    w.loop.execute(conn.set_read_deadline, 2)
    w.turns(2)
    w.feed(conn, toys.record(100))
    for _ in range(5):
        w.clock.advance(1)
        w.feed(conn, b"x")
    assert "on_timeout" not in w.handler.names()
    w.clock.advance(3)
    w.turns()
    assert "on_timeout" in w.handler.names()


def test_nothing_is_sent_after_the_fin(filtered, toys):
    w, conn = filtered()
    w.loop.execute(conn.shutdown_write)
    w.turns(2)
    assert w.sockets.shut == [conn.fd]
    w.feed(conn, toys.record(toys.ASK) + toys.encode(b"more"))
    assert w.sent(conn) == toys.record(toys.CLOSING)
    assert w.handler.details("on_traffic") == [b"more"]


@pytest.mark.parametrize("how", ["close", "shutdown_write"])
def test_bytes_that_a_filter_holds_at_the_peers_end_are_an_error_at_once(filtered, toys, how):
    w, conn = filtered(SMALL, greets=True, on_eof=lambda conn: None)
    conn.write(b"never to leave")
    w.turns()
    start = w.clock.now
    w.feed(conn, toys.record(toys.CLOSING))
    assert not conn.closed
    getattr(conn, how)()
    w.turns(3)
    assert w.handler.names(conn)[-1] == "on_close"
    assert w.handler.details("on_close")[0].errno == errno.ECONNRESET
    assert w.clock.now == start


@pytest.mark.parametrize("how", ["close", "shutdown_write"])
def test_an_end_that_a_filter_cannot_say_is_left_out_at_the_peers_end(filtered, toys, how):
    w, conn = filtered(SMALL, greets=True, on_eof=lambda conn: None)
    start = w.clock.now
    w.feed(conn, toys.record(toys.CLOSING))
    getattr(conn, how)()
    w.turns(3)
    assert w.handler.details("on_close") == [None]
    assert w.clock.now == start
    assert conn.fd not in w.sockets.resets
