"""Has each allocation of an asyncio iteration fail, one after the other: ``aio_no_memory.py SIZE``.

Two transports are answered in the same iteration. Whichever allocation fails, the loop goes on, and whoever
does not end gets all of his answer.
"""

from __future__ import annotations

import _testcapi
import asyncio
import socket
import sys
import threading

from netcore.aio import EventLoop

MOST = 120


class Echo(asyncio.Protocol):
    def __init__(self):
        self.ended = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def connection_lost(self, error):
        self.ended = True


class Site:
    """A loop with two transports."""

    def __init__(self):
        self.loop = EventLoop()
        self.loop.set_exception_handler(lambda loop, context: None)
        assert type(self.loop._batch).__module__.endswith("_hot")
        self.ends = []
        for _ in range(2):
            here, there = socket.socketpair()
            here.setblocking(False)
            there.settimeout(10)
            protocol = Echo()
            self.loop._make_socket_transport(here, protocol)
            self.ends.append((protocol, there))
        self.turns(3)

    def turns(self, count):
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def fail_at(self, n):
        """Has the allocation with this number fail in the next iteration."""
        self.loop.call_soon(int)
        self.loop.call_later(0, int)
        self.loop._batch.thread = threading.get_ident()
        _testcapi.set_nomemory(n, n + 1)
        try:
            self.loop._run_once()
        finally:
            _testcapi.remove_mem_hooks()
        self.loop._batch.flush()
        self.loop._batch.thread = 0

    def receive(self, protocol, there, size):
        """Receives the answer; returns None if the transport has ended before."""
        there.setblocking(False)
        got = b""
        while len(got) < size and not protocol.ended:
            self.turns(1)
            try:
                got += there.recv(1 << 16)
            except BlockingIOError:
                pass
        return None if protocol.ended else got

    def close(self):
        for protocol, there in self.ends:
            protocol.transport.abort()
            there.close()
        self.turns(2)
        self.loop.close()


def main(size):
    ended = 0
    for n in range(MOST):
        site = Site()
        for _, there in site.ends:
            there.sendall(b"A" * size)
        site.fail_at(n)
        answers = [site.receive(*end, size) for end in site.ends]
        assert answers.count(None) < 2, n
        assert all(answer in (None, b"A" * size) for answer in answers), n
        ended += answers.count(None)
        site.close()
    assert ended, "no allocation has failed where it matters"
    print("alive")


main(int(sys.argv[1]))
