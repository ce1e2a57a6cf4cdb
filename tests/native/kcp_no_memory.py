"""Has each allocation of a KCP session fail, one after the other: nothing but datagrams is lost by it.

What is sent, put in and taken out is so whole or not at all; a flush that fails has lost what it had to send,
as the line may.
"""

from __future__ import annotations

import _testcapi

from netcore.kcp import KcpOptions
from netcore.kcp.halves import Kcp

MOST = 60
NEVER = 1 << 30


class Pair:
    """Two ends whose allocation of a number fails; see `main`."""

    def __init__(self, at, stream):
        options = KcpOptions(mtu=100, stream=stream, dead_link=10_000)
        self.lines = [[], []]
        self.ends = [
            Kcp(7, self.lines[0].append, options, unproven=False),
            Kcp(7, self.lines[1].append, options, unproven=True),
        ]
        self.at = at
        self.failed = 0
        self.now = 0.0

    def attempt(self, use, *args):
        """Does something, during which the allocation of the number may fail. Returns whether it has not."""
        _testcapi.set_nomemory(self.at, self.at + 1)
        try:
            result = use(*args)
        except MemoryError:
            self.failed += 1
            return None
        finally:
            _testcapi.remove_mem_hooks()
        return (result,)

    def do(self, use, *args):
        """Does something that may fail first."""
        done = self.attempt(use, *args)
        return done[0] if done is not None else use(*args)

    def turn(self, got):
        for end, line, index in zip(self.ends, reversed(self.lines), (0, 1), strict=True):
            datagrams = line[:]
            line.clear()
            for datagram in datagrams:
                self.do(end.input, datagram, self.now)
            got[index] += self.do(end.drain)
            self.attempt(end.flush, self.now)
        self.now += 0.05


def main():
    failed = 0
    for stream in (True, False):
        for at in range(1, MOST):
            pair = Pair(at, stream)
            got = [b"", b""]
            expected = [b"", b""]
            for i in range(8):
                for index, end in enumerate(pair.ends):
                    data = b"%d" % i * 150
                    before = end.held
                    if pair.attempt(end.send, data) is None:
                        assert end.held == before, (at, i)
                        end.send(data)
                    expected[1 - index] += data
                pair.turn(got)
            failed += pair.failed
            pair.at = NEVER
            for _ in range(400):
                if got == expected:
                    break
                pair.turn(got)
            assert got == expected, (at, stream)
    assert failed > 50, failed


if __name__ == "__main__":
    main()
    print("alive")
