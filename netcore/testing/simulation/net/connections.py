"""One end of a TCP connection: bytes that come and go, and how it ends.

What a call gives in each state is that of Linux (net/ipv4/tcp.c): in the order in which tcp_recvmsg and
tcp_sendmsg look at things.
"""

from __future__ import annotations

import errno
import socket

from netcore.testing.simulation.net.bytequeue import ByteQueue
from netcore.testing.simulation.net.endpoint import ERROR_QUEUE, PEEK, Ancillary, Payload, Received, Watched
from netcore.testing.simulation.net.failures import failure, would_block
from netcore.testing.simulation.net.keepalive import KeepAlive
from netcore.testing.simulation.net.links import Path
from netcore.testing.simulation.net.losses import DOWN, note_lost
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.options import StreamOptions
from netcore.testing.simulation.net.segments import HEADER, Segment
from netcore.testing.simulation.net.sending import Sender

__all__ = ["ANSWERING", "ASKING", "CLOSED", "ESTABLISHED", "LISTENING", "Connection"]

CLOSED, LISTENING, ASKING, ANSWERING, ESTABLISHED = range(5)
"""States of a TCP socket. The steps of its end are flags: for the peer's half, and for its own."""


_SEND_BUFFER = 87_040
_RECEIVE_BUFFER = 131_072


