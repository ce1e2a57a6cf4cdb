"""TLS on a connection that is open already: on a loop without a kernel, with a peer in memory."""

from __future__ import annotations

import errno
import threading

import pytest
from tls_peer import Peer

from netcore import (
    Action,
    CloseReason,
    ConnectionClosedError,
    UnsupportedOperationError,
    WrongThreadError,
)
from netcore.codec import FrameHandler, LineCodec
from netcore.connection import DIALLED, ENROLLED, Limits
from netcore.tls import TlsCertificateError, TlsError, TlsHandshakeError, TlsTruncatedError

GO_AHEAD = b"220 go ahead\r\n"


class Starter(Peer):
    """One whose connection is open, which says STARTTLS and then speaks TLS."""

    def __init__(self, w, tls, **options):
        self.conn = w.connect()
        super().__init__(w, tls.wire(pump=False, **options).client, self.conn.fd)
        self.plain = b""

    def ask(self, more=b""):
        """Sends the command in plain, and takes the answer."""
        self.w.feed(self.conn, b"STARTTLS\r\n" + more)
        self.plain += self.news()


@pytest.fixture
def serving(world, tls):
    """Makes a loop whose connections begin with TLS at a command; it has ``told``, what callbacks got."""

    def make(context=None, answer=GO_AHEAD, before=None, after=None, timeout=3.0, limits=(), **options):
        context = context or tls.server_context()
        told = []

        def on_traffic(conn):
            data = conn.read(10)
            if data != b"STARTTLS\r\n":
                conn.write(b"<" + data + conn.read() + b">")
                return
            conn.write(answer)
            if before:
                before(conn)
            conn.start_tls(
                context, callback=lambda of, error: told.append((of, error, list(w.handler.names())))
            )
            if after:
                after(conn)

        limits = Limits(tls_handshake_timeout=timeout, **dict(limits))
        w = world(on_traffic=options.pop("on_traffic", on_traffic), limits=limits, **options)
        w.told = told
        return w

    return make


@pytest.mark.parametrize("step", [0, 1, 50])
def test_the_answer_leaves_in_plain_and_then_there_is_tls(serving, tls, step):
    w = serving()
    peer = Starter(w, tls)
    conn = peer.conn
    peer.ask()
    assert peer.plain == GO_AHEAD and conn.tls is None and not w.told
    assert not conn.upgrading, "only in the callback"
    peer.pump(step)
    ((of, error, before),) = w.told
    assert of is conn and error is None and before == ["on_open", "on_traffic"]
    assert conn.tls.version == peer.filter.info.version
    assert (conn.tls.server_name, conn.network) == ("server.example", "tcp")
    peer.say(b"hello", step)
    assert peer.got.replace(b"><", b"") == b"<hello>"
    metrics = w.loop.metrics()
    assert (metrics.tls_handshakes, metrics.tls_handshake_failures) == (1, 0)
    peer.filter.finish()
    peer.pump(step)
    assert w.handler.names()[-2:] == ["on_eof", "on_close"]
    assert peer.filter.ended and conn.close_reason is CloseReason.EOF
    assert not w.loop._agenda.armed, "the timer of the handshake is still armed"
    assert len(w.told) == 1


def test_what_is_written_after_it_waits(serving, tls):
    w = serving(after=lambda conn: conn.writev([b"sec", b"ret"]))
    peer = Starter(w, tls)
    peer.ask()
    assert peer.plain == GO_AHEAD
    assert peer.conn.outbound_buffered == 6
    peer.pump()
    assert peer.got == b"secret" and peer.conn.outbound_buffered == 0


def test_an_answer_of_many_bytes_comes_first(serving, tls):
    answer = bytes(range(256)) * 1000
    w = serving(answer=answer, after=lambda conn: conn.write(b"secret"))
    peer = Starter(w, tls)
    w.sockets.block(peer.conn.fd, 1000)
    peer.ask()
    assert peer.plain == answer[:1000]
    w.turns(2)
    w.sockets.unblock(peer.conn.fd)
    while len(peer.plain) < len(answer):
        w.turns(2)
        peer.plain += peer.news()
    assert peer.plain == answer
    peer.pump()
    assert peer.got == b"secret"


