"""What strangers can do to a server of KCP, and what it costs: a datagram, and a count."""

from __future__ import annotations

import logging
import random
import struct
import time

import pytest

from netcore import CloseReason, EventHandler
from netcore.eventloop import kcp_port
from netcore.kcp import KcpOptions
from netcore.kcp.wire import ACK, PUSH, TELL, Segment, pack, parse
from netcore.testing import RecordingHandler

KCP = "kcp://127.0.0.1:0"
QUICK = KcpOptions(interval=0.001)


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


def push(conversation, number=0, data=b"x", **changes):
    segment = Segment(PUSH, 0, 128, 0, number, 0, data)._replace(**changes)
    return pack(conversation, segment)


def refused(engine, count, seconds=30):
    until = time.monotonic() + seconds
    while engine.metrics().kcp_refused < count:
        assert time.monotonic() < until
        time.sleep(0.002)
    assert engine.metrics().kcp_refused == count


BEGINNINGS = {
    "nothing": b"",
    "too short": b"\x07\0\0\0",
    "a header cut": push(7)[:23],
    "a length that lies": push(7)[:-1],
    "a command that is none": pack(7, Segment(80, 0, 128, 0, 0, 0, b"")),
    "a receipt": pack(7, Segment(ACK, 0, 128, 0, 0, 0, b"")),
    "an answer": pack(7, Segment(TELL, 0, 128, 0, 0, 0, b"")),
    "beyond the window": push(7, number=128),
    "what was never sent is acknowledged": push(7, acknowledged=1),
    "another conversation behind": push(7) + push(8),
    "more fragments than the window": push(7, fragment=200),
}


@pytest.mark.parametrize("datagram", BEGINNINGS.values(), ids=BEGINNINGS)
def test_what_begins_no_session(serve, kcp_peer, datagram):
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    peer.send_datagram(datagram)
    refused(engine, 1)
    assert handler.names() == ["on_boot"]
    assert peer.look(0.05) is None


def test_random_datagrams_harm_nobody(serve, kcp_peer):
    engine = serve(Echo(), KCP, kcp=QUICK)
    good = kcp_peer(engine)
    good.send(b"before")
    assert good.receive(6) == b"before"
    bad = kcp_peer(engine)
    chance = random.Random(7)
    shape = struct.Struct("<IBBHIIII")
    for _ in range(2000):
        size = chance.choice((0, 1, 23, 24, 25, 60))
        command = chance.randrange(78, 88)
        header = shape.pack(
            chance.choice((1, 2, good.conversation)),
            command,
            chance.randrange(256),
            chance.randrange(1 << 16),
            chance.getrandbits(32),
            chance.choice((0, 1, 5, chance.getrandbits(32))),
            chance.choice((0, 1, chance.getrandbits(32))),
            chance.choice((0, 1, size, chance.getrandbits(32))),
        )
        bad.send_datagram((header + chance.randbytes(size))[: chance.choice((10, 200))])
    good.send(b"after")
    assert good.receive(5) == b"after"


def test_a_conversation_belongs_to_an_address(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, KCP, kcp=QUICK)
    one, other = kcp_peer(engine, 7), kcp_peer(engine, 7)
    one.send(b"one")
    assert one.receive(3) == b"one"
    other.send(b"two")
    assert other.receive(3) == b"two"
    one.send(b"more")
    assert one.receive(4) == b"more"
    assert handler.names().count("on_open") == 2


def test_no_more_goes_out_than_came_in_before_the_peer_has_proven_its_address(serve, kcp_peer):
    engine = serve(
        RecordingHandler(on_traffic=lambda conn: conn.write(bytes(100_000)) and None), KCP, kcp=QUICK
    )
    spoofed = kcp_peer(engine, 7)
    for i in range(3):  # nothing of what comes back is ever answered, as where somebody else gets it
        spoofed.send_datagram(push(7, number=i, data=bytes(40)))
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        spoofed.look(0.01)
        spoofed.sent.append(push(7, number=0, acknowledged=0xFFFF)[:0])
    assert sum(map(len, spoofed.came)) <= sum(map(len, spoofed.sent))
    # A number that is guessed proves nothing.
    spoofed.send_datagram(pack(7, Segment(ACK, 0, 128, 12345, 0, 1, b"")))
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        spoofed.look(0.01)
    assert sum(map(len, spoofed.came)) <= sum(map(len, spoofed.sent))


def test_a_peer_that_answers_gets_all(serve, kcp_peer):
    engine = serve(
        RecordingHandler(on_traffic=lambda conn: (conn.discard(), conn.write(bytes(100_000)))[0] and None),
        KCP,
        kcp=QUICK,
    )
    peer = kcp_peer(engine)
    peer.send(b"x")
    assert len(peer.receive(100_000)) == 100_000


def test_what_comes_late_begins_no_other_session(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: (conn.write(conn.read()), conn.close())[1])
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    peer.send(b"once")
    assert peer.receive(4) == b"once"
    peer.run_until(lambda: "on_close" in handler.names())
    before = engine.metrics().kcp_refused
    for _ in range(3):
        peer.send_datagram(peer.sent[0])
    refused(engine, before + 3)
    assert handler.names().count("on_open") == 1


