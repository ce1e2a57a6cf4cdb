"""The example with a codec of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from netcore import CorruptedFrameError, FrameError, TooLongFrameError
from netcore.testing.conformance.check_codec import check_codec


@pytest.fixture
def codec() -> Any:
    from examples.custom_codec import NetstringCodec

    return NetstringCodec()


def test_it_passes_the_check(codec: Any) -> None:
    check_codec(type(codec))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"0:,3:abc,", [b"", b"abc"]),
        (b"3:a:,,12:hello, world,", [b"a:,", b"hello, world"]),
        (b"65536:" + b"x" * 65536 + b",", [b"x" * 65536]),
        (b"65537:x", [TooLongFrameError]),
        (b"123456", [TooLongFrameError]),
        (b":,", [CorruptedFrameError]),
        (b"GET / HTTP/1.1\r\n", [CorruptedFrameError]),
        (b"03:abc,", [CorruptedFrameError]),
        (b"3:abc;", [CorruptedFrameError]),
        (b"1:a,-1:b,", [b"a", CorruptedFrameError]),
        (b"3:ab", []),
        (b"65536", []),
        (b"", []),
    ],
)
def test_what_is_a_netstring(codec: Any, data: bytes, expected: list[object]) -> None:
    decoder = codec.decoder()
    decoder.feed(data)
    results: list[object] = []
    while len(results) < 10:
        try:
            frame = decoder.next_frame()
        except FrameError as error:
            results.append(type(error))
            continue
        if frame is None:
            break
        results.append(frame)
    assert results == expected


def test_the_server_answers_and_says_what_is_wrong(start: Callable[..., Any]) -> None:
    address = start("custom_codec", "--loops", "2").addresses[0]
    with socket.create_connection((address.host, address.port), timeout=30) as sock:
        sock.sendall(b"5:hello,3:y")
        sock.sendall(b"ou,")
        with sock.makefile("rb") as replies:
            assert replies.read(14) == b"5:HELLO,3:YOU,"
            sock.sendall(b"2:ok,oops")
            assert replies.read().startswith(b"2:OK,53:a netstring begins with b'oops' instead of its length")
