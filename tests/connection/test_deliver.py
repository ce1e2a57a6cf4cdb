"""``deliver`` and ``deliver_one`` do the same: one table of cases runs through both of them."""

from __future__ import annotations

import errno
from pickle import PickleBuffer

import pytest

from netcore import Action, CloseReason
from netcore.connection import Limits, deliver, deliver_one


class Case:
    """One connection of which something was received.

    Args:
        callbacks: What the handler does; without any it reads everything and records.
        limits: Of the loop.
        before: Brings the connection to where it was when that came.
        data: What came; a number of 0 or below for none.
        after: What is seen at once: the callbacks since, what is unread, the state.
        later: What the callbacks are after some turns, if that is more.
    """

    def __init__(self, data, after, before=None, limits=None, later=None, filtered=False, **callbacks):
        self.data = data
        self.after = after
        self.before = before
        self.limits = limits
        self.later = later
        self.filtered = filtered
        self.callbacks = callbacks


def fail(conn):
    raise LookupError("on purpose")


def show(conn):
    conn.context = conn.peek()


def lend(conn):
    conn.context = PickleBuffer(conn.peek())  # an export of the view, which then cannot be released


def keep_some(conn):
    conn.context = conn.read(2)


def take_three(conn):
    conn.discard(3)


def pause(conn):
    conn.pause_reading()


def leave(w, conn):
    """Has bytes of an earlier turn lie there."""
    w.sockets.feed(conn.fd, b"old ")
    w.loop.turn()
    w.handler.events.clear()


CASES = {
    "read whole": Case(b"hello", (["on_traffic"], b"", "open")),
    "nothing read": Case(b"hello", (["on_traffic"], b"hello", "open"), on_traffic=lambda conn: None),
    "a part read": Case(b"hello", (["on_traffic"], b"llo", "open"), on_traffic=keep_some),
    "behind what was kept": Case(
        b"new", (["on_traffic"], b"old new", "open"), before=leave, on_traffic=lambda conn: None
    ),
    "what was kept is read with it": Case(
        b"new",
        (["on_traffic"], b"w", "open"),
        before=leave,
        on_traffic=take_three,
    ),
    "a view": Case(b"hello", (["on_traffic"], b"hello", "open"), on_traffic=show),
    "a view that is exported": Case(b"hello", (["on_traffic"], b"hello", "open"), on_traffic=lend),
    "an exception": Case(
        b"hello",
        (["on_traffic", "on_error"], b"hello", "closing"),
        later=["on_traffic", "on_error", "on_close"],
        on_traffic=fail,
    ),
    "CLOSE": Case(
        b"hello",
        (["on_traffic"], b"hello", "closing"),
        later=["on_traffic", "on_close"],
        on_traffic=lambda conn: Action.CLOSE,
    ),
    "abort": Case(
        b"hello",
        (["on_traffic"], b"hello", "closed"),
        later=["on_traffic", "on_close"],
        on_traffic=lambda conn: conn.abort(),
    ),
    "no action": Case(b"hello", (["on_traffic"], b"hello", "open"), on_traffic=lambda conn: 1),
    "paused": Case(b"hello", ([], b"hello", "open"), before=lambda w, conn: conn.pause_reading()),
    "paused behind what was kept": Case(
        b"new",
        ([], b"old new", "open"),
        before=lambda w, conn: (leave(w, conn), conn.pause_reading()),
        on_traffic=lambda conn: None,
    ),
    "it pauses": Case(b"hello", (["on_traffic"], b"hello", "open"), on_traffic=pause),
    "closing": Case(b"hello", ([], b"", "closing"), before=lambda w, conn: conn.close(), later=["on_close"]),
    "closed": Case(b"hello", ([], b"", "closed"), before=lambda w, conn: conn.abort(), later=["on_close"]),
    "writing half shut": Case(
        b"hello",
        (["on_traffic"], b"", "half-closed by this side"),
        before=lambda w, conn: (conn.shutdown_write(), w.turns()),
    ),
    "a deadline is put off": Case(
        b"hello",
        (["on_traffic"], b"", "open"),
        before=lambda w, conn: (conn.set_read_deadline(5), w.clock.advance(4), w.loop.now()),
    ),
    "the end": Case(0, (["on_eof"], b"", "closing"), later=["on_eof", "on_close"]),
    "the end, kept open": Case(0, (["on_eof"], b"", "half-closed by the peer"), on_eof=lambda conn: None),
    "the end in a pause": Case(0, ([], b"", "open"), before=lambda w, conn: conn.pause_reading()),
    "a reset": Case(-errno.ECONNRESET, ([], b"", "closed"), later=["on_close"]),
    "nothing after all": Case(-errno.EAGAIN, ([], b"", "open")),
    "interrupted": Case(-errno.EINTR, ([], b"", "open")),
    "a filter": Case(b"hello", (["on_traffic"], b"", "open"), filtered=True),
    "a filter, unread": Case(b"hello", (["on_traffic"], b"hello", "open"), filtered=True, on_traffic=show),
    "a filter that holds it back": Case(b"he", ([], b"", "open"), filtered="part"),
    "a filter in a pause": Case(
        b"hello", ([], b"hello", "open"), filtered=True, before=lambda w, conn: conn.pause_reading()
    ),
}

