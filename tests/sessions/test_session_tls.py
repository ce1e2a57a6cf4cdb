"""How a session with TLS ends: the goodbye of TLS is said, and nobody is held up by it."""

from __future__ import annotations

import ssl
import time

import pytest

from netcore import Action, CloseReason
from netcore.kcp import KcpOptions
from netcore.testing import RecordingHandler
from netcore.tls import client_context, server_context

QUICK = KcpOptions(interval=0.001)


class Browser:
    """A client of TLS over a peer's protocol, that does nothing but what a test asks of it."""

    def __init__(self, peer, context):
        self.peer = peer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="server.example")

    def pump(self):
        self.peer.kcp.send(self.outgoing.read())
        self.peer.run_until(lambda: not self.peer.kcp.waiting)
        self.peer.kcp.flush(time.monotonic())
        self.incoming.write(self.peer.kcp.drain())

    def until_done(self, step, *args):
        while True:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                self.pump()
                self.peer.look()  # the answer may come later than the receipt for the question
            else:
                self.pump()
                return result


@pytest.fixture
def browse(serve, kcp_peer, pki):
    """Starts a server that is sent a word over TLS: ``browse(on_traffic, **options)``."""
    context = server_context(pki.path("server.pem"), pki.path("server.key"))

    def start(on_traffic, **options):
        handler = RecordingHandler(
            on_open=lambda conn: conn.start_tls(context), on_traffic=on_traffic, on_eof=lambda _: Action.CLOSE
        )
        engine = serve(handler, "kcp://127.0.0.1:0", kcp=QUICK, **options)
        browser = Browser(kcp_peer(engine), client_context(pki.ca))
        browser.until_done(browser.tls.do_handshake)
        browser.until_done(browser.tls.write, b"a word")
        return handler, browser

    return start


def echo(conn):
    conn.write(conn.read())


def test_who_has_said_goodbye_need_not_acknowledge_the_answer(browse):
    handler, browser = browse(echo, close_timeout=1000)
    assert browser.until_done(browser.tls.read, 100) == b"a word"
    with pytest.raises(ssl.SSLWantReadError):
        browser.tls.unwrap()
    browser.peer.send(browser.outgoing.read())  # and is silent until the end
    end = handler.wait_for("on_close")
    assert (end.detail, end.conn.close_reason) == (None, CloseReason.EOF)
    goodbye = bytearray()
    browser.peer.run_until(lambda: goodbye.extend(browser.peer.kcp.drain()) or goodbye)  # it was said once
    browser.incoming.write(goodbye)
    browser.tls.unwrap()


def test_a_goodbye_that_nobody_acknowledges_is_no_error(browse):
    handler, browser = browse(lambda conn: (echo(conn), Action.CLOSE)[1], close_timeout=0.3)
    assert browser.until_done(browser.tls.read, 100) == b"a word"  # and is silent from then on
    end = handler.wait_for("on_close")
    assert (end.detail, end.conn.close_reason) == (None, CloseReason.LOCAL)


def test_what_was_written_before_a_goodbye_is_waited_for(browse):
    handler, _ = browse(lambda conn: (conn.write(bytes(10_000_000)), Action.CLOSE)[1], close_timeout=0.3)
    end = handler.wait_for("on_close")
    assert isinstance(end.detail, TimeoutError)
    assert end.conn.close_reason is CloseReason.LOCAL
