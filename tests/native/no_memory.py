"""Has each allocation in the middle of a turn fail, one after the other: ``no_memory.py EDGE_CHUNK SIZE``.

Two connections are answered in the same turn. Whichever allocation fails, at most one of them may end, for
that reason, and the other gets its answer.
"""

from __future__ import annotations

import _testcapi
import socket
import sys

from netcore import EventHandler
from netcore.connection import Limits
from netcore.eventloop import Loop, Shared
from netcore.poll import open_poller
from netcore.sockets import NativeSockets

MOST = 80


class Echo(EventHandler):
    def __init__(self):
        self.ended = {}

    def on_traffic(self, conn):
        conn.write(conn.read())

    def on_close(self, conn, error):
        self.ended.setdefault(conn.context, error)

    def on_error(self, conn, error):
        self.ended[conn.context] = error  # of the callback itself
        conn.abort()


class Site:
    """A loop with two connections."""

    def __init__(self, edge_chunk):
        self.handler = Echo()
        poller = open_poller()
        shared = Shared(self.handler, Limits(edge_chunk=edge_chunk))
        self.loop = Loop(0, shared, poller, NativeSockets())
        assert type(self.loop.outbox).__name__ == "HotOutbox"
        self.loop.claim()
        self.peers = []
        for i in range(2):
            here, there = socket.socketpair()
            here.setblocking(False)
            there.settimeout(10)
            self.loop.enroll(here, i)
            self.peers.append(there)
        self.turns(3)

    def turns(self, count):
        for _ in range(count):
            self.loop.execute(int)
            self.loop.turn(0.0)

    def failing_turn(self, at):
        """Runs the middle of a turn; the allocation of this number fails. Returns whether there was one."""
        intake, outbox = self.loop._intake, self.loop.outbox
        assert intake.wait(1.0) == 2
        serve, flush = intake.serve, outbox.flush
        arm, disarm = _testcapi.set_nomemory, _testcapi.remove_mem_hooks
        failed = False
        arm(at, at + 1)
        try:
            serve()
        except MemoryError:
            failed = True
        try:
            flush()
        except MemoryError:
            failed = True
        disarm()
        if failed:
            intake.look_everywhere()
        self.turns(6)
        return failed

    def answers(self, size):
        """What each peer gets; None for one whose connection has ended."""
        found = []
        for i, peer in enumerate(self.peers):
            data = b""
            while len(data) < size and i not in self.handler.ended:
                self.turns(1)
                data += peer.recv(size)
            found.append(None if i in self.handler.ended else data)
        return found

    def close(self):
        self.loop.close()
        for peer in self.peers:
            peer.close()


def main(edge_chunk, size):
    hurt = whole = 0
    for at in range(1, MOST):
        site = Site(edge_chunk)
        for peer in site.peers:
            peer.sendall(b"x" * size)
        site.failing_turn(at)
        answers = site.answers(size)
        ended = list(site.handler.ended.values())
        assert len(ended) <= 1, (at, ended)
        assert all(isinstance(error, MemoryError) for error in ended), (at, ended)
        assert all(answer in (None, b"x" * size) for answer in answers), (
            at,
            [len(a or b"") for a in answers],
        )
        hurt += len(ended)
        whole += not ended
        site.close()
    assert hurt
    assert whole


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    print("alive")
