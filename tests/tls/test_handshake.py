"""Two sides come to terms, or say why not."""

from __future__ import annotations

import itertools
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.tls import Bios, TlsCertificateError, TlsError, TlsFilter, TlsHandshakeError, TlsInfo


def der(pki, name):
    return ssl.PEM_cert_to_DER_cert(pki.path(f"{name}.pem").read_text())


def test_both_know_what_was_agreed_on(tls, pki):
    wire = tls.wire()
    assert wire.client.done and wire.server.done
    version = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[tls.version]
    cipher = wire.client.info.cipher
    assert "AES" in cipher or "CHACHA" in cipher
    name = "server.example"
    assert wire.client.info == TlsInfo(version, cipher, None, name, der(pki, "server"), False)
    assert wire.server.info == TlsInfo(version, cipher, None, name, None, False)
    assert wire.server.info is wire.server.info


def test_nothing_is_known_before(tls):
    wire = tls.wire(pump=False)
    assert wire.client.info is None and wire.server.info is None
    assert not wire.client.done and not wire.server.done


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 100, 1000])
def test_split_in_steps(tls, step):
    wire = tls.wire(pump=False)
    wire.client.wrap([b"hello"])
    wire.pump(step)
    assert wire.got[wire.server] == b"hello"
    assert wire.send(wire.server, b"world", step) == b"world"


