"""The outbox: entries that are a connection and a chunk in one, added in one step."""

from __future__ import annotations

import errno

import pytest

from netcore.connection import Counters, Outbox
from netcore.testing import FakeTransport


class Writer:
    """Remembers what it is told."""

    def __init__(self, wire):
        self.wire = wire
        self.bytes_sent = 0
        self.told = []

    def unsent(self, chunk, n):
        self.told.append(("unsent", bytes(chunk), n))

    def write_failed(self, code):
        self.told.append(("failed", code))


class Producer(Writer):
    """Adds what it has when it is asked, and something new each time."""

    def __init__(self, wire, outbox, *chunks):
        super().__init__(wire)
        self.outbox = outbox
        self.chunks = list(chunks)

    def produce(self):
        for chunk in self.chunks:
            self.outbox.add(self, chunk)


@pytest.fixture
def transport():
    return FakeTransport()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def outbox(transport, counters):
    return Outbox(transport, counters, 100)


def test_starts_empty(outbox, transport):
    outbox.flush()
    assert (outbox.entries, outbox.size, outbox.limit) == ([], 0, 100)
    assert not transport.sends


def test_add_keeps_the_order_and_counts(outbox, transport, counters):
    three, four = Writer(3), Writer(4)
    for writer, chunk in ((three, b"one "), (four, b""), (three, memoryview(b"three")), (four, b"x")):
        outbox.add(writer, chunk)
    assert outbox.entries == [(three, b"one "), (three, b"three"), (four, b"x")]
    assert outbox.size == 10
    outbox.flush()
    assert (bytes(transport.sent[3]), bytes(transport.sent[4])) == (b"one three", b"x")
    assert (outbox.entries, outbox.size, counters.bytes_sent) == ([], 0, 10)


def test_bytes_of_one_writer(outbox):
    three, other, nobody = Writer(3), Writer(3), Writer(3)  # the same number, not the same connection
    for writer, chunk in ((three, b"one"), (other, b"other"), (three, memoryview(b"three"))):
        outbox.add(writer, chunk)
    assert [outbox.bytes_of(writer) for writer in (three, other, nobody)] == [8, 5, 0]


def test_beyond_the_limit_is_the_writers_business(outbox, transport):
    outbox.add(Writer(3), b"x" * 101)
    assert outbox.size == 101
    assert not transport.sends


@pytest.mark.parametrize("alone", [True, False])
def test_what_is_left_goes_back_to_the_writer_of_the_entry(outbox, transport, counters, alone):
    slow, quick = Writer(3), Writer(4)
    transport.block(3, after=2)
    outbox.add(slow, b"slow")
    if not alone:
        outbox.add(quick, b"quick")
        outbox.add(slow, b"er")
    outbox.flush()
    left = [("unsent", b"slow", 2)]
    assert slow.told == (left if alone else [("unsent", b"er", 2), *left])
    assert quick.told == []
    assert counters.bytes_sent == (2 if alone else 7)


@pytest.mark.parametrize("alone", [True, False])
def test_an_error_goes_to_the_writer_of_the_entry(outbox, transport, counters, alone):
    broken, other = Writer(3), Writer(4)
    transport.script_sends(3, -errno.EPIPE)
    outbox.add(broken, b"broken")
    if not alone:
        outbox.add(other, b"other")
    outbox.flush()
    assert broken.told == [("failed", -errno.EPIPE)]
    assert other.told == []
    assert counters.bytes_sent == (0 if alone else 5)


def test_producers_are_asked_once_before_the_batch(outbox, transport):
    producer, writer = Producer(3, outbox, b"made ", b"late"), Writer(4)
    outbox.producers[producer] = None
    outbox.producers[producer] = None
    outbox.add(writer, b"written")
    outbox.flush()
    assert (bytes(transport.sent[3]), bytes(transport.sent[4])) == (b"made late", b"written")
    outbox.flush()
    assert bytes(transport.sent[3]) == b"made late"


def test_what_is_added_while_it_is_sent_leaves_next_time(outbox, transport):
    writer, other = Writer(3), Writer(4)
    send = transport.send

    def sending(fds, chunks):
        transport.send = send
        outbox.add(other, b"meanwhile")  # as a wrong thread does, since sending releases the GIL
        return send(fds, chunks)

    transport.send = sending
    outbox.add(writer, b"first")
    outbox.add(writer, b" second")
    outbox.flush()
    assert bytes(transport.sent[3]) == b"first second"
    assert not transport.sent[4]
    outbox.flush()
    assert bytes(transport.sent[4]) == b"meanwhile"


def test_clear_forgets_everything(outbox, transport):
    outbox.add(Writer(3), b"one")
    outbox.producers[Producer(4, outbox, b"two")] = None
    outbox.clear()
    outbox.flush()
    assert not transport.sends
