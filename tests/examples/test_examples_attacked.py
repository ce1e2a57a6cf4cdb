"""The example servers under malformed input: an answer or a close, never a traceback or an endless loop."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest

pytest.importorskip("httptools")
pytest.importorskip("wsproto")

from examples.http_service import Limits, Refusal, Request, RequestReader, Site
from examples.udp_echo import PER_SECOND, Echo, Senders
from examples.websocket_service import Session
from netcore import Address

UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
MASK = b"\1\2\3\4"


def frame(first: int, payload: bytes = b"") -> bytes:
    """A client's frame, with the flags and the opcode that it begins with."""
    masked = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
    if len(payload) < 126:
        return bytes([first, 0x80 | len(payload)]) + MASK + masked
    return bytes([first, 0x80 | 126]) + len(payload).to_bytes(2, "big") + MASK + masked


def http(*lines: str, body: bytes = b"") -> list[object]:
    return list(RequestReader(Limits()).feed("\r\n".join([*lines, "", ""]).encode("latin-1") + body))


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "a@b", "http://a", "[::1", "::1", "a:b", "a:80:80", "%zz", "a\xff", "a<b"]
)
def test_a_host_that_is_none(host: str) -> None:
    assert http("GET /hello HTTP/1.1", f"Host: {host}") == [Refusal(HTTPStatus.BAD_REQUEST)]


@pytest.mark.parametrize(
    "host", ["", "a", "a.example.", "a:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "%61", "a_b", "a "]
)
def test_a_host_that_is_one(host: str) -> None:
    (request,) = http("GET /hello HTTP/1.1", f"Host: {host}")
    assert isinstance(request, Request)


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        (["gzip, chunked"], HTTPStatus.NOT_IMPLEMENTED),
        (["gzip", "chunked"], HTTPStatus.NOT_IMPLEMENTED),
        (["identity, chunked"], HTTPStatus.NOT_IMPLEMENTED),
        (["gzip"], HTTPStatus.BAD_REQUEST),
        (["chunked, gzip"], HTTPStatus.BAD_REQUEST),
        (["chunked, chunked"], HTTPStatus.BAD_REQUEST),
        (["chunked", "chunked"], HTTPStatus.BAD_REQUEST),
        (["xchunked"], HTTPStatus.BAD_REQUEST),
        ([""], HTTPStatus.BAD_REQUEST),
    ],
)
def test_codings_that_are_not_understood(codings: list[str], status: HTTPStatus) -> None:
    fields = [f"Transfer-Encoding: {coding}" for coding in codings]
    items = http("POST /echo HTTP/1.1", "Host: a", *fields, body=b"5\r\nhello\r\n0\r\n\r\n")
    assert items == [Refusal(status)]


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "chunked "])
def test_the_coding_that_is_understood(coding: str) -> None:
    fields = ("POST /echo HTTP/1.1", "Host: a", f"Transfer-Encoding: {coding}")
    (request,) = http(*fields, body=b"5\r\nhello\r\n0\r\n\r\n")
    assert isinstance(request, Request) and request.body == b"hello"


