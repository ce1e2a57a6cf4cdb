"""The handshake before a connection opens: on a loop without a kernel, with a client in memory."""

from __future__ import annotations

import pytest
from tls_peer import Peer

from netcore import CloseReason
from netcore.eventloop.handshaking import Handshake
from netcore.tls import Bios, TlsError, TlsFilter, TlsHandshakeError, TlsTruncatedError


@pytest.fixture
def serving(world, tls):
    """Makes a loop whose connections begin with a handshake."""

    def make(context=None, timeout=3.0, **options):
        context = context or tls.server_context()
        bios = Bios()
        phases = []

        def phases_for(name):
            phases.append(Handshake(TlsFilter(context, server_side=True, bios=bios), timeout))
            return phases[-1:]

        w = world(phases=phases_for, **options)
        w.phases = phases
        return w

    return make


class Newcomer(Peer):
    """One that has just connected."""

    def __init__(self, w, tls, **options):
        super().__init__(w, tls.wire(pump=False, **options).client, w.sockets.connect(w.LISTENER))
        w.turns(2)


def echo(conn):
    conn.write(conn.read())


@pytest.mark.parametrize("step", [0, 1, 50])
def test_it_opens_after_the_handshake(serving, tls, step):
    w = serving(on_traffic=echo)
    peer = Newcomer(w, tls)
    assert not w.handler.events
    peer.pump(step)
    assert w.handler.names() == ["on_open"]
    assert w.phases[0].done and w.phases[0].begun
    peer.say(b"hello", step)
    assert peer.got == b"hello"
    peer.filter.finish()
    peer.pump(step)
    assert w.handler.names()[-2:] == ["on_eof", "on_close"]
    assert peer.filter.ended


def test_bytes_behind_the_handshake_are_the_first_traffic(serving, tls):
    w = serving(on_traffic=echo)
    peer = Newcomer(w, tls)
    peer.filter.wrap([b"early"])
    peer.filter.finish()
    peer.pump()
    assert w.handler.names() == ["on_open", "on_traffic", "on_eof", "on_close"]
    assert peer.got == b"early" and peer.filter.ended
    assert w.handler.events[-1].conn.close_reason is CloseReason.EOF


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 500, b"\x16\x03\x01\xff\xff"])
def test_nonsense_ends_it_before_it_opens(serving, tls, nonsense):
    w = serving()
    peer = Newcomer(w, tls)
    w.sockets.feed(peer.fd, nonsense)
    w.turns(2)
    assert not w.handler.events
    assert w.sockets.closed == [peer.fd]
    assert w.loop.metrics().unopened == 1


def test_the_alert_goes_out_before_the_socket_is_closed(serving, tls, strange_pki):
    w = serving(tls.server_context(client_ca=strange_pki.ca, require_client_certificate=True))
    peer = Newcomer(w, tls)
    peer.pump()
    assert not w.handler.events
    assert w.sockets.closed == [peer.fd]
    assert isinstance(peer.filter.failure, TlsError)
    assert "has refused, with the alert" in str(peer.filter.failure)


def test_one_that_is_silent_runs_out_of_time(serving, tls):
    w = serving(timeout=3.0)
    peer = Newcomer(w, tls)
    w.clock.advance(2.9)
    w.turns(2)
    assert not w.sockets.closed
    w.clock.advance(0.2)
    w.turns(2)
    assert w.sockets.closed == [peer.fd]
    assert not w.phases[0].begun


def test_truncation(serving, tls):
    w = serving()
    peer = Newcomer(w, tls)
    peer.say(b"last")
    w.sockets.feed_eof(peer.fd)
    w.turns(3)
    assert w.handler.names() == ["on_open", "on_traffic", "on_close"]
    assert w.handler.events[-1].conn.close_reason is CloseReason.ERROR
    assert type(w.handler.details("on_close")[0]) is TlsTruncatedError


# Without a loop.


class Stream:
    def __init__(self):
        self.calls = []

    def put_on(self, filter_):
        self.calls.append(filter_)

    def store(self, data):
        self.calls.append(data)


def test_begun_is_whether_a_byte_has_come(tls):
    phase = Handshake(TlsFilter(tls.server_context(), server_side=True), 1.0)
    assert phase.output() == b"" and not phase.begun and not phase.done
    assert phase.feed(b"\x16") == b""
    assert phase.begun and not phase.done


def test_a_client_speaks_first(tls):
    phase = Handshake(tls.wire(pump=False).client, 1.0)
    assert phase.output()[:1] == b"\x16"


def test_a_failure_behind_the_handshake_is_the_connections(tls):
    wire = tls.wire(pump=False)
    phase = Handshake(wire.server, 1.0)
    while not wire.client.done or not phase.done:
        out = wire.client.output()
        if wire.client.done:
            wire.client.wrap([b"fine"])
            out += wire.client.output() + b"nonsense"
        if out:
            phase.feed(out)
        wire.deliver(wire.client, phase.output())
        if phase.done:
            break
    if phase.filter.failure is None:  # in TLS 1.2 the server is done last, and nothing was behind
        phase.filter.feed(memoryview(b"nonsense"))
    assert phase.done and isinstance(phase.filter.failure, TlsError)
    stream = Stream()
    phase.prepare(stream)
    assert stream.calls[0] is phase.filter


def test_what_is_wrong_is_raised_again(tls):
    phase = Handshake(TlsFilter(tls.server_context(), server_side=True), 1.0)
    for _ in range(2):
        with pytest.raises(TlsHandshakeError, match="plain HTTP"):
            phase.feed(b"GET / HTTP/1.1\r\n\r\n")
