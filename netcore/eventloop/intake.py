"""The middle of a turn: what is ready is received, in batches, and handed to the handler."""

from __future__ import annotations

import errno
from collections.abc import Sequence, Sized
from itertools import islice, repeat

from netcore.connection import BaseStream, deliver, deliver_one
from netcore.eventloop.connections import Streams
from netcore.eventloop.site import Site
from netcore.handler import Conn
from netcore.poll import Columns, Readiness, columns_of
from netcore.sockets import receive_one_of

__all__ = ["Intake"]

_AGAIN = 256
"""Connections of an earlier turn that are received from in one; as many as a wait finds ready at most."""

_CALLBACKS = 1024
"""Calls of the handler in the rounds of one turn, edge-triggered, since bytes may come singly."""

_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_INTERRUPTED = -errno.EINTR
_TROUBLE = int(Readiness.HANGUP | Readiness.ERROR)
_SENDABLE = int(Readiness.WRITABLE | Readiness.HANGUP | Readiness.ERROR)


class Intake:
    """Serves the streams that a loop hosts, and tells the watchers of other descriptors. The loop's thread.

    Args:
        site: The loop.
        streams: Its streams by descriptor; looked at only.
        planned: What is planned on the loop; while it is empty there are no deadlines.

    Attributes:
        again: Connections to receive from in the next turn without waiting for readiness.
    """

    def __init__(self, site: Site, streams: Streams, planned: Sequence[object] = ()) -> None:
        self._site = site
        self._streams = streams
        self._planned = planned
        self._inbox = site.inbox
        self._counters = site.counters
        self._edge_chunk = site.limits.edge_chunk
        self._receive_one = receive_one_of(site.sockets)
        self._receive_batch = site.sockets.receive
        self._look = columns_of(site.poller)
        self._found: Columns = [], None
        self.again: dict[Conn, None] = {}

    def wait(self, timeout: float | None) -> int:
        """Waits until something is ready; see ``Poller.wait``.

        Returns:
            How much is, for ``serve`` to deal with.
        """
        self._found = self._look(timeout)
        return len(self._found[0])

    def attend(self, turn: object, aftermath: object, pending: Sized) -> None:
        """Says who is asked whether there is something to do besides messages.

        Args:
            turn: That of the loop, of which ``sleep`` is set.
            aftermath: Of which ``unsettled`` is looked at.
            pending: The tasks.
        """

    def turns(self, timeout: float | None) -> int:
        """Does what ``wait`` does, and may take whole turns as long as messages are all there is to do.

        Returns:
            What ``wait`` returns, or -1 if what was found is served, and the turn is to be ended.
        """
        return self.wait(timeout)

    def serve(self) -> None:
        """Deals with what the last wait has found, and with what an earlier turn has left."""
        (fds, readiness), self._found = self._found, ([], None)
        if readiness is None and not self.again and not self._edge_chunk:
            # Nearly every turn of a busy server. What does not receive is not watched for reading either, so
            # nothing else has to be asked.
            if len(fds) == 1:  # each step costs as much as a whole message does in a batch
                only = self._streams.get(fds[0])
                if only is not None:
                    if self._inbox.lent:
                        self._inbox.renew()
                    try:
                        n = self._receive_one(fds[0])
                    except BaseException as error:
                        self._site.charge(only, error)
                        return
                    if n > 0:
                        counters = self._counters
                        counters.bytes_received += n
                        counters.messages += 1
                    deliver_one(self._site, only, n)
                    return
            try:  # found at the speed of C
                conns = list(map(self._streams.__getitem__, fds))
            except KeyError:
                pass  # a listener, or another descriptor that is watched
            else:
                self._receive(conns, fds)
                return
        events = list(zip(fds, readiness or repeat(_READABLE), strict=False))
        self._serve_mixed(events, self._take_again() if self.again else [])

    def forget(self) -> None:
        """Forgets what is ready, in a forked child."""
        self._found = [], None
        self.again.clear()

    def look_everywhere(self) -> None:
        """Has all that is watched looked at in the next turn: edges may have been lost in this one."""
        if self._edge_chunk:
            self.again.update(dict.fromkeys(self._streams.values()))
            self._site.post(self._offer_everywhere)

    def _offer_everywhere(self) -> None:
        """Does what ``again`` does not: sends what has waited, and tells the watchers."""
        for conn in list(self._streams.values()):
            try:
                conn.refill()
            except BaseException as error:
                self._site.charge(conn, error)
        self._site.watchers.tell_all(_READABLE | _WRITABLE)

    def _serve_mixed(self, events: Sequence[tuple[int, int]], conns: list[BaseStream]) -> None:
        """Tells apart connections, listeners and other descriptors, and what each is ready for.

        Args:
            events: What is ready, and for what.
            conns: To be received from besides.
        """
        fds = [conn.fd for conn in conns]
        watchers = self._site.watchers
        watched = False
        stream_at = self._streams.get
        rest = iter(events)
        conn: BaseStream | None = None
        while True:
            try:
                for fd, readiness in rest:
                    conn = stream_at(fd)
                    if conn is None:
                        watched = watched or fd in watchers
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
                break
            except BaseException as error:
                self._site.charge(conn, error)
        if self._edge_chunk:
            self._drain(dict.fromkeys(conns, self._edge_chunk))
        elif fds:
            self._receive(conns, fds)
        if watched:  # new connections come after those already here
            watchers.tell(events)

    def _receive(self, conns: list[BaseStream], fds: list[int]) -> None:
        """Receives once from each connection and hands it over, a batch as large as the arena at a time."""
        while True:
            if self._inbox.lent:
                self._inbox.renew()
            try:
                results = self._receive_batch(fds)
            except BaseException as error:
                self._receive_singly(conns, error)
                return
            self._counters.received(results)
            deliver(self._site, conns, results)
            if len(results) == len(fds):
                return
            self._site.outbox.flush_early()  # it may hold views of the arena, which the next batch overwrites
            if self._planned:
                self._site.now()  # the callbacks of the last batch may have taken long
            fds = fds[len(results) :]
            conns = conns[len(results) :]

    def _receive_singly(self, conns: list[BaseStream], cause: BaseException) -> list[int]:
        """Does one by one what the sockets have failed to do as a batch, of which they have received nothing.

        Returns:
            What each receive has returned; 0 where it has failed once more.
        """
        if not isinstance(cause, Exception):
            self._site.charge(None, cause)
        results = []
        for conn in conns:
            self._site.outbox.flush_early()
            results.append(self._receive_alone(conn) if conn.receiving else 0)
        return results

    def receive_now(self, fd: int) -> None:
        """See ``Host.receive_now``."""
        conn = self._streams.get(fd)
        if conn is None:
            return
        self._site.outbox.flush_early()  # it may hold views of the arena
        n = self._receive_alone(conn)
        if n > 0 and self._edge_chunk and conn.receiving:
            self.again[conn] = None

    def _receive_alone(self, conn: BaseStream) -> int:
        """Receives once from one connection and hands it over; see ``_receive_singly``."""
        if self._inbox.lent:
            self._inbox.renew()
        try:
            n = self._receive_one(conn.fd)
        except BaseException as error:
            self._site.charge(conn, error)
            return 0
        if n > 0:
            counters = self._counters
            counters.bytes_received += n
            counters.messages += 1
        deliver_one(self._site, conn, n)
        return n

    def _drain(self, left: dict[BaseStream, int]) -> None:
        """Receives until there is nothing more, as edge-triggered readiness demands, or the turn is full.

        Args:
            left: For each connection the bytes it may still bring in this turn. The others come first
                after that: it goes on in the next turn.
        """
        callbacks = _CALLBACKS
        while left:
            conns = list(left)
            if callbacks <= 0:
                self.again.update(dict.fromkeys(conn for conn in conns if conn.receiving))
                return
            if callbacks < _CALLBACKS:  # which have written, and may have taken long
                self._site.outbox.flush_early()
                if self._planned:
                    self._site.now()
            if self._inbox.lent:
                self._inbox.renew()
            try:
                results = self._receive_batch([conn.fd for conn in conns])
            except BaseException as error:
                results = self._receive_singly(conns, error)
            else:
                self._counters.received(results)
                deliver(self._site, conns, results)
            callbacks -= len(results)
            for conn, n in zip(conns, results, strict=False):
                if n == _INTERRUPTED:  # the edge is spent, and the bytes are still there
                    continue
                left[conn] -= n
                if n > 0 and left[conn] <= 0 and conn.receiving:
                    self.again[conn] = None
                if n <= 0 or left[conn] <= 0 or not conn.receiving:
                    del left[conn]

    def _take_again(self) -> list[BaseStream]:
        """Takes connections of an earlier turn that are to be received from in this one."""
        conns: list[BaseStream] = []
        again = self.again
        for waiting in list(islice(again, _AGAIN)):
            del again[waiting]
            conn = self._streams.get(waiting.fd)
            if conn is waiting and conn.receiving:
                conns.append(conn)
                self._site.settle_later(conn)  # which asks again, unless this was the end
        return conns
