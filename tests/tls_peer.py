"""A client in memory, that speaks TLS with a loop on fakes."""

from __future__ import annotations


class Peer:
    """One end of a fake socket.

    Args:
        w: The world of the loop.
        filter_: The client's side.
        fd: The loop's descriptor.
    """

    def __init__(self, w, filter_, fd):
        self.w = w
        self.filter = filter_
        self.fd = fd
        self.seen = 0
        self.got = b""

    def news(self):
        """What the loop has sent since it was asked last."""
        sent = bytes(self.w.sockets.sent[self.fd])[self.seen :]
        self.seen += len(sent)
        return sent

    def pump(self, step=0):
        """Talks with the loop until both are silent."""
        for _ in range(20):
            out = self.filter.output()
            for at in range(0, len(out), step or len(out) or 1):
                self.w.sockets.feed(self.fd, out[at : at + step] if step else out)
                self.w.turns(2)
            self.w.turns(2)
            answer = self.news()
            if answer and not self.filter.ended and self.filter.failure is None:
                with memoryview(answer) as view:
                    self.got += self.filter.feed(view)
            if not out and not answer:
                return

    def say(self, data, step=0):
        """Sends bytes, and takes what comes of it."""
        self.filter.wrap([data])
        self.pump(step)
