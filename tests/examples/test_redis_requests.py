"""From bytes to requests: whole, in pieces, pipelined, inline and malformed."""

from __future__ import annotations

import time
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("hiredis")

from examples.redis_server.errors import ProtocolError
from examples.redis_server.inline import split_words
from examples.redis_server.requests import RequestParser
from examples.redis_server.strict import StrictParser

Requests = list[list[bytes]]


def encode(words: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def feed(*pieces: bytes) -> Requests:
    parser = RequestParser()
    requests = [request for piece in pieces for request in parser.feed(piece)]
    if parser.error is not None:
        raise parser.error
    return requests


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


CASES: list[tuple[bytes, Requests]] = [
    (b"*1\r\n$4\r\nPING\r\n", [[b"PING"]]),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [[b"GET", b""]]),
    (b"*2\r\n$3\r\nGET\r\n$4\r\n\r\n*1\r\n", [[b"GET", b"\r\n*1"]]),
    (b"*2\r\n$3\r\nGET\r\n$3\r\n\n+a\r\n", [[b"GET", b"\n+a"]]),
    (b"*2\r\n$3\r\nGET\r\n$8\r\n*9999999\r\n", [[b"GET", b"*9999999"]]),
    (b"*1\r\n$12\r\nabcdefghijkl\r\n" * 2, [[b"abcdefghijkl"]] * 2),
    (b"*11\r\n" + b"$1\r\na\r\n" * 11, [[b"a"] * 11]),
    (b"*0\r\n*1\r\n$4\r\nPING\r\n*-1\r\n", [[b"PING"]]),
    (b"PING\r\n", [[b"PING"]]),
    (b"PING\n", [[b"PING"]]),
    (b"\r\n  \r\nset  a\tb \r\n", [[b"set", b"a", b"b"]]),
    (b"PING\r\n*1\r\n$4\r\nPING\r\nECHO 'a b'\r\n", [[b"PING"], [b"PING"], [b"ECHO", b"a b"]]),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_the_pieces_do_not_matter(data: bytes, expected: Requests, size: int) -> None:
    assert feed(*pieces(data, size)) == expected


@pytest.mark.parametrize(("data", "expected"), CASES)
@pytest.mark.parametrize(
    "tail", [b"*", b"*1", b"*1\r\n", b"*1\r\n$4", b"*1\r\n$4\r\n", b"*2\r\n$4\r\nPING\r\n", b"PI"]
)
def test_the_beginning_of_another_request_waits(data: bytes, expected: Requests, tail: bytes) -> None:
    parser = RequestParser()
    assert parser.feed(data + tail) == expected
    rest = {b"*2\r\n$4\r\nPING\r\n": b"$1\r\na\r\n"}.get(tail, b"*1\r\n$4\r\nPING\r\n"[len(tail) :])
    rest = b"NG\r\n" if tail == b"PI" else rest
    assert [request[0] for request in parser.feed(rest)] == [b"PING"]
    assert parser.buffered == 0


@pytest.mark.parametrize("length", range(8))
def test_no_end_is_taken_for_an_argument(length: int) -> None:
    """The parser marks the end of what it has for hiredis; the mark must never get into a request."""
    data = encode([b"ECHO", b"x" * length])
    for size in range(1, len(data)):
        assert feed(data[:size], data[size:]) == [[b"ECHO", b"x" * length]]


words = st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from([b"\n+", b":7\r\n", b"*1", b"$1\r\n"])), min_size=1
)


@given(st.lists(words, max_size=6), st.integers(1, 60))
def test_any_requests_in_any_pieces(requests: Requests, size: int) -> None:
    assert feed(*pieces(b"".join(map(encode, requests)), size)) == requests


types = [b"*", b"$", b":", b"+", b"-", b"=", b"~", b"%", b"_", b">", b"#", b","]
scraps = [
    *types,
    b"1",
    b"2",
    b"a",
    b"\r\n",
    b"\n",
    b"PING",
    b":7\r\n",
    b"*1\r\n$4\r\n",
    b"1\r\n",
    b"$1\r\na\r\n",
]


