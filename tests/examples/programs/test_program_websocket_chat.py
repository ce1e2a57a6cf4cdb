"""The WebSocket chat, spoken to by a WebSocket client without a browser, and by things that are none."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)

Connect = Callable[..., "Visitor"]
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Visitor:
    """A socket, with a WebSocket on it when it has been asked for."""

    def __init__(self, address: Any) -> None:
        self.sock = socket.create_connection((address.host, address.port), timeout=30)
        self.ws = WSConnection(ConnectionType.CLIENT)

    def join(self, **request: Any) -> Visitor:
        self.send(Request(host="chat", target="/chat", **request))
        assert isinstance(self.event(), AcceptConnection)
        return self

    def send(self, *events: Event) -> None:
        self.sock.sendall(b"".join(map(self.ws.send, events)))

    def event(self) -> Event:
        while True:
            for event in self.ws.events():
                return event
            data = self.sock.recv(65536)
            self.ws.receive_data(data or None)

    def hear(self, count: int = 1) -> list[str]:
        texts = []
        while len(texts) < count:
            event = self.event()
            assert isinstance(event, TextMessage), event
            texts.append(event.data)
        return texts

    def ask(self, request: bytes) -> bytes:
        """Sends bytes as they are; returns everything up to the end of the connection."""
        self.sock.sendall(request)
        with self.sock.makefile("rb") as file:
            return file.read()


@pytest.fixture(scope="module")
def empty_room(start_for_all: Callable[..., Any]) -> Any:
    return start_for_all("websocket_chat", "--loops", "2").addresses[0]


@pytest.fixture
def connect(start: Callable[..., Any]) -> Iterator[Connect]:
    program = start("websocket_chat", "--loops", "2")
    visitors: list[Visitor] = []

    def make() -> Visitor:
        visitors.append(Visitor(program.addresses[0]))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.sock.close()


def test_everybody_hears_everybody_in_one_order(connect: Connect) -> None:
    members = [connect().join() for _ in range(4)]
    for i, member in enumerate(members):
        assert member.hear(4 - i) == [f"* somebody has joined: {n} here" for n in range(i + 1, 5)]
    for i, member in enumerate(members):
        member.send(TextMessage(f"{i} says hello"), TextMessage("grüß Gott ☺"))
    heard = [member.hear(8) for member in members]
    assert all(texts == heard[0] for texts in heard)
    assert sorted(heard[0]) == sorted([f"{i} says hello" for i in range(4)] + ["grüß Gott ☺"] * 4)


def test_who_leaves_is_missed_however_it_leaves(connect: Connect) -> None:
    first, second, third = (connect().join() for _ in range(3))
    first.hear(3)
    second.send(CloseConnection(code=1000, reason="enough"))
    assert first.hear() == ["* somebody has left: 2 here"]
    third.sock.close()
    assert first.hear() == ["* somebody has left: 1 here"]
    while not isinstance(event := second.event(), CloseConnection):
        pass
    assert (event.code, event.reason) == (1000, "enough")
    assert second.sock.recv(1) == b""


def test_messages_may_come_in_fragments_and_pings_between_them(connect: Connect) -> None:
    member = connect().join()
    member.hear()
    member.send(TextMessage("one, ", message_finished=False), Ping(b"there?"), TextMessage("two"))
    event = member.event()
    assert isinstance(event, Pong)
    assert bytes(event.payload) == b"there?"
    assert member.hear() == ["one, two"]


def test_the_first_message_may_come_with_the_request(connect: Connect) -> None:
    member = connect()
    # A masked text frame with a mask of zeros.
    member.sock.sendall(UPGRADE + b"\r\n" + b"\x81\x82\0\0\0\0hi")
    seen = b""
    while not seen.endswith(b"\x81\x02hi"):
        seen += member.sock.recv(4096)
    assert b"101" in seen.splitlines()[0]
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in seen  # the example of RFC 6455, 1.3


@pytest.mark.once
@pytest.mark.parametrize("fragments", [1, 5])
def test_a_message_too_long_ends_the_membership(connect: Connect, fragments: int) -> None:
    other, member = connect().join(), connect().join()
    other.hear(2)
    member.hear()
    size = 5000 // fragments
    for i in range(fragments):
        member.send(TextMessage("x" * size, message_finished=i == fragments - 1))
    member.send(TextMessage("and this is not heard"))
    event = member.event()
    assert isinstance(event, CloseConnection)
    assert event.code == 1009
    assert other.hear() == ["* somebody has left: 1 here"]
    member.send(event.response())
    assert member.sock.recv(1) == b""


def test_only_text_is_understood(connect: Connect) -> None:
    member = connect().join()
    member.hear()
    member.send(BytesMessage(b"\0"))
    event = member.event()
    assert isinstance(event, CloseConnection)
    assert event.code == 1003


@pytest.mark.once
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that there is not
        (b"\x81\x81\0\0\0\0\xff", 1007),  # not UTF-8
        (b"\x80\x80\0\0\0\0", 1002),  # goes on with nothing
    ],
)
def test_who_breaks_the_rules_is_told_and_dropped(connect: Connect, data: bytes, code: int) -> None:
    member = connect().join()
    member.hear()
    member.sock.sendall(data)
    event = member.event()
    assert isinstance(event, CloseConnection)
    assert event.code == code
    assert member.sock.recv(1) == b""


def test_the_page_and_several_requests_on_one_connection(connect: Connect) -> None:
    answer = connect().ask(
        b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n"
        b"HEAD /?a=b HTTP/1.1\r\nHost: chat\r\n\r\n"
        b"GET /nowhere HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"<!DOCTYPE html>") == 1
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b"HTTP/1.1 404") == 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: chat\r\nLong: " + b"x" * 20000, 431),
        (b"HEAD /chat HTTP/1.1\r\nHost: chat\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: chat\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"POST / HTTP/1.1\r\nHost: chat\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500000, 405),
        (b"GET /chat HTTP/1.1\r\nHost: chat\r\n\r\n", 426),
        (UPGRADE.replace(b"Version: 13", b"Version: 8") + b"\r\n", 426),
        (UPGRADE.replace(b"Sec-WebSocket-Key", b"Other") + b"\r\n", 400),
        (UPGRADE.replace(b"Connection: Upgrade\r\n", b"") + b"\r\n", 400),
        (UPGRADE.replace(b"Host: chat", b"Host: \xff") + b"\r\n", 400),
        (UPGRADE + b"Origin: http://elsewhere\r\n\r\n", 403),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_bad_requests_are_refused(empty_room: Any, request_: bytes, status: int) -> None:
    visitor = Visitor(empty_room)
    with visitor.sock:
        answer = visitor.ask(request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert answer.count(b"HTTP/1.1") == 1


def test_the_page_that_is_served_here_may_join(connect: Connect) -> None:
    connect().join(extra_headers=[(b"Origin", b"http://chat")]).hear()


def test_a_request_may_come_byte_by_byte(connect: Connect) -> None:
    member = connect()
    for byte in UPGRADE + b"\r\n":
        member.sock.sendall(bytes([byte]))
    assert member.sock.recv(12) == b"HTTP/1.1 101"