def test_http_1_0_has_no_codings() -> None:
    items = http("POST /echo HTTP/1.0", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    assert items == [Refusal(HTTPStatus.BAD_REQUEST)]


@pytest.mark.parametrize("origin", [b"http://[x", b"http://[::1", b"\xff", b"null", b"http://b", b"//[", b""])
def test_an_origin_that_is_not_this_page_or_none_at_all(origin: bytes) -> None:
    session = Session()
    answer = session.receive(UPGRADE + b"Origin: " + origin + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert session.is_over()


@pytest.mark.parametrize(
    "wrong",
    [frame(0x83), frame(0xC1, b"x"), frame(0x80, b"x"), frame(0x09), frame(0x88, b"\3"), b"\x81\x05hello"],
)
@pytest.mark.parametrize(
    "close", [frame(0x82, b"bytes"), frame(0x81, b"x" * 5000)], ids=["unsupported", "too big"]
)
def test_a_protocol_error_after_its_own_close(wrong: bytes, close: bytes) -> None:
    session = Session()
    session.receive(UPGRADE + b"\r\n")
    assert session.receive(close)[0] == 0x88
    assert session.receive(wrong) == b""
    assert session.is_over()


def test_a_websocket_needs_http_1_1() -> None:
    old = UPGRADE.replace(b"HTTP/1.1\r\nHost: a\r\n", b"HTTP/1.0\r\n")
    assert Session().receive(old + b"\r\n").startswith(b"HTTP/1.1 400 ")


def test_garbage_behind_a_head_request_is_refused() -> None:
    session = Session()
    answer = session.receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGARBAGE\r\n\r\n")
    assert b"HTTP/1.1 400 " in answer
    assert session.is_over()


FIELDS = (
    "Host: a",
    "Host: a b",
    "Content-Length: 5",
    "Content-Length: +5",
    "Content-Length:",
    "Content-Length: 5, 5",
    f"Content-Length: {'9' * 5000}",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Expect: 100-continue",
    "Expect: x",
    "Connection: close",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Origin: http://[x",
    "Origin: \xff",
    "Sec-WebSocket-Key: \xff",
    "Sec-WebSocket-Version: x",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
    "Sec-WebSocket-Extensions: ;;;==",
    "Sec-WebSocket-Protocol: ,,",
    "X: \0",
    " folded: x",
    f"{'A' * 20000}: b",
)
TARGETS = (
    "/",
    "/chat",
    "/hello",
    "/echo",
    "*",
    "http://x/",
    "a:80",
    "//",
    "/%00",
    "/%ff",
    "/\xff",
    "http://[x/",
    "?",
)


def conversations(seed: int, count: int) -> Iterator[tuple[random.Random, bytes]]:
    """Requests of every kind, right and wrong, one behind the other, some with bytes changed."""
    source = random.Random(seed)
    for _ in range(count):
        data = b""
        for _ in range(source.randint(1, 3)):
            if source.random() < 0.5:
                method = source.choice(("GET", "HEAD", "POST", "CONNECT", "OPTIONS", "FOO", "get", " "))
                version = source.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", ""))
                fields = source.sample(FIELDS, source.randint(0, 5))
                lines = [f"{method} {source.choice(TARGETS)} {version}", *fields, "", ""]
                data += "\r\n".join(lines).encode("latin-1")
            else:
                extra = "".join(f"{field}\r\n" for field in source.sample(FIELDS, source.choice((0, 0, 1))))
                data += UPGRADE + extra.encode("latin-1") + b"\r\n"
                for _ in range(source.randint(0, 5)):
                    first = source.choice((1, 2, 8, 9, 10, 3, 11, 0)) | source.choice((0, 0x80, 0x80, 0xC0))
                    data += frame(first, source.choice((b"", b"x", b"\3\xe8bye", b"\xff" * 126, b"x" * 5000)))
        if source.random() < 0.4:
            changed = bytearray(data)
            for _ in range(source.randint(1, 4)):
                changed[source.randrange(len(changed))] = source.randrange(256)
            data = bytes(changed)
        yield source, data


def pieces(source: random.Random, data: bytes) -> Iterator[bytes]:
    while data:
        size = source.choice((1, 7, 100, len(data)))
        yield data[:size]
        data = data[size:]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_the_http_server_answers_or_refuses(seed: int) -> None:
    site = Site(None)
    for source, data in conversations(seed, 150):
        reader = RequestReader(Limits())
        refusals = 0
        for piece in pieces(source, data):
            for item in reader.feed(piece):
                assert not refusals, "something comes after a refusal"
                refusals += isinstance(item, Refusal)
                if isinstance(item, Request):
                    site.answer(item).head(item.keep_alive)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_the_websocket_chat_answers_or_closes(seed: int) -> None:
    for source, data in conversations(seed, 150):
        session = Session()
        for piece in pieces(source, data):
            if session.is_over():
                break
            session.receive(piece)
            session.take_messages()
            if source.random() < 0.1:
                session.ping()


# Datagrams that claim to come from somebody who answers everything.


def test_a_sender_gets_so_many_answers_and_none_until_it_has_been_silent() -> None:
    senders, sender = Senders(), Address("udp", "192.0.2.1", 5000)
    assert sum(senders.may_have(sender, 0.0) for _ in range(PER_SECOND + 50)) == PER_SECOND
    assert not senders.may_have(sender, 0.9)
    assert not senders.may_have(sender, 1.8)  # a second after the first, but not after the last
    assert senders.may_have(Address("udp", "192.0.2.2", 5000), 1.8)
    assert senders.may_have(sender, 2.9)
    for port in range(20000):
        senders.may_have(Address("udp", "192.0.2.3", port), 3.0)
    assert len(senders._lately) <= 4096


@pytest.mark.posix
@pytest.mark.parametrize("itself", [True, False])
def test_one_datagram_does_not_go_round_for_ever(serve, itself: bool) -> None:
    first, second = Echo(), Echo()
    engine, other = (serve(handler, "udp://127.0.0.1:0") for handler in (first, second))
    target = engine.addresses[0] if itself else other.addresses[0]
    with socket.socket(fileno=engine.dup_listener()) as spoofer:  # whose address is the server's own
        spoofer.sendto(b"round", (target.host, target.port))
    rounds = -1
    while rounds != (rounds := engine.metrics().datagrams_received + other.metrics().datagrams_received):
        time.sleep(0.3)
    assert 0 < rounds <= 2 * PER_SECOND + 1
    assert first.unanswered + second.unanswered == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:  # others are still answered
        client.settimeout(30)
        client.sendto(b"hello", (engine.addresses[0].host, engine.addresses[0].port))
        assert client.recv(100) == b"hello"