@given(st.lists(st.sampled_from(scraps)), st.integers(1, 20))
def test_the_fast_parser_agrees_with_the_strict_one(soup: list[bytes], size: int) -> None:
    """Whatever comes, hiredis being involved changes nothing."""
    data = b"".join(soup)
    expected: Requests = []
    strict, parser = StrictParser(), RequestParser()
    for piece in pieces(data, size):
        before = len(expected)
        error = None
        try:
            strict.take(piece, expected)
        except ProtocolError as raised:
            error = raised.message
        assert parser.feed(piece) == expected[before:]
        assert (parser.error and parser.error.message) == error
        if error is not None:
            break


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"*x\r\n", b"invalid multibulk length"),
        (b"*1048577\r\n", b"invalid multibulk length"),
        (b"*1\r\nPING\r\n", b"expected '$', got 'P'"),
        (b"*1\r\n+PING\r\n", b"expected '$', got '+'"),
        (b"*1\r\n:1\r\n", b"expected '$', got ':'"),
        (b"*1\r\n*1\r\n$4\r\nPING\r\n", b"expected '$', got '*'"),
        (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*1\r\n$4\r\nPING\r\n*2\r\n$x\r\n", b"invalid bulk length"),
        (b"GET 'a\r\n", b"unbalanced quotes in request"),
        (b"*" + b"1" * 65536, b"too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 65536, b"too big bulk count string"),
        (b"x" * 65537, b"too big inline request"),
    ],
)
def test_malformed_requests(data: bytes, message: bytes) -> None:
    for size in (7, len(data)):
        with pytest.raises(ProtocolError) as caught:
            feed(*pieces(data, size))
        assert caught.value.message == message


def test_a_line_may_be_as_long_as_the_limit() -> None:
    assert feed(b"x" * 65536) == []
    assert feed(b"x" * 65535, b"y" * 65535 + b"\r\n") == [[b"x" * 65535 + b"y" * 65535]]


def test_an_announced_length_allocates_nothing(tracemalloc: ModuleType) -> None:
    tracemalloc.start()
    try:
        assert feed(b"*1048576\r\n$536870912\r\nx") == []
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"*2147483647\r\n", b"*1\r\n$4\r\nPING\r\n*1\r\n*99999999\r\n"])
def test_a_huge_count_does_not_reach_hiredis(data: bytes) -> None:
    """It would allocate the array at once, and take seconds to free it."""
    before = time.process_time()
    with pytest.raises(ProtocolError):
        feed(data)
    assert time.process_time() - before < 1


def test_a_large_argument_is_not_copied_for_each_piece() -> None:
    piece = b"x" * 4096
    before = time.process_time()
    requests = feed(b"*1\r\n$33554432\r\n", *[piece] * 8192, b"\r\n")
    assert [len(request[0]) for request in requests] == [1 << 25]
    assert time.process_time() - before < 5


def test_a_request_is_limited_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.redis_server.strict.MAX_REQUEST", 1000)
    with pytest.raises(ProtocolError) as caught:
        feed(b"*1000\r\n", *[b"$10\r\nxxxxxxxxxx\r\n"] * 1000)
    assert caught.value.encode() == b""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", []),
        (b"a  b\tc", [b"a", b"b", b"c"]),
        (b'"a b" c', [b"a b", b"c"]),
        (b'fo"o b"', [b"foo b"]),
        (b"''", [b""]),
        (b"\"\" ''", [b"", b""]),
        (b'"\\x41\\n\\r\\t\\b\\a\\\\\\"\\q\\xzz"', [b'A\n\r\t\b\a\\"qxzz']),
        (b"'\\n\\'a'", [b"\\n'a"]),
        (b'"a\'b"', [b"a'b"]),
        (b'"a', None),
        (b"'a", None),
        (b"'a\\'", None),
        (b'"a"b', None),
        (b"'a'b", None),
        (b'"a""b"', None),
    ],
)
def test_inline_words(line: bytes, expected: list[bytes] | None) -> None:
    assert split_words(line) == expected