@given(cuts=st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_split_anyhow(tls, cuts):
    wire = tls.wire(pump=False)
    wire.client.wrap([b"hello" * 100])
    sizes = itertools.cycle(cuts)
    for _ in range(6):
        for side in wire.sides:
            out = side.output()
            while out:
                size = next(sizes)
                wire.deliver(wire.other(side), out[:size])
                out = out[size:]
    assert wire.got[wire.server] == b"hello" * 100


def test_what_is_written_before_waits_for_the_end(tls):
    wire = tls.wire(pump=False)
    for side in wire.sides:
        side.wrap([b"from ", bytearray(b"the "), memoryview(b"start")])
        assert side.held == 14
        side.finish()
        assert side.held == 15
    wire.pump()
    for side in wire.sides:
        assert side.held == 0
        assert wire.got[side] == b"from the start"
        assert side.ended


def test_a_buffer_that_waits_is_a_copy(tls):
    wire = tls.wire(pump=False)
    buffer = bytearray(b"before")
    wire.client.wrap([buffer])
    buffer[:] = b"after!"
    wire.pump()
    assert wire.got[wire.server] == b"before"


def test_many_at_once_share_one_pair_of_bios(tls):
    bios = Bios()
    client, server = tls.client_context(), tls.server_context()
    wires = []
    for number in range(8):
        name = f"n{number}.wild.example"
        wire = tls.wire(pump=False)
        wire.client = TlsFilter(client, server_side=False, server_hostname=name, bios=bios)
        wire.server = TlsFilter(server, server_side=True, bios=bios)
        wire.got = dict.fromkeys(wire.sides, b"")
        wires.append(wire)
    for wire in wires:
        wire.client.wrap([str(wires.index(wire)).encode() * 5])
    for step in range(12):  # a step of each in turn
        for wire in wires:
            side = wire.sides[step % 2]
            wire.deliver(wire.other(side), side.output(), step=97)
            assert not bios.incoming.pending and not bios.outgoing.pending
            if step == 3:  # one fails in between, and leaves nothing
                other = TlsFilter(server, server_side=True, bios=bios)
                other.feed(memoryview(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20))
                assert other.failure is not None
    for number, wire in enumerate(wires):
        assert wire.got[wire.server] == str(number).encode() * 5
        assert wire.server.info.server_name == f"n{number}.wild.example"


def test_sessions_are_resumed(tls):
    client, server = tls.client_context(), tls.server_context()
    first = tls.wire(client, server)
    assert first.send(first.server, b"x") == b"x"
    second = tls.wire(client, server, session=first.client.session)
    assert second.client.info.session_reused and second.server.info.session_reused
    assert second.client.info.server_name == second.server.info.server_name == "server.example"
    assert second.send(second.client, b"again") == b"again"


@pytest.mark.parametrize(
    ("offered", "known", "agreed"),
    [
        (["h2", "http/1.1"], ["http/1.1", "h2"], "http/1.1"),  # as the server likes it
        (["h2"], ["http/1.1"], None),
        (["h2"], [], None),
        ([], ["h2"], None),
    ],
)
def test_alpn(tls, offered, known, agreed):
    wire = tls.wire(tls.client_context(alpn=offered), tls.server_context(alpn=known))
    assert wire.client.info.alpn == wire.server.info.alpn == agreed


# Names.


@pytest.mark.parametrize("name", ["server.example", "a.wild.example"])
def test_the_server_knows_the_name_whatever_the_callback_does(tls, name):
    server = tls.server_context()
    other = tls.server_context()
    seen = []

    def callback(conn, asked, context):
        seen.append(asked)
        conn.context = other

    server.sni_callback = callback
    wire = tls.wire(server=server, name=name)
    assert seen == [name]
    assert wire.server.info.server_name == name


def test_a_callback_that_chooses_the_certificate(tls, pki):
    others = {"server.example": tls.server_context(), "other.example": tls.server_context("other")}
    server = tls.server_context()
    server.sni_callback = lambda conn, asked, context: setattr(conn, "context", others[asked])
    for name, context in others.items():
        wire = tls.wire(server=server, name=name)
        assert wire.client.info.peer_certificate == der(pki, name.partition(".")[0])
        assert wire.server.info.server_name == name
        assert context is others[name]


def test_a_callback_that_refuses(tls):
    server = tls.server_context()
    server.sni_callback = lambda *args: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    wire = tls.wire(server=server)
    failed(wire.server, TlsHandshakeError, "the sni_callback has refused the client")
    failed(wire.client, TlsHandshakeError, "the server has refused, with the alert unrecognized_name")


def test_a_client_that_names_nobody_and_one_that_names_an_address(tls):
    nobody = tls.client_context(verify=False)
    assert tls.wire(nobody, name=None).server.info.server_name is None
    wire = tls.wire(name="127.0.0.1")
    assert wire.client.done and wire.server.info.server_name is None  # RFC 6066: addresses are no names


def test_a_name_that_is_none(tls):
    for name in ("", ".example", None):
        with pytest.raises(ValueError):
            tls.wire(name=name)


def test_a_context_for_the_other_side(tls):
    with pytest.raises(ValueError, match="not for a client"):
        tls.wire(client=tls.server_context())
    with pytest.raises(ValueError, match="not for a server"):
        tls.wire(server=tls.client_context())


# Failures, and what each side makes of them.


def failed(side, cls, text):
    """Checks how one has failed, saying this or one of these, and that it is quiet from then on."""
    assert type(side.failure) is cls, repr(side.failure)
    texts = (text,) if isinstance(text, str) else text
    assert any(one in str(side.failure) for one in texts), side.failure
    assert "_ssl.c" not in str(side.failure)
    assert side.feed(memoryview(b"more")) == b""
    side.wrap([b"more"])
    side.finish()
    assert side.output() == b""


def refused(side, text):
    failed(side, TlsCertificateError, text)
    assert isinstance(side.failure, ssl.SSLCertVerificationError)
    assert isinstance(side.failure, TlsError)
    assert side.failure.verify_code and side.failure.verify_message in str(side.failure)


def test_a_certificate_for_another_host(tls):
    wire = tls.wire(name="else.example")
    refused(wire.client, "the server's certificate is refused here: Hostname mismatch")
    assert not wire.client.done
    failed_by_alert(wire.server, "bad_certificate")


def failed_by_alert(side, alert):
    failed(side, TlsHandshakeError, f"has refused, with the alert {alert}")


def test_an_expired_certificate(tls):
    wire = tls.wire(server=tls.server_context("expired"))
    refused(wire.client, "certificate has expired")
    failed_by_alert(wire.server, "certificate_expired")


def test_an_authority_that_nobody_knows(tls, strange_pki):
    wire = tls.wire(client=tls.client_context(ca=strange_pki.ca))
    refused(wire.client, "unable to get local issuer certificate")
    failed_by_alert(wire.server, "unknown_ca")


def test_not_verified(tls, strange_pki):
    wire = tls.wire(client=tls.client_context(ca=strange_pki.ca, verify=False), name="else.example")
    assert wire.send(wire.client, b"x") == b"x"


@pytest.mark.parametrize("required", [False, True])
def test_a_client_with_a_certificate(tls, pki, required):
    server = tls.server_context(client_ca=pki.ca, require_client_certificate=required)
    own = {"certificate": pki.path("client.pem"), "key": pki.path("client.key")}
    wire = tls.wire(tls.client_context(**own), server)
    assert wire.server.info.peer_certificate == der(pki, "client")
    assert wire.send(wire.client, b"x") == b"x"


def test_a_client_without_one_that_need_not_have_one(tls, pki):
    wire = tls.wire(server=tls.server_context(client_ca=pki.ca))
    assert wire.server.info.peer_certificate is None
    assert wire.send(wire.client, b"x") == b"x"


def test_a_client_without_one_that_must(tls, pki):
    wire = tls.wire(server=tls.server_context(client_ca=pki.ca, require_client_certificate=True))
    failed(wire.server, TlsHandshakeError, "the client has shown no certificate")
    alert_at_the_client(wire.client, tls, {"1.3": "certificate_required", "1.2": "handshake_failure"})


def alert_at_the_client(client, tls, alerts):
    """A client of TLS 1.3 is done before the server has judged its certificate."""
    if tls.version is ssl.TLSVersion.TLSv1_3:
        failed(client, TlsError, f"the server has refused, with the alert {alerts['1.3']}")
    else:
        failed(client, TlsHandshakeError, f"the server has refused, with the alert {alerts['1.2']}")


def test_a_client_whose_authority_is_unknown(tls, pki, strange_pki):
    server = tls.server_context(client_ca=pki.ca)
    own = {"certificate": strange_pki.path("client.pem"), "key": strange_pki.path("client.key")}
    wire = tls.wire(tls.client_context(**own), server)
    refused(wire.server, "the client's certificate is refused here: unable to get local issuer certificate")
    alert_at_the_client(wire.client, tls, {"1.3": "unknown_ca", "1.2": "unknown_ca"})


def test_no_version_in_common(tls12, tls13):
    wire = tls12.wire(server=tls13.server_context())
    failed(wire.server, TlsHandshakeError, "the client knows no version of TLS that is allowed here")
    failed_by_alert(wire.client, "protocol_version")
    wire = tls13.wire(server=tls12.server_context())
    failed(wire.server, TlsHandshakeError, "the client knows no version of TLS that is allowed here")


def test_no_cipher_in_common(tls12):
    client, server = tls12.client_context(), tls12.server_context()
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    wire = tls12.wire(client, server)
    failed(wire.server, TlsHandshakeError, "the client knows no cipher suite that fits")
    failed_by_alert(wire.client, "handshake_failure")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "the client speaks plain HTTP"),
        (b"POST /form HTTP/1.1\r\n", "the client speaks plain HTTP"),
        (b"CONNECT a.example:443 HTTP/1.1\r\n", "the client speaks plain HTTP, and asks for a proxy"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "what the client says is not TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what the client says is not TLS"),
        (b"\0" * 100, "what the client says is not TLS"),
        (b"\xff" * 5, "the client"),
        (
            b"\x16\x03\x01\xff\xff",
            ("the client does not keep to the protocol", "a record of the client's is none of TLS"),
        ),
        (b"\x16\x03\x01\0\x04\x02\0\0\0", "the client does not keep to the protocol: unexpected"),
        (
            b"\x16\x03\x01\0\x04\x01\xff\xff\xff",
            "the client does not keep to the protocol: excessive",
        ),
        (b"\x17\x03\x03\0\x02hi", "the client does not keep to the protocol"),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_nonsense_for_a_client_hello(tls, said, text, step):
    wire = tls.wire(pump=False)
    wire.deliver(wire.server, said, step)
    out = wire.server.output()
    failed(wire.server, TlsHandshakeError, text)
    assert not out or out[0] == 21


