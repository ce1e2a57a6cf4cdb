"""How many pollers one connection wakes, of several that watch the same listener."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from netcore.poll import EpollPoller, Interest

POLLERS, CONNECTIONS = 6, 100


class Server:
    """A thread that sleeps in a poller of its own, as another process would, and accepts."""

    def __init__(self, listener, interest, stack):
        self.poller = EpollPoller()
        self.listener = listener
        self.stack = stack
        self.ended = False
        self.poller.register(listener.fileno(), interest)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended:
            for _ in self.poller.wait(None):
                try:
                    sock, _ = self.listener.accept()
                except BlockingIOError:
                    continue
                self.stack.enter_context(sock).sendall(b"x")

    @property
    def sleeps(self):
        """How often the kernel has put it to sleep so far; see "voluntary_ctxt_switches" in proc(5)."""
        status = Path(f"/proc/self/task/{self.thread.native_id}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE)[1])

    def close(self):
        self.ended = True
        self.poller.wake()
        self.thread.join(30)
        self.poller.close()


def sleeps(interest):
    """Counts how often servers went to sleep again, while connections came one after the other."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        servers = [Server(listener, interest, stack) for _ in range(POLLERS)]
        for server in servers:
            stack.callback(server.close)
        before = sum(server.sleeps for server in servers)
        for _ in range(CONNECTIONS):
            peer = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
            assert peer.recv(1) == b"x"
        return sum(server.sleeps for server in servers) - before


@pytest.mark.poller("epoll")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs the proc(5) of Linux")
def test_a_connection_wakes_few():
    """Some time or other: on a busy machine most are not asleep when a connection comes."""
    seen = []
    for _ in range(20):
        few, all_of_them = sleeps(Interest.READ | Interest.EXCLUSIVE), sleeps(Interest.READ)
        if few < all_of_them / 2:
            return
        seen.append((few, all_of_them))
    raise AssertionError(seen)


@pytest.mark.poller("epoll")
def test_who_comes_later_sees_what_is_there():
    """As the successor of a process does that was woken and has died."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.setblocking(False)
        pollers = [EpollPoller() for _ in range(2)]
        for poller in pollers:
            stack.callback(poller.close)
        with socket.create_connection(listener.getsockname()):
            for poller in pollers:
                poller.register(listener.fileno(), Interest.READ | Interest.EXCLUSIVE)
                assert [fd for fd, _ in poller.wait(30)] == [listener.fileno()]
            for poller in pollers:
                poller.modify(listener.fileno(), Interest.READ | Interest.EXCLUSIVE)
                assert [fd for fd, _ in poller.wait(30)] == [listener.fileno()]
                poller.unregister(listener.fileno())
                assert not poller.wait(0)


@pytest.mark.poller("epoll")
def test_a_closed_descriptor_is_not_registered():
    poller = EpollPoller()
    sock = socket.create_server(("127.0.0.1", 0))
    fd = sock.fileno()
    poller.register(fd, Interest.READ | Interest.EXCLUSIVE)
    sock.close()
    with pytest.raises(FileNotFoundError):
        poller.modify(fd, Interest.READ)
    with pytest.raises(FileNotFoundError):
        poller.unregister(fd)
    poller.close()
