"""The middle of a turn: what is ready is received, in batches, and handed to the handler."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING

from netcore.connection import deliver, deliver_one
from netcore.eventloop.hosting import Hosting
from netcore.eventloop.shared import Shared
from netcore.eventloop.watcher import Watcher
from netcore.poll import Poller, Readiness
from netcore.sockets import Sockets, receive_one_of

if TYPE_CHECKING:
    from netcore.connection import StreamConnection

__all__ = ["Serving"]

_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_INTERRUPTED = -errno.EINTR
_TROUBLE = int(Readiness.HANGUP | Readiness.ERROR)
_SENDABLE = int(Readiness.WRITABLE | Readiness.HANGUP | Readiness.ERROR)


class Serving(Hosting):
    """Serves the connections that a loop hosts, and tells watchers of other descriptors."""

    def __init__(self, shared: Shared, poller: Poller, sockets: Sockets) -> None:
        super().__init__(shared, poller, sockets)
        self._receive_one = receive_one_of(sockets)
        self._watchers: dict[int, Watcher] = {}

    def attend(self, fd: int, watcher: Watcher, interest: int) -> None:
        """Tells a watcher when a descriptor is ready. The loop's thread; OSError if the poller refuses."""
        self.poller.register(fd, interest)
        self._watchers[fd] = watcher

    def neglect(self, fd: int) -> None:
        """Ends what ``attend`` began; nothing happens if it did not. The loop's thread."""
        if self._watchers.pop(fd, None) is not None:
            with suppress(OSError):  # the system may have forgotten it already
                self.poller.unregister(fd)

    def serve(self, fds: list[int], readiness: list[int] | None) -> None:
        """Deals with what a wait has found, and with what an earlier turn has left. The loop's thread.

        Args:
            fds: What is ready.
            readiness: What each is ready for; None if all are readable, and only that.
        """
        if readiness is None and not self._again and not self.limits.edge_chunk:
            # Nearly every turn of a busy server. What does not receive is not watched for reading either, so
            # nothing else has to be asked.
            if len(fds) == 1:  # each step costs as much as a whole message does in a batch
                only = self._by_fd.get(fds[0])
                if only is not None:
                    if self._arena_lent:
                        self.replace_lent_arena()
                    n = self._receive_one(fds[0])
                    counters = self.counters
                    counters.bytes_received += n
                    counters.messages += 1
                    deliver_one(self._as_host, only, n)
                    return
            try:  # found at the speed of C
                conns = list(map(self._by_fd.__getitem__, fds))
            except KeyError:
                pass  # a listener, or another descriptor that is watched
            else:
                self._receive(conns, fds)
                return
        self._serve_mixed(list(zip(fds, readiness or repeat(_READABLE), strict=False)))

    def _serve_mixed(self, events: Sequence[tuple[int, int]]) -> None:
        """Tells apart connections, listeners and other descriptors, and what each is ready for."""
        conns: list[StreamConnection] = []
        fds: list[int] = []
        watched = False
        if self._again:
            self._take_again(conns, fds)
        connection_at = self._by_fd.get
        for fd, readiness in events:
            conn = connection_at(fd)
            if conn is None:
                watched = watched or fd in self._watchers
                continue
            if readiness != _READABLE:
                if readiness & _SENDABLE:
                    conn.refill()
                    if readiness & _TROUBLE:
                        conn.troubled(readiness)
                if not readiness & ~_WRITABLE:
                    continue
            if conn.receiving:
                conns.append(conn)
                fds.append(fd)
        if self.limits.edge_chunk:
            self._drain(dict.fromkeys(conns, self.limits.edge_chunk))
        elif fds:
            self._receive(conns, fds)
        if watched:
            self._tell_watchers(events)

    def _receive(self, conns: list[StreamConnection], fds: list[int]) -> None:
        """Receives once from each connection and hands it over, a batch as large as the arena at a time."""
        while True:
            if self._arena_lent:
                self.replace_lent_arena()
            results = self.sockets.receive(fds)
            self.counters.received(results)
            deliver(self._as_host, conns, results)
            if len(results) == len(fds):
                return
            self.flush()  # it may hold views of the arena, which the next batch overwrites
            fds = fds[len(results) :]
            conns = conns[len(results) :]

    def _drain(self, left: dict[StreamConnection, int]) -> None:
        """Receives until there is nothing more, as edge-triggered readiness demands, or the chunk is full.

        Args:
            left: For each connection the bytes it may still bring in this turn. The others come first
                after that: it goes on in the next turn.
        """
        while left:
            conns = list(left)
            if self._arena_lent:
                self.replace_lent_arena()
            results = self.sockets.receive([conn.fd for conn in conns])
            self.counters.received(results)
            deliver(self._as_host, conns, results)
            self.flush()
            for conn, n in zip(conns, results, strict=False):
                if n == _INTERRUPTED:  # the edge is spent, and the bytes are still there
                    continue
                left[conn] -= n
                if n > 0 and left[conn] <= 0 and conn.receiving:
                    self.receive_again(conn)
                if n <= 0 or left[conn] <= 0 or not conn.receiving:
                    del left[conn]

    def _tell_watchers(self, events: Sequence[tuple[int, int]]) -> None:
        """Makes new connections, after those already here have been served."""
        for fd, readiness in events:
            watcher = self._watchers.get(fd)
            if watcher is not None:
                watcher.ready(readiness)

    def _take_again(self, conns: list[StreamConnection], fds: list[int]) -> None:
        again, self._again = self._again, {}
        for waiting in again:
            conn = self._by_fd.get(waiting.fd)
            if conn is waiting and conn.receiving:
                conns.append(conn)
                fds.append(conn.fd)
                self.settle_later(conn)  # which asks again, unless this was the end