@pytest.mark.parametrize("bound", [99, 100])
def test_what_waits_is_bounded(serving, tls, bound):
    w = serving(
        answer=b"",
        after=lambda conn: conn.write(b"x" * 100),
        limits={"max_outbound": bound, "high_water": 50, "low_water": 20},
    )
    peer = Starter(w, tls)
    peer.ask()
    w.turns(2)
    if bound == 99:
        assert peer.conn.close_reason is CloseReason.OVERFLOW
        assert isinstance(w.told[0][1], OSError)
    else:
        assert not peer.conn.writable and not peer.conn.closed
        peer.pump()
        assert peer.got == b"x" * 100 and peer.conn.writable


@pytest.mark.parametrize("chunk", [0, 100])
def test_the_handshake_goes_on_in_a_pause(serving, tls, chunk):
    w = serving(after=lambda conn: conn.pause_reading(), limits={"edge_chunk": chunk})
    peer = Starter(w, tls)
    peer.ask()
    peer.pump()
    assert peer.conn.tls is not None and peer.conn.paused and w.told[0][1] is None
    peer.say(b"hello")
    assert peer.got == b"", "it is paused"
    peer.conn.resume_reading()
    peer.pump()
    assert peer.got == b"<hello>"


def test_a_pause_before_it(serving, tls):
    w = serving(before=lambda conn: conn.pause_reading())
    peer = Starter(w, tls)
    peer.ask()
    peer.pump()
    assert peer.conn.tls is not None and peer.conn.paused


# What came before.


