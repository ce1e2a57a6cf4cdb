"""What can happen in a simulated world, and how one such event is written down."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FAULTS", "KINDS", "Event"]

KINDS = {
    "connect": "a stream asks for a connection",
    "accept": "the question arrives at a listener; or the answer, at who has asked",
    "send": "bytes of a stream leave",
    "deliver": "bytes of a stream arrive",
    "fin": "one direction of a stream ends, or its end arrives",
    "rst": "a stream is broken off, or that arrives",
    "refused": "nobody listens there, or no host has that address",
    "retransmit": "what was lost leaves once more",
    "timeout": "one side has waited too long",
    "datagram": "a datagram leaves",
    "arrive": "a datagram arrives",
    "drop": "what was under way is lost: the event that sent it is the cause; an ACK has none",
    "open": "a handler is told of a connection",
    "traffic": "a handler is told of bytes",
    "close": "a handler is told of a connection's end",
    "job": "a job of a worker pool runs",
    "task": "a task runs",
    "crash": "a host stops, and all that it had in memory is gone",
    "restart": "a host that has crashed begins anew",
    "partition": "nothing passes between host and peer any more; 'one way': not from host to peer",
    "heal": "what the partition of the same host and peer has cut passes again",
    "link": "latency, bandwidth or loss between two hosts changes",
    "jump": "a host's clock jumps",
    "fault": "a system call is made to fail",
    "error": "a callback, job or task has raised",
    "note": "what a program has to say",
}
"""The kinds of events that netcore notes, and what they say. A program may note others."""

FAULTS = frozenset(
    ("rst", "refused", "timeout", "drop", "crash", "restart", "partition", "fault", "error", "jump")
)
"""The kinds that tell of trouble."""


class Event(NamedTuple):
    """One thing that has happened.

    Attributes:
        number: From 0 on, in the order in which things have happened.
        time: Virtual seconds.
        kind: A word: connect, accept, send, deliver, fin, rst, refused, retransmit, timeout, datagram, arrive
            or drop of the net; open, traffic, close, job or task of a host's code; crash, restart, partition,
            heal, link, jump or fault of fate; error; note, or another one, of a program.
        host: Where it has happened; empty for what happens to the world.
        peer: The other host; empty for none.
        flow: The connection, such as "client:49152 > server:7000"; empty for none.
        detail: What else there is to say: free text, the same each time that the seed is.
        size: Bytes of payload.
        cause: The number of the event whose arrival, or loss, this is: a "deliver" names its "send". -1 for
            none.
    """

    number: int
    time: float
    kind: str
    host: str = ""
    peer: str = ""
    flow: str = ""
    detail: str = ""
    size: int = 0
    cause: int = -1