def test_a_server_that_does_not_speak_tls(tls):
    wire = tls.wire(pump=False)
    wire.deliver(wire.client, b"220 mail.example ESMTP\r\n")
    failed(
        wire.client, TlsHandshakeError, "what the server says is not TLS"
    ) if not wire.client.output() else None


def test_a_hello_that_never_ends(tls):
    server = tls.wire(pump=False).server
    hello = b"\x01\x01\xff\xf0" + bytes(16380)
    fed = 0
    while server.failure is None:
        for piece in (hello, bytes(16384)):
            record = b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
            if server.failure is None:
                server.feed(memoryview(record))
                fed += len(record)
            hello = piece
        assert fed < 200_000
    server.output()
    failed(server, TlsHandshakeError, "the client")


def test_who_leaves_during_the_handshake(tls):
    wire = tls.wire(pump=False)
    assert "the client has left during the handshake" in str(wire.server.end_of_stream())
    assert type(wire.client.end_of_stream()) is TlsHandshakeError
    wire.deliver(wire.server, wire.client.output()[:100])
    assert type(wire.server.end_of_stream()) is TlsHandshakeError


def test_close_notify_during_the_handshake(tls):
    wire = tls.wire(pump=False)
    wire.deliver(wire.client, b"\x15\x03\x03\0\x02\x01\0")
    wire.client.output()
    failed(wire.client, TlsHandshakeError, "the server has closed during the handshake")


