"""HTTP/1.1 of an admin server, without I/O."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("h11", reason="h11 is not installed")

from netcore.admin.answers import Answer, Request
from netcore.admin.exchange import Exchange

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = 4096


class Talk:
    def __init__(self):
        self.requests = []
        self.status = 200
        self.exchange = Exchange(self.respond, HEAD)

    def respond(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer.text(self.status, request.target)

    def say(self, data: bytes) -> bytes:
        """Feeds it, and returns all answers."""
        self.exchange.feed(data)
        answers = []
        while answer := self.exchange.advance():
            answers.append(answer)
        return b"".join(answers)


@pytest.fixture
def talk():
    return Talk()


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def test_a_request_is_answered_and_the_connection_kept(talk):
    answer = talk.say(GET)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b"/a\n"
    assert b"\r\nContent-Length: 3" in head
    assert b"Connection" not in head
    assert talk.requests == [Request("GET", "/a", "localhost")]
    assert not talk.exchange.over
    assert status_of(talk.say(GET)) == 200


def test_bytes_one_by_one_are_a_request_too(talk):
    pieces = [talk.say(GET[i : i + 1]) for i in range(len(GET))]
    assert not any(pieces[:-1])
    assert status_of(pieces[-1]) == 200
    assert not talk.exchange.begun


def test_what_has_begun_is_known(talk):
    assert not talk.exchange.begun
    talk.say(GET[:7])
    assert talk.exchange.begun
    talk.say(GET[7:])
    assert not talk.exchange.begun


def test_requests_ahead_are_answered_one_after_the_other(talk):
    talk.exchange.feed(GET * 3 + GET[:5])
    answers = [talk.exchange.advance() for _ in range(4)]
    assert [status_of(answer) for answer in answers[:3]] == [200, 200, 200]
    assert answers[3] == b""
    assert talk.exchange.begun
    assert len(talk.requests) == 3


def test_head_has_the_headers_and_no_body(talk):
    get, head = talk.say(GET), talk.say(GET.replace(b"GET", b"HEAD"))
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 3" in head
    assert get.startswith(head[: head.index(b"Date")])


def test_security_headers(talk):
    head = talk.say(GET).partition(b"\r\n\r\n")[0].decode()
    for line in (
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
        "Cache-Control: no-store",
        "Cross-Origin-Resource-Policy: same-origin",
    ):
        assert line in head


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /a HTTP/1.0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_the_last_answer_says_so(talk, data):
    answer = talk.say(data + GET)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert talk.exchange.over
    assert talk.exchange.advance() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\0\1\2\3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + bytes(2 * HEAD), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2 * HEAD, 431),
        (b"GET /" + b"x" * 2 * HEAD, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered_and_the_end(talk, data, status):
    answer = talk.say(data)
    assert status_of(answer) == status
    assert b"\r\nConnection: close\r\n" in answer
    assert talk.exchange.over
    assert talk.requests == []


def test_an_end_in_between_is_one(talk):
    assert talk.say(GET)
    assert talk.say(b"") == b""
    assert talk.exchange.over


def test_an_end_within_a_request_is_no_request(talk):
    assert status_of(talk.say(GET[:20]) or talk.say(b"")) == 400
    assert talk.exchange.over


@pytest.mark.parametrize("line", [b"CONNECT localhost:80 HTTP/1.1", b"GET /a HTTP/1.1\r\nUpgrade: websocket"])
def test_nothing_is_switched_to(talk, line):
    talk.status = 405
    assert status_of(talk.say(line + b"\r\nHost: localhost\r\nConnection: upgrade\r\n\r\n")) == 405
    assert len(talk.requests) == 1
    assert status_of(talk.say(GET)) == 405


@given(st.lists(st.one_of(st.binary(max_size=64), st.sampled_from([GET, GET[:9], GET[9:], b"\r\n"]))))
def test_no_bytes_are_too_odd(pieces):
    talk = Talk()
    for piece in pieces:
        if talk.exchange.over:
            break
        if piece:
            talk.say(piece)