def test_bytes_left_unread_are_an_injection(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask(b"RCPT TO:<victim>\r\n")
    w.turns(3)
    assert peer.plain == GO_AHEAD
    ((_, error, before),) = w.told
    assert type(error) is TlsError
    assert str(error) == "what came in plain before TLS was not all read: it may be anybody's"
    assert before == ["on_open", "on_traffic"], "nobody was shown them"
    assert w.handler.names()[-1] == "on_close" and w.handler.details("on_close") == [error]
    assert peer.conn.close_reason is CloseReason.ERROR
    assert w.loop.metrics().tls_handshake_failures == 0, "there was no handshake"


def test_what_the_callback_has_read_is_its_own_business(serving, tls):
    w = serving(after=lambda conn: conn.discard())
    peer = Starter(w, tls)
    peer.ask(b"NOOP\r\n")
    peer.pump()
    assert peer.conn.tls is not None


class Lines(FrameHandler):
    def __init__(self, context):
        super().__init__(LineCodec(100))
        self.context = context
        self.lines, self.told, self.errors = [], [], []

    def on_frame(self, conn, frame):
        self.lines.append(frame)
        if frame == b"STARTTLS":
            conn.write(GO_AHEAD)
            conn.start_tls(self.context, callback=lambda _, error: self.told.append(error))

    def on_close(self, conn, error):
        self.errors.append(error)


@pytest.mark.parametrize("head", [b"", b"EHLO\r\n", b"EHLO\r\nSTART"])
def test_lines_before_it_and_by_it(world, tls, head):
    w = world(Lines(tls.server_context()))
    peer = Starter(w, tls)
    whole = head + (b"TLS\r\n" if head.endswith(b"START") else b"STARTTLS\r\n")
    if head.endswith(b"START"):
        w.feed(peer.conn, head)
        w.feed(peer.conn, b"TLS\r\n")
    else:
        w.feed(peer.conn, whole)
    assert peer.news() == GO_AHEAD
    assert peer.conn.inbound_buffered == 0
    peer.say(b"EHLO\r\nMAIL\r\n")
    assert w.handler.told == [None]
    assert w.handler.lines[-3:] == [b"STARTTLS", b"EHLO", b"MAIL"]


@pytest.mark.parametrize("more", [b"RCPT\r\n", b"RCPT\r\nDATA\r\n", b"R", b"\r\n"])
@pytest.mark.parametrize("split", [False, True])
def test_lines_behind_it_are_an_injection(world, tls, more, split):
    w = world(Lines(tls.server_context()))
    peer = Starter(w, tls)
    if split:
        w.feed(peer.conn, b"START")
        w.feed(peer.conn, b"TLS\r\n" + more)
    else:
        w.feed(peer.conn, b"STARTTLS\r\n" + more)
    w.turns(3)
    assert w.handler.lines == [b"STARTTLS"]
    assert w.handler.told == w.handler.errors
    assert type(w.handler.told[0]) is TlsError


def test_the_peers_end_before_it(serving, tls):
    def on_eof(conn):
        conn.start_tls(tls.server_context(), callback=lambda _, error: w.told.append(error))
        return Action.NONE

    w = serving(on_eof=on_eof)
    peer = Starter(w, tls)
    w.sockets.feed_eof(peer.conn.fd)
    w.turns(4)
    assert type(w.told[0]) is TlsHandshakeError
    assert w.handler.details("on_close") == w.told


# How it fails.


def test_it_takes_too_long(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask()
    w.clock.advance(2.9)
    w.turns(2)
    assert not peer.conn.closed
    w.clock.advance(0.2)
    w.turns(3)
    ((_, error, _),) = w.told
    assert type(error) is TlsHandshakeError and str(error) == "the TLS handshake took longer than 3 s"
    assert w.handler.details("on_close") == [error]
    assert w.loop.metrics().tls_handshake_failures == 0, "the peer has not said a byte"


def test_a_stall_of_the_loop_is_not_the_peers_loss(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask()
    w.sockets.feed(peer.conn.fd, peer.filter.output())
    w.clock.advance(5)
    peer.pump()
    assert w.told[0][1] is None and peer.conn.tls is not None


def test_the_peer_speaks_no_tls(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask()
    w.feed(peer.conn, b"EHLO me.example\r\n")
    w.turns(3)
    ((_, error, _),) = w.told
    assert type(error) is TlsHandshakeError
    assert w.handler.details("on_close") == [error]
    assert w.loop.metrics().tls_handshake_failures == 1


def test_the_peer_leaves_or_breaks(serving, tls):
    for how in ("end", "reset"):
        w = serving()
        peer = Starter(w, tls)
        peer.ask()
        w.sockets.feed(peer.conn.fd, peer.filter.output()[:50])
        w.turns(2)
        if how == "end":
            w.sockets.feed_eof(peer.conn.fd)
        else:
            w.sockets.feed_error(peer.conn.fd, errno.ECONNRESET)
        w.turns(3)
        ((_, error, _),) = w.told
        assert isinstance(error, TlsHandshakeError if how == "end" else ConnectionResetError)
        assert w.handler.details("on_close") == [error]
        assert "on_eof" not in w.handler.names()
        assert w.loop.metrics().tls_handshake_failures == 1


def test_a_client_that_refuses_the_certificate(serving, tls, strange_pki):
    w = serving()
    peer = Starter(w, tls, client=tls.client_context(ca=strange_pki.ca))
    peer.ask()
    peer.pump()
    assert isinstance(peer.filter.failure, TlsCertificateError)
    ((_, error, _),) = w.told
    assert isinstance(error, TlsError) and w.handler.details("on_close") == [error]


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("written", [b"", b"secret"])
def test_this_side_closes_in_the_handshake(serving, tls, how, written):
    w = serving(after=lambda conn: conn.write(written), limits={"close_timeout": 2})
    peer = Starter(w, tls)
    peer.ask()
    getattr(peer.conn, how)()
    w.turns(3)
    if how == "close" and written:  # it is to arrive
        assert not w.told
        peer.pump()
        assert peer.got == written and peer.filter.ended and w.told[0][1] is None
    else:
        ((_, error, _),) = w.told
        assert type(error) is ConnectionClosedError
    assert w.handler.details("on_close") == [None]
    assert w.loop.metrics().tls_handshake_failures == 0


def test_a_close_with_output_waits_no_longer_than_it_may(serving, tls):
    w = serving(after=lambda conn: conn.write(b"secret"), limits={"close_timeout": 2})
    peer = Starter(w, tls)
    peer.ask()
    peer.conn.close()
    w.turns(2)
    w.clock.advance(2.1)
    w.turns(3)
    assert w.told[0][1] is not None and w.handler.names()[-1] == "on_close"


def test_half_a_close_waits_for_the_handshake(serving, tls):
    heard = []

    def on_traffic(conn):
        if conn.tls is not None:
            heard.append(conn.read())
            return
        conn.discard()
        conn.start_tls(tls.server_context(), callback=lambda *told: w.told.append(told))
        conn.shutdown_write()

    w = serving(on_traffic=on_traffic)
    peer = Starter(w, tls)
    peer.ask()
    peer.pump()
    assert peer.filter.ended and w.told[0][1] is None
    peer.say(b"still heard")
    assert heard == [b"still heard"] and "on_close" not in w.handler.names()
    peer.filter.finish()
    peer.pump()
    w.sockets.feed_eof(peer.conn.fd)
    w.turns(3)
    assert w.handler.details("on_close") == [None]


def test_a_callback_that_closes_raises_or_asks_again(serving, tls):
    seen = []

    def callback(conn, error):
        seen.append(error)
        with pytest.raises(UnsupportedOperationError, match="has begun with TLS already"):
            conn.start_tls(tls.server_context())
        conn.close()
        raise RuntimeError("mine")

    w = serving(
        on_traffic=lambda conn: conn.discard() and conn.start_tls(tls.server_context(), callback=callback)
    )
    peer = Starter(w, tls)
    peer.ask()
    peer.pump()
    assert seen == [None]
    assert [str(error) for error in w.handler.details("on_error")] == ["mine"]
    assert w.handler.names()[-1] == "on_close"


def test_truncation_after_it(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask()
    peer.pump()
    w.sockets.feed_eof(peer.conn.fd)
    w.turns(3)
    assert type(w.handler.details("on_close")[0]) is TlsTruncatedError
    assert w.loop.metrics().tls_handshake_failures == 0


def test_a_stop_ends_it_at_once(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask()
    w.loop.stop(1)
    w.turns(3)
    assert isinstance(w.told[0][1], ConnectionClosedError)
    assert peer.conn.close_reason is CloseReason.SHUTDOWN


# What is refused.


def test_what_it_cannot_be_given(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    conn = peer.conn
    with pytest.raises(TypeError, match=r"an ssl\.SSLContext, and not 'yes'"):
        conn.start_tls("yes")
    with pytest.raises(TypeError, match="callback"):
        conn.start_tls(tls.server_context(), callback="yes")
    with pytest.raises(ValueError, match="not for a server"):
        conn.start_tls(tls.client_context())
    with pytest.raises(ValueError, match="none to check"):
        conn.start_tls(tls.client_context(), server_side=False)
    conn.note_origin(DIALLED)
    with pytest.raises(ValueError, match="not for a client"):
        conn.start_tls(tls.server_context())
    conn.note_origin(ENROLLED)
    with pytest.raises(ValueError, match="needs server_side"):
        conn.start_tls(tls.server_context())
    assert conn.tls is None and not conn.upgrading
    w.feed(conn, b"hello")
    assert w.sent(conn) == b"<hello>", "nothing has come of any of it"


def test_one_that_is_closing_or_has_tls(serving, tls):
    w = serving()
    peer = Starter(w, tls)
    peer.ask()
    with pytest.raises(UnsupportedOperationError, match="has begun with TLS already"):
        peer.conn.start_tls(tls.server_context())
    peer.pump()
    assert peer.conn.tls is not None and len(w.told) == 1
    other = w.connect()
    other.shutdown_write()
    with pytest.raises(ConnectionClosedError):
        other.start_tls(tls.server_context())
    other.close()
    with pytest.raises(ConnectionClosedError):
        other.start_tls(tls.server_context())


def test_it_belongs_to_the_loops_thread(serving, tls):
    w = serving()
    conn = w.connect()
    raised = []

    def call():
        try:
            conn.start_tls(tls.server_context())
        except WrongThreadError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert len(raised) == 1 and conn.tls is None


def test_an_asynchronous_write_before_it_would_not_leave_in_plain(serving, tls):
    def on_traffic(conn):
        if conn.read() != b"STARTTLS\r\n":
            return
        conn.async_write(GO_AHEAD, lambda conn, error: conn.start_tls(context))
        with pytest.raises(UnsupportedOperationError, match="async_write before it is not carried out"):
            conn.start_tls(context)
        refused.append(conn.tls)

    context, refused = tls.server_context(), []
    w = serving(on_traffic=on_traffic)
    peer = Starter(w, tls)
    peer.ask()
    assert refused == [None]
    assert (peer.plain + peer.news()) == GO_AHEAD
    peer.pump()
    assert peer.conn.tls.version == peer.filter.info.version


@pytest.mark.parametrize("slow", [True, False])
def test_its_time_begins_when_the_peer_has_what_came_before(serving, tls, slow):
    answer = b"x" * 300_000
    w = serving(answer=answer)
    peer = Starter(w, tls)
    w.sockets.block(peer.conn.fd, 1000)
    peer.ask()
    for _ in range(3):
        w.clock.advance(3.1)
        if slow:
            w.sockets.unblock(peer.conn.fd)
        w.turns(1)
        w.sockets.block(peer.conn.fd)
    if slow:
        assert not w.told and not peer.conn.closed
        w.sockets.unblock(peer.conn.fd)
        while w.told == [] and len(peer.plain) < len(answer):
            w.turns(2)
            peer.plain += peer.news()
        peer.pump()
    else:
        for _ in range(3):  # until close_timeout is over as well
            w.clock.advance(3.1)
            w.turns(2)
    ((_, error, _),) = w.told
    assert (error is None) == slow
