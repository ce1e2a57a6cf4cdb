"""Who is let in, who is served, and who has to leave: with real sockets, and a clock that stands still."""

from __future__ import annotations

import errno
import socket
import time

import pytest

pytest.importorskip("h11", reason="h11 is not installed")

from netcore.admin.answers import Answer
from netcore.admin.limits import AdminLimits
from netcore.admin.lobby import Lobby
from netcore.admin.visitor import Doing
from netcore.testing import ManualClock

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Place:
    """A lobby whose rounds a test goes through, and those who come."""

    def __init__(self, limits):
        self.clock = ManualClock()
        self.body = b"hello"
        self.answered = 0
        self.errors = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.lobby = Lobby(self.listener, self.respond, limits, self.clock, self.errors.append)
        self.lobby.wake()  # from now on no round waits
        self.peers = []

    def respond(self, request):
        self.answered += 1
        return Answer(200, self.body)

    def come(self, data=b""):
        """Connects, and is let in."""
        before = self.lobby.visitors
        peer = socket.create_connection(self.listener.getsockname(), timeout=30)
        self.peers.append(peer)
        peer.sendall(data)
        self.until(lambda: set(self.lobby.visitors) - set(before))
        return peer

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it did not come to this"
            self.lobby.round()

    def doing(self):
        return [visitor.doing for visitor in self.lobby.visitors]

    def close(self):
        self.lobby.close()
        self.listener.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def place():
    places = []

    def make(**limits):
        places.append(Place(AdminLimits(**limits)))
        return places[-1]

    yield make
    for each in places:
        each.close()


def is_over(peer):
    """Whether the server has closed, or reset, a connection."""
    try:
        return peer.recv(1 << 20) == b""
    except ConnectionError:
        return True


def test_a_request_is_answered(place):
    p = place()
    peer = p.come(GET)
    p.until(lambda: p.answered)
    assert peer.recv(4096).endswith(b"hello")
    p.until(lambda: p.doing() == [Doing.IDLE])


@pytest.mark.parametrize(
    ("data", "seconds", "doing"),
    [(b"", 60, Doing.IDLE), (GET[:-1], 5, Doing.ASKING), (LAST, 1, Doing.LINGERING)],
)
def test_each_has_its_time(place, data, seconds, doing):
    p = place()
    peer = p.come(data)
    p.until(lambda: p.doing() == [doing])
    p.clock.advance(seconds - 0.01)
    p.lobby.round()
    assert p.doing() == [doing]
    p.clock.advance(0.01)
    p.lobby.round()
    assert p.doing() == []
    while not is_over(peer):
        pass


def test_bytes_now_and_then_win_no_time(place):
    p = place()
    peer = p.come(GET[:1])
    p.until(lambda: p.doing() == [Doing.ASKING])
    for i in range(1, 6):
        p.clock.advance(0.99)
        peer.sendall(GET[i : i + 1])
        for _ in range(3):
            p.lobby.round()
    p.clock.advance(0.1)
    p.lobby.round()
    assert p.doing() == []
    assert p.answered == 0


def test_empty_lines_win_no_time(place):
    p = place()
    peer = p.come()
    for _ in range(60):
        p.clock.advance(1)
        try:
            peer.sendall(b"\r\n")
        except ConnectionError:
            break
        p.lobby.round()
    p.until(lambda: p.doing() == [])


def test_who_does_not_take_an_answer_holds_nobody_up_and_is_given_up(place):
    p = place()
    p.body = bytes(32 << 20)
    p.come(GET)
    p.until(lambda: p.doing() == [Doing.TAKING])
    p.body = b"hello"
    other = p.come(GET)
    p.until(lambda: p.answered == 2)
    assert other.recv(4096).endswith(b"hello")
    p.clock.advance(15)
    p.lobby.round()
    assert p.doing() == [Doing.IDLE]


def test_a_large_answer_arrives_whole(place):
    p = place()
    p.body = bytes(range(256)) * 40_000
    peer = p.come(LAST)
    peer.setblocking(False)
    got = bytearray()

    def take():
        try:
            got.extend(peer.recv(1 << 20))
        except BlockingIOError:
            return False
        return got.endswith(p.body)

    p.until(take)