def test_filters_at_work_inside_the_step_of_another(tls):
    bios = Bios()
    server, client = tls.server_context(), tls.client_context()

    def make(side, context, **named):
        return TlsFilter(context, server_side=side, bios=bios, **named)

    def pump(wire):
        for turn in range(10):
            side = wire.sides[turn % 2]
            wire.deliver(wire.other(side), side.output())

    def pair(context):
        wire = tls.wire(pump=False)
        wire.client = make(False, client, server_hostname="server.example")
        wire.server = make(True, context)
        wire.got = dict.fromkeys(wire.sides, b"")
        return wire

    before = pair(server)
    pump(before)
    inside = []

    def callback(conn, asked, context):
        assert bios.busy
        before.client.wrap([b"inside"])
        before.client.wrap([b" of " * 9000])
        pump(before)
        inside.append(pair(server))
        inside[0].client.wrap([b"a third"])
        inside[0].client.finish()
        pump(inside[0])
        assert bios.busy

    observed = tls.server_context()
    observed.sni_callback = callback
    wire = pair(observed)
    wire.client.wrap([b"as if nothing had been"])
    pump(wire)
    assert not bios.busy
    assert wire.got[wire.server] == b"as if nothing had been"
    assert before.got[before.server] == b"inside" + b" of " * 9000
    assert inside[0].got[inside[0].server] == b"a third" and inside[0].server.ended


def test_a_step_that_is_interrupted_has_its_bytes_put_aside(tls):
    bios = Bios()
    wire = tls.wire(pump=False)
    context, name = tls.client_context(), "server.example"
    wire.client = TlsFilter(context, server_side=False, server_hostname=name, bios=bios)
    wire.got[wire.client] = wire.raw[wire.client] = b""
    wire.pump()
    bios.busy = True  # as a finalizer finds it, between two steps of somebody else's
    bios.incoming.write(b"others'")
    bios.outgoing.write(b"not ours")
    assert wire.send(wire.client, b"question") == b"question"
    assert wire.send(wire.server, b"answer") == b"answer"
    wire.client.finish()
    wire.pump()
    assert wire.server.ended
    assert (bios.busy, bios.incoming.read(), bios.outgoing.read()) == (True, b"others'", b"not ours")


def test_a_name_with_the_dot_of_the_root(tls):
    wire = tls.wire(name="server.example.")
    assert wire.client.done and wire.server.info.server_name == "server.example"
    with pytest.raises(ValueError, match="host names"):
        tls.wire(name=".")