class Connection(Watched):
    """What a TCP socket has of a connection, if it has one.

    Args:
        kernel: Of the host that it is on.
        family: AF_INET or AF_INET6.

    Attributes:
        kernel: See above, as for the family.
        kind: SOCK_STREAM.
        proto: IPPROTO_TCP.
        remote: The peer's address and port.
        peer_host: The peer's host; empty for none.
        flow: What the connection is called in the trace.
        line_out: The way to the peer.
        line_in: The way from the peer.
        asker: The peer's keep-alive, which relies on this end.
        user_timeout: TCP_USER_TIMEOUT, in seconds.
    """

    line_out: Path
    line_in: Path

    def __init__(self, kernel: Ground, family: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.family = family
        self.kind: int = int(socket.SOCK_STREAM)
        self.proto: int = int(socket.IPPROTO_TCP)
        self.remote: tuple[str, int] = ("", 0)
        self.peer_host: str = ""
        self.flow: str = ""
        self.user_timeout: float = 0.0
        self._options = StreamOptions(family, _SEND_BUFFER, _RECEIVE_BUFFER)
        self._state = CLOSED
        self._error = 0
        self._read_shut = self._write_shut = False
        self._ended = False  # whether the peer's end of the stream has been received
        self._orphan = False  # whether the program has closed it
        self._queue = ByteQueue()
        self._expected = 0  # the number of the next byte from the peer
        self._edge = 0  # the number up to which the peer was told to send
        self._early: dict[int, Segment] = {}
        self._heard = 0.0
        self._peer: Connection | None = None
        self._sender: Sender | None = None
        self.asker: KeepAlive | None = None

    def join(self, host: str, remote: tuple[str, int], port: int, peer: Connection) -> None:
        """Makes it the end of a connection.

        Args:
            host: The peer's.
            remote: The peer's address and port.
            port: Its own port.
            peer: The other end.
        """
        kernel = self.kernel
        self.peer_host = host
        self.remote = remote
        self.flow = f"{kernel.host}:{port} > {host}:{remote[1]}"
        self.line_out = kernel.links.path(kernel.host, host)
        self.line_in = kernel.links.path(host, kernel.host)
        self._peer = peer
        self._edge = self._options.receive_buffer
        self._heard = kernel.scheduler.now
        self._sender = Sender(self, peer, self._options.send_buffer, peer._options.receive_buffer)

    @property
    def flow_in(self) -> str:
        """What the connection is called by the peer."""
        return self.flow if self._peer is None else self._peer.flow

    # Bytes

    def send(self, data: Payload, flags: int = 0, name: object = None, ancillary: Ancillary = ()) -> int:
        """See ``Endpoint.send``; a name means nothing here."""
        if self._state == ASKING:
            raise would_block()
        if self._error:
            raise failure(self._take_error())
        if self._write_shut or self._sender is None:
            raise failure(errno.EPIPE)
        return self._sender.write(data)

    def receive(self, size: int, flags: int = 0) -> Received:
        """See ``Endpoint.receive``."""
        if flags & ERROR_QUEUE:  # which is empty
            raise would_block()
        if flags & PEEK and self._queue.size:
            return Received(self._queue.peek(size))
        return Received(self.take(size))

    def take(self, size: int) -> bytes:
        """Receives without flags; see ``Stream``."""
        queue = self._queue
        if queue.size:
            data = queue.take(size)
            # A window that is twice as wide as the peer knows is told; see tcp_cleanup_rbuf of Linux.
            capacity = self._options.receive_buffer
            room = capacity - queue.size
            if 2 * (self._edge - self._expected) <= room and 16 * room >= capacity:
                self._widen()
            return data
        if self._ended:
            return b""
        if self._error:
            raise failure(self._take_error())
        if self._read_shut:
            return b""
        if self._state in (CLOSED, LISTENING):
            raise failure(errno.ENOTCONN)
        raise would_block()

    def _widen(self) -> None:
        if self._state == ESTABLISHED and not self._ended:
            self._acknowledge()

    def _take_error(self) -> int:
        code, self._error = self._error, 0
        return code

    def arrive(self, segment: Segment, sender: Sender) -> None:
        """See ``Receiver.arrive``."""
        peer = self._peer
        if peer is None or peer._sender is not sender:
            sender.arrived(segment)
            self._answer_old(sender)
            return
        kernel = self.kernel
        if self.line_in.cut:
            sender.dropped(segment, "partitioned")
            return
        if not kernel.alive and kernel.network.running(kernel.host) is None:
            sender.dropped(segment, DOWN)
            return
        if self._state == ANSWERING and kernel.alive and not self.confirmed():
            sender.dropped(segment, "the backlog is full")
            return
        sender.arrived(segment)
        if self._state != ESTABLISHED or not kernel.alive:
            self._refuse(segment, "the connection is unknown")
            return
        if self._read_shut and self._write_shut and segment.data:  # nobody will read it
            self._refuse(segment, "it is closed")
            self._finish(0 if self._orphan else errno.ECONNRESET)
            self.changed()
            return
        if segment.start != self._expected:
            if segment.start > self._expected:
                self._early[segment.start] = segment
            self._acknowledge()
            return
        self._heard = kernel.scheduler.now
        self._take(segment)
        while self._early:
            following = self._early.pop(self._expected, None)
            if following is None:
                break
            self._take(following)
        self._acknowledge()
        self.changed()

    def confirmed(self) -> bool:
        """Called when a segment comes before the connection stands; returns whether it stands thereby."""
        return False

    def _take(self, segment: Segment) -> None:
        kernel = self.kernel
        data = segment.data
        self._expected = segment.end
        if data:
            kernel.trace.add("deliver", kernel.host, self.peer_host, self.flow, "", len(data), segment.number)
            self._queue.put(data)
            return
        kernel.trace.add("deliver", kernel.host, self.peer_host, self.flow, "fin", 0, segment.number)
        self._ended = self._read_shut = True
        if self._orphan:
            self._released()

    def _acknowledge(self) -> None:
        """Tells the peer what has come, and how much more may come."""
        peer = self._peer
        assert peer is not None
        sender = peer._sender
        if sender is None or peer._peer is not self:  # it has left this connection, and may have another
            return
        expected = self._expected
        edge = expected + self._options.receive_buffer - self._queue.size
        if edge > self._edge:
            self._edge = edge
        when = self.line_out.transmit(HEADER)
        if when is None:
            note_lost(self.kernel, self.line_out, self.flow, "ACK")
        sender.hear(when, expected, self._edge)

    def _answer_old(self, sender: Sender) -> None:
        """What comes of a connection that this end has left by a disconnect is answered by RST."""
        kernel, host = self.kernel, sender.end.kernel.host
        line = kernel.links.path(kernel.host, host)
        number = kernel.trace.add("rst", kernel.host, host, "", "the connection is unknown")
        when = line.transmit(HEADER)
        if when is None:
            note_lost(kernel, line, "", "RST", number)
        else:
            kernel.scheduler.call_at(when, sender.end.was_reset, number, line, sender)

    def probed(self, sender: Sender) -> None:
        """See ``Receiver.probed``."""
        peer = self._peer
        if peer is None or peer._sender is not sender:
            self._answer_old(sender)
        elif self._lives_to_answer("window probe"):
            self._acknowledge()

    def asked(self, answer: KeepAlive) -> None:
        """Tells that the peer's question is there whether this end lives."""
        if self._lives_to_answer("keep-alive"):
            when = self.line_out.transmit(HEADER)
            if when is None:
                note_lost(self.kernel, self.line_out, self.flow, "answer to keep-alive")
            else:
                self.kernel.scheduler.call_at(when, answer.answered, self.line_out)

    def _lives_to_answer(self, question: str) -> bool:
        """Whether it answers a question that has come now; where nobody knows it the answer is RST."""
        kernel = self.kernel
        if self._peer is None:
            return False
        down = not kernel.alive and kernel.network.running(kernel.host) is None
        if down or self.line_in.cut:
            why = "" if self.line_in.cut else DOWN
            note_lost(kernel, self.line_in, self.flow_in, question, -1, why)
            return False
        if kernel.alive and self._state >= ANSWERING:
            return True
        self._send_reset("the connection is unknown")
        return False

    def _refuse(self, segment: Segment, why: str) -> None:
        kernel = self.kernel
        kernel.trace.add("drop", kernel.host, self.peer_host, self.flow, why, 0, segment.number)
        self._send_reset(why)

    # Ends

    def over(self) -> bool:
        """Whether both halves have ended and both sides know."""
        return self._ended and self._write_shut and self.gone()

    def lingering(self) -> float:
        """Seconds that close(2) would wait for the peer at most, as SO_LINGER has it; 0 for not at all."""
        return float(self._options.linger or 0) if self._state == ESTABLISHED and not self.gone() else 0.0

    def gone(self) -> bool:
        """Whether the peer has got everything, the end of the stream too, or nothing is sent any more."""
        sender = self._sender
        return self._state == CLOSED or (self._write_shut and sender is not None and sender.acknowledged())

    def lingered(self) -> bool:
        """Whether close(2) need not wait any more. Until then acknowledgements are events."""
        if self.gone():
            return True
        if self._sender is not None:
            self._sender.expect()
        return False

    def abort(self) -> None:
        """Ends the connection with RST, unless it is over."""
        if self._state >= ANSWERING and not self.over():
            self._send_reset("")
        self._finish(0)

    def vanish(self) -> None:
        """See ``Endpoint.vanish``."""
        self._finish(0)

    forget = vanish

    def _send_reset(self, why: str) -> None:
        kernel = self.kernel
        peer = self._peer
        assert peer is not None
        assert self._sender is not None
        number = kernel.trace.add("rst", kernel.host, self.peer_host, self.flow, why)
        when = self._sender.passes()
        if when is None:
            note_lost(kernel, self.line_out, self.flow, "RST", number)
        if peer._sender is None or peer._peer is not self:
            return
        if when is None:
            peer.missed_reset()
        else:
            kernel.scheduler.call_at(when, peer.was_reset, number, self.line_out, peer._sender)

    def was_reset(self, number: int, line: Path, sender: Sender) -> None:
        """See ``End.was_reset`` of senders; tcp_reset of Linux."""
        kernel = self.kernel
        if self._sender is not sender:
            return
        if line.cut:
            note_lost(kernel, line, self.flow_in, "RST", number)
            self.missed_reset()
            return
        if not kernel.alive and kernel.network.running(kernel.host) is None:
            note_lost(kernel, line, self.flow_in, "RST", number, DOWN)
            return
        if not kernel.alive or self._state < ANSWERING or self.over():
            return
        kernel.trace.add("deliver", kernel.host, self.peer_host, self.flow, "rst", 0, number)
        waits = self._ended and not self._write_shut  # CLOSE_WAIT
        self._finish(errno.EPIPE if waits else errno.ECONNRESET)
        self.changed()

    def missed_reset(self) -> None:
        """Tells that the peer's RST is lost: what it was the answer to is sent again."""
        if self._sender is not None:
            self._sender.hear(None, 0, 0)

    def give_up(self, code: int, cause: int = -1) -> None:
        """See ``Client.give_up``, and ``End.give_up``."""
        kernel = self.kernel
        kind = "refused" if code == errno.ECONNREFUSED else "timeout"
        detail = "unreachable" if code == errno.EHOSTUNREACH else ""
        kernel.trace.add(kind, kernel.host, self.peer_host, self.flow, detail, 0, cause)
        self._finish(code)
        self.changed()

    def _finish(self, code: int) -> None:
        """Makes it a closed one; what has been received can be read still."""
        self._state = CLOSED
        self._error = code
        self._read_shut = self._write_shut = True
        self._early.clear()
        if self._sender is not None:
            self._sender.stop()
        self._released()
        if self.asker is not None:
            self.asker.wake()

    def _released(self) -> None:
        """Called when the connection needs its port no more. Idempotent."""