def test_one_answer_at_a_time_for_each(place):
    p = place()
    first, second = p.come(), p.come()
    first.sendall(GET * 10)
    p.until(lambda: p.answered == 1)
    second.sendall(GET)
    p.lobby.round()
    assert p.answered <= 3
    p.until(lambda: p.answered == 11)
    p.until(lambda: p.doing() == [Doing.IDLE] * 2)


def test_what_is_sent_ahead_is_left_in_the_kernel_while_an_answer_is_not_taken(place):
    p = place()
    p.body = bytes(32 << 20)
    peer = p.come(GET)
    p.until(lambda: p.doing() == [Doing.TAKING])
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        for _ in range(1000):
            peer.send(GET * 1000)
            p.lobby.round()
    assert p.answered == 1


def test_who_is_idle_for_longest_gives_way(place):
    p = place(connections=3)
    peers = []
    for _ in range(3):
        peers.append(p.come())
        p.clock.advance(1)
    peers[0].sendall(GET[:5])
    p.until(lambda: Doing.ASKING in p.doing())
    new = p.come(GET)
    p.until(lambda: p.answered == 1)
    assert new.recv(4096).endswith(b"hello")
    assert is_over(peers[1])
    assert len(p.lobby.visitors) == 3


def test_who_is_being_answered_gives_way_last(place):
    p = place(connections=2)
    p.body = bytes(32 << 20)
    p.come(GET)
    p.until(lambda: p.doing() == [Doing.TAKING])
    for _ in range(5):
        p.come()
    assert sorted(each.value for each in p.doing()) == [Doing.IDLE.value, Doing.TAKING.value]


def test_a_flood_keeps_to_the_limit_and_nobody_from_an_answer(place):
    p = place(connections=4)
    for _ in range(40):
        p.come()
        assert len(p.lobby.visitors) <= 4
    peer = p.come(GET)
    p.until(lambda: p.answered == 1)
    assert peer.recv(4096).endswith(b"hello")


def test_who_sends_on_after_the_last_answer_is_read_for_a_while_only(place):
    p = place()
    peer = p.come(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
    p.until(lambda: p.doing() == [Doing.LINGERING])
    peer.settimeout(0)
    sent = 0
    while sent < 64 << 20 and p.lobby.visitors:
        try:
            sent += peer.send(bytes(65536))
        except BlockingIOError:
            pass
        except ConnectionError:
            break
        p.lobby.round()
    p.until(lambda: p.doing() == [])
    assert sent < 64 << 20


@pytest.mark.parametrize("data", [b"", GET[:9], GET, LAST])
def test_who_resets_is_gone(place, data):
    p = place()
    peer = p.come(data)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    p.until(lambda: p.doing() == [])


def test_who_says_that_nothing_follows_is_answered(place):
    p = place()
    peer = p.come()
    peer.sendall(GET + GET)
    peer.shutdown(socket.SHUT_WR)
    p.until(lambda: p.answered == 2)
    p.until(lambda: p.doing() == [Doing.LINGERING] or not p.doing())
    assert peer.recv(65536).count(b"hello") == 2


def test_without_descriptors_it_waits_and_goes_on(place, monkeypatch):
    p = place()
    idle = p.come()
    failing = [True]

    class Listener:
        def __init__(self, sock):
            self._sock = sock

        def accept(self):
            if failing:
                raise OSError(errno.EMFILE, "Too many open files")
            return self._sock.accept()

        def fileno(self):
            return self._sock.fileno()

    p.lobby._selector.unregister(p.listener)
    p.lobby._listener = Listener(p.listener)
    p.lobby._selector.register(p.lobby._listener, 1)
    with socket.create_connection(p.listener.getsockname(), timeout=30) as peer:
        peer.sendall(GET)
        p.until(lambda: p.errors)
        for _ in range(10):
            p.lobby.round()
        assert len(p.errors) == 1, "it tries again and again"
        idle.sendall(GET)
        p.until(lambda: p.answered == 1)
        failing.clear()
        p.clock.advance(1)
        p.until(lambda: p.answered == 2)


def test_a_lobby_that_closes_leaves_nothing_open(place, open_descriptors):
    p = place()
    p.close()
    before = open_descriptors()
    q = Place(AdminLimits())
    q.come(GET)
    q.close()
    assert open_descriptors() == before
