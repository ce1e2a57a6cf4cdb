"""What a supervisor and a process say to each other, and the descriptors that go with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from netcore.supervisor._posix import limits
from netcore.supervisor.channel import Channel, Message

pytestmark = pytest.mark.posix


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = Channel.pair()
    other = Channel(theirs)
    yield ours, other
    ours.close()
    other.close()


def _hear(channel: Channel, count: int = 1) -> list[Message]:
    heard: list[Message] = []
    while len(heard) < count:
        heard += channel.receive()
    return heard


def test_messages_come_in_their_order(ends: tuple[Channel, Channel]) -> None:
    ours, other = ends
    for number in range(3):
        assert ours.send({"number": number, "text": "ä\n"})
    assert _hear(other, 3) == [{"number": number, "text": "ä\n"} for number in range(3)]
    assert not other.has_something()


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_descriptors_go_with_their_message_and_no_further(ends: tuple[Channel, Channel], count: int) -> None:
    ours, other = ends
    with socket.socket() as sock:
        assert ours.send({"first": 1})
        assert ours.send({"second": 2}, [sock.fileno()] * count)
        assert ours.send({"third": 3})
        heard = _hear(other, 3)
        assert [next(iter(message)) for message in heard] == ["first", "second", "third"]
        fds = heard[1]["fds"]
        try:
            assert len(set(fds)) == count
            assert not any(map(os.get_inheritable, fds))
            assert all(os.path.sameopenfile(fd, sock.fileno()) for fd in fds)
        finally:
            for fd in fds:
                os.close(fd)


def test_a_message_without_room_for_its_descriptors_has_none(ends: tuple[Channel, Channel]) -> None:
    ours, other = ends
    resource = limits()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as sock:
        ours.send({"first": 1}, [sock.fileno()] * 4)
        lowest = os.dup(sock.fileno())
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, hard))
        try:
            assert _hear(other) == [{"first": 1, "fds": []}]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        ours.send({"second": 2}, [sock.fileno()])
        (message,) = _hear(other)
        os.close(message["fds"][0])


@pytest.mark.parametrize(
    "line",
    [b"no json\n", b"[]\n", b'{"fds": 1}\n', b'{"fds": "x"}\n', b"\xff\n", b"[" * 50000 + b"\n"],
    ids=["no json", "no object", "no descriptors", "no number", "no text", "too deep"],
)
def test_what_is_no_message_ends_it(line: bytes) -> None:
    ours, theirs = Channel.pair()
    with theirs:
        theirs.sendall(line)
        with pytest.raises(EOFError):
            list(ours.receive())
    ours.close()


def test_the_end_is_told(ends: tuple[Channel, Channel]) -> None:
    ours, other = ends
    ours.close()
    assert other.has_something()
    with pytest.raises(EOFError):
        list(other.receive())
    assert not other.send({"late": True})


def test_half_a_message_is_the_end_of_all(ends: tuple[Channel, Channel]) -> None:
    ours, other = ends
    ours.set_blocking(False)
    assert not ours.send({"long": "x" * (4 << 20)})
    with pytest.raises(EOFError):
        while True:
            assert not list(other.receive())