WAYS = ("one", "alone", "first", "last", "between")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_ways(world, toys, case, way):
    callbacks = dict(case.callbacks)
    traffic = callbacks.pop("on_traffic", None)

    def on_traffic(conn):
        if conn in company:
            neighbours.append((conn, conn.read()))
            return None
        if traffic is None:
            received.append(conn.read())
            return None
        return traffic(conn)

    received, neighbours, company = [], [], []
    w = world(limits=case.limits or Limits(), on_traffic=on_traffic, **callbacks)
    conn = w.connect()
    company += [w.connect(), w.connect()]
    if case.filtered:
        conn.put_on(toys.ToyFilter())
    if case.before is not None:
        case.before(w, conn)
    w.handler.events.clear()
    before = w.loop.metrics()

    data = case.data
    if isinstance(data, bytes) and case.filtered:
        data = toys.encode(data)[:-1] if case.filtered == "part" else toys.encode(data)
    arrived = deliver_it(w, conn, company, data, way)

    names = [event.name for event in w.handler.events if event.conn is conn]
    assert (names, unread(conn), conn.state.label) == case.after
    if case.after[0][:1] == ["on_traffic"] and traffic is None:
        assert received == [case.data]
    if isinstance(conn.context, memoryview) and traffic is show:
        with pytest.raises(ValueError, match="released"):
            bytes(conn.context)
    assert neighbours == arrived, "a neighbour got something else"
    counted = w.loop.metrics()
    took = isinstance(data, bytes)
    assert counted.messages - before.messages == took + len(arrived)
    assert counted.bytes_received - before.bytes_received == (len(data) if took else 0) + 7 * len(arrived)
    if conn.deadlines is not None:
        w.clock.advance(4)
        w.turns(2)
        assert not conn.closed
    w.turns(3)
    names = [event.name for event in w.handler.events if event.conn is conn]
    assert names == (case.later or case.after[0])
    if "on_close" in names:
        assert conn.close_reason in (CloseReason.ERROR, CloseReason.LOCAL, CloseReason.EOF)


def unread(conn):
    data = bytes(conn.peek())
    conn.loop.inbox.release_views()
    return data


def deliver_it(w, conn, company, data, way):
    """Puts what came into the arena and has it delivered; returns what the neighbours are to get."""
    batch = {
        "one": [conn],
        "alone": [conn],
        "first": [conn, *company],
        "last": [*company, conn],
        "between": [company[0], conn, company[1]],
    }[way]
    arena, at, results, arrived = w.loop.inbox.arena, 0, [], []
    for each in batch:
        what = data if each is conn else b"for %3d" % company.index(each)
        if isinstance(what, bytes):
            arena[at : at + len(what)] = what
            at += len(what)
        results.append(len(what) if isinstance(what, bytes) else what)
        if each is not conn:
            arrived.append((each, what))
    if way == "one":
        w.loop.counters.received(results)
        deliver_one(w.loop, conn, results[0])
    else:
        w.loop.counters.received(results)
        deliver(w.loop, batch, results)
    for view in w.loop.inbox.views:
        raise AssertionError(f"{view!r} outlives the callback")
    return arrived


def test_a_pause_by_a_neighbour_in_the_same_batch(world):
    def on_traffic(conn):
        second.pause_reading()

    w = world(on_traffic=on_traffic)
    first, second = w.connect(), w.connect()
    w.loop.inbox.arena[:10] = b"firstother"
    deliver(w.loop, [first, second], [5, 5])
    assert w.handler.names().count("on_traffic") == 1
    assert unread(second) == b"other"


def test_an_abort_by_a_neighbour_in_the_same_batch(world):
    w = world(on_traffic=lambda conn: second.abort())
    first, second = w.connect(), w.connect()
    w.loop.inbox.arena[:10] = b"firstother"
    deliver(w.loop, [first, second], [5, 5])
    assert w.handler.names().count("on_traffic") == 1
    assert second.inbound_buffered == 0
    w.turns(2)
    assert w.handler.names(second)[-1] == "on_close"
