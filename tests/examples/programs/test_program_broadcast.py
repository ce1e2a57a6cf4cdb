"""The broadcast example: who has asked gets it, and who does not read holds nobody up."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from examples.broadcast import Broadcast


class Client:
    """A connection, line by line."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lines = sock.makefile("rb")

    def say(self, *lines: bytes) -> None:
        self.sock.sendall(b"".join(line + b"\n" for line in lines))

    def hear(self) -> bytes:
        return self.lines.readline().rstrip(b"\n")

    def subscribe(self, *topics: bytes) -> None:
        """Asks, and waits for that to be done: what one client says is heard in order."""
        self.say(*(b"sub " + topic for topic in topics), b"?")
        assert self.hear().startswith(b"! sub TOPIC")


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def dial(port: int) -> Client:
        clients.append(Client(socket.create_connection(("127.0.0.1", port), timeout=30)))
        return clients[-1]

    yield dial
    for client in clients:
        client.lines.close()
        client.sock.close()


@pytest.mark.parametrize("loops", ["1", "2"])
def test_who_has_asked_for_a_topic_gets_what_is_said_of_it(start, connect, loops: str) -> None:
    port = start("broadcast", "--loops", loops).addresses[0].port
    one, two, three = (connect(port) for _ in range(3))
    one.subscribe(b"news")
    two.subscribe(b"news", b"sports")
    three.say(b"pub news it rains", b"pub sports 1:0", b"pub other nobody", b"pub news it does not")
    assert [one.hear() for _ in range(2)] == [b"news it rains", b"news it does not"]
    assert [two.hear() for _ in range(3)] == [b"news it rains", b"sports 1:0", b"news it does not"]
    one.say(b"unsub news", b"?")
    assert one.hear().startswith(b"! sub TOPIC")
    two.sock.shutdown(socket.SHUT_WR)
    assert two.hear() == b""
    three.subscribe(b"sports")
    three.say(b"pub news late", b"pub sports 2:0")
    assert three.hear() == b"sports 2:0"
    one.subscribe(b"late")
    one.say(b"pub late the end")
    assert one.hear() == b"late the end"


@pytest.mark.parametrize("slow", ["skip", "close"])
def test_who_does_not_read_holds_nobody_up(serve, connect, slow: str) -> None:
    handler = Broadcast(slow)
    options = {"low_water": 1000, "high_water": 4000, "socket_send_buffer": 16384}
    port = serve(handler, num_event_loops=2, **options).addresses[0].port
    idle, reader, speaker = (connect(port) for _ in range(3))
    idle.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    for client in (idle, reader):
        client.subscribe(b"news")
    for number in range(2000):
        speaker.say(b"pub news %d %s" % (number, b"x" * 1000))
        assert reader.hear().startswith(b"news %d " % number)
    got, missed = 0, 0
    try:
        while got + missed < 2000:
            line = idle.hear()
            if not line:
                break
            missed += int(line.split()[1]) if line.startswith(b"!") else 0
            got += line.startswith(b"news")
    except ConnectionResetError:
        assert slow == "close"
    assert got < 2000
    if slow == "skip":
        assert got + missed == 2000
    else:
        assert missed == 0
    speaker.say(b"pub news still there")
    assert reader.hear() == b"news still there"


def test_a_client_cannot_have_any_number_of_topics(serve, connect) -> None:
    client = connect(serve(Broadcast()).addresses[0].port)
    client.say(*(b"sub %d" % number for number in range(101)))
    assert client.hear() == b"! too many topics"
    client.say(b"unsub 5", b"sub 100", b"pub 100 hello")
    assert client.hear() == b"100 hello"