def test_places_are_counted_and_given_back(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, KCP, kcp=QUICK, max_connections=2)
    first, second, third = (kcp_peer(engine) for _ in range(3))
    for peer in (first, second):
        peer.send(b"in")
        assert peer.receive(2) == b"in"
    third.send(b"out")
    refused(engine, 1)
    assert len(engine.connections()) == 2
    engine.connections()[0].close()
    first.run_until(lambda: len(engine.connections()) == 1)
    assert third.receive(3) == b"out"  # it was sent again


def test_what_is_half_open_times_out(serve, kcp_peer, monkeypatch):
    monkeypatch.setattr(kcp_port, "_HALF_OPEN", 0.2)
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK)
    kcp_peer(engine).send(b"never again")
    end = handler.wait_for("on_close")
    assert end.conn.close_reason is CloseReason.TIMEOUT
    assert isinstance(end.detail, TimeoutError)


def test_one_address_has_its_share_of_what_is_half_open(serve, kcp_peer, monkeypatch):
    monkeypatch.setattr(kcp_port, "_MOST_HALF_OPEN_OF_ONE", 10)
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    for conversation in range(1, 21):
        peer.send_datagram(push(conversation))
    refused(engine, 10)
    assert len(engine.connections()) == 10


def test_no_more_is_kept_than_datagrams_may_be_long(serve, kcp_peer):
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK, read_buffer_cap=2048)
    peer = kcp_peer(engine, 7)
    peer.send_datagram(push(7, number=1, data=bytes(2000)))
    peer.send_datagram(push(7, number=0, data=bytes(2100)))
    peer.send_datagram(push(7, number=2, data=bytes(60_000)))
    refused(engine, 2)
    peer.send_datagram(push(7, number=0, data=b"first"))
    assert handler.wait_for("on_traffic").detail == b"first" + bytes(2000)


def test_little_is_kept_of_who_has_not_proven_his_address(serve, kcp_peer):
    handler = RecordingHandler()
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine, 7)
    for number in range(1, 10):
        peer.send_datagram(push(7, number=number, data=bytes(8000)))
    peer.send_datagram(push(7, number=0, data=b"first"))
    assert handler.wait_for("on_traffic").detail == b"first" + bytes(16_000)


def test_a_replay_of_all_is_harmless(serve, kcp_peer):
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    engine = serve(handler, KCP, kcp=QUICK)
    peer = kcp_peer(engine)
    for i in range(20):
        peer.send(b"%02d" % i)
        assert peer.receive(2) == b"%02d" % i
    for datagram in list(peer.sent):
        peer.send_datagram(datagram)
    peer.send(b"end")
    assert peer.receive(3) == b"end"
    assert handler.names().count("on_open") == 1
    assert b"".join(parse(datagram, peer.conversation)[-1].payload for datagram in peer.came[:1]) != b"end"


def why_dropped(caplog):
    """What the log says of datagrams that were dropped, each reason once."""
    said = [record.getMessage() for record in caplog.records]
    return [text.partition(" is dropped: ")[2] for text in said if " is dropped: " in text]


def test_whoever_looks_is_told_why_a_datagram_was_dropped(serve, kcp_peer, caplog, monkeypatch):
    monkeypatch.setattr(kcp_port, "_MOST_HALF_OPEN_OF_ONE", 1)
    caplog.set_level(logging.DEBUG, "netcore")
    handler = RecordingHandler(on_traffic=lambda conn: conn.close() if conn.read() == b"bye" else None)
    engine = serve(handler, KCP, kcp=QUICK, max_connections=1, read_buffer_cap=2048)
    peer = kcp_peer(engine, 7)
    refusals = [
        (bytes(60), kcp_port._NO_BEGINNING),
        (push(8), ""),
        (push(9), kcp_port._CROWDED),
        (pack(8, Segment(ACK, 0, 128, 0, 0, 9, b"")), kcp_port._BAD),
        (push(8, number=1, data=bytes(5000)), kcp_port._TOO_LONG),
    ]
    count = 0
    for datagram, why in refusals:
        peer.send_datagram(datagram)
        if why:
            count += 1
            refused(engine, count)
            assert why_dropped(caplog)[-1] == why
        else:
            handler.wait_for("on_traffic")
    monkeypatch.setattr(kcp_port, "_MOST_HALF_OPEN_OF_ONE", 9)
    peer.send_datagram(push(9))
    refused(engine, count + 1)
    assert why_dropped(caplog)[-1] == kcp_port._FULL
    sender = "kcp://{}:{}".format(*peer.sock.getsockname())
    said = [text for text in caplog.messages if " is dropped: " in text]
    assert all(text.startswith(f"{engine.addresses[0]}: a datagram from {sender} is") for text in said)


def test_strangers_do_not_fill_the_log(serve, kcp_peer, caplog):
    engine = serve(RecordingHandler(), KCP, kcp=QUICK)
    caplog.set_level(logging.INFO, "netcore")
    peer = kcp_peer(engine)
    peer.send_datagram(bytes(60))
    refused(engine, 1)
    assert why_dropped(caplog) == []
    caplog.set_level(logging.DEBUG, "netcore")
    for _ in range(5):
        peer.send_datagram(bytes(60))
    refused(engine, 6)
    assert why_dropped(caplog) == [kcp_port._NO_BEGINNING]
