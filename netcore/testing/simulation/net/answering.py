"""TCP's handshake as a listener sees it: a connection from the first SYN on until it waits to be accepted."""

from __future__ import annotations

from typing import Protocol

from netcore.testing.simulation.net.links import Path
from netcore.testing.simulation.net.losses import DOWN, note_lost
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.segments import HEADER
from netcore.testing.simulation.scheduler import Planned

__all__ = ["Answering", "Child"]

_ANSWER_AGAIN = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0)
"""The same for the answer to it; at the last the connection is forgotten (tcp_synack_retries)."""


class Asker(Protocol):
    """The client's part of the handshake."""

    @property
    def flow(self) -> str:
        """What the connection is called in the trace."""

    def missed(self) -> None:
        """Called when there will be no answer to its last question."""

    def answered(self, answering: Answering) -> None:
        """Called when the answer is there, or would be if the way was not cut."""


class Child(Protocol):
    """The connection at the listener's side, which nobody has accepted yet.

    Attributes:
        kernel: Where it is.
        line_out: The way to the client.
        flow: What the connection is called in the trace.
        peer_host: The client's host.
        answering: Its part of the handshake.
    """

    kernel: Ground
    line_out: Path
    flow: str
    peer_host: str
    answering: Answering | None

    def awaits(self) -> bool:
        """Whether it still waits for the client's answer."""

    def complete(self, round_trip: float) -> bool:
        """Puts it into the listener's queue; returns False if that is full."""

    def forget(self) -> None:
        """Ends it without a word."""

    def abort(self) -> None:
        """Resets it."""


class Answering:
    """The listener's part: a connection from the SYN on until it waits to be accepted.

    Args:
        child: The connection.
        asking: The client's part.

    Attributes:
        child: See above.
        number: The event that it has answered by.
    """

    __slots__ = ("_answered", "_asking", "_began", "_timer", "_tries", "child", "number")

    def __init__(self, child: Child, asking: Asker) -> None:
        self.child: Child = child
        self.number: int = -1
        self._asking = asking
        self._began = self._answered = child.kernel.scheduler.now
        self._timer: Planned | None = None
        self._tries = 0

    def answer(self, cause: int) -> None:
        """Sends SYN and ACK.

        Args:
            cause: The event whose arrival that answers; -1 for none.
        """
        child = self.child
        kernel = child.kernel
        kind, what = ("accept", "") if self.number < 0 else ("retransmit", "SYN-ACK")
        self.number = kernel.trace.add(kind, kernel.host, child.peer_host, child.flow, what, 0, cause)
        self._answered = kernel.scheduler.now
        when = child.line_out.transmit(HEADER)
        if when is None:
            self.lost()
            self._asking.missed()
            self.missed()
        else:
            kernel.scheduler.call_at(when, self._asking.answered, self)

    def lost(self, why: str = "") -> None:
        """Notes that the answer does not arrive, and why, unless the line says so."""
        child = self.child
        note_lost(child.kernel, child.line_out, child.flow, "SYN-ACK", self.number, why)

    def unanswered(self, line: Path, what: str, why: str = "") -> None:
        """Tells that what the client has sent is lost.

        Args:
            line: On the way from it.
            what: A word for it.
            why: See ``lost``.
        """
        child = self.child
        note_lost(child.kernel, line, self._asking.flow, what, -1, why)
        self.missed()

    def missed(self) -> None:
        """Tells that the client will not answer this time."""
        child = self.child
        if self._timer is not None or not child.awaits() or not child.kernel.alive:
            return
        now = child.kernel.scheduler.now
        while self._tries < len(_ANSWER_AGAIN) - 1 and self._began + _ANSWER_AGAIN[self._tries] < now:
            self._tries += 1
        when = self._began + _ANSWER_AGAIN[self._tries]
        self._timer = child.kernel.scheduler.call_at(when, self._again)

    def _again(self) -> None:
        self._timer = None
        child = self.child
        if not child.kernel.alive or not child.awaits():
            return
        self._tries += 1
        if self._tries == len(_ANSWER_AGAIN):
            child.forget()
        else:
            self.answer(-1)

    def confirmed(self, line: Path) -> None:
        """Tells that the client's answer is there, or would be if the way was not cut."""
        if not self._swallowed(line, "ACK"):
            self.completed()

    def refused(self, line: Path) -> None:
        """Tells that the client's RST is there, or would be if the way was not cut."""
        if not self._swallowed(line, "RST") and self.child.awaits():
            self.child.forget()

    def _swallowed(self, line: Path, what: str) -> bool:
        """Whether something of the client's is lost in the last moment."""
        kernel = self.child.kernel
        if line.cut:
            self.unanswered(line, what)
            return True
        if kernel.network.running(kernel.host) is None:
            self.unanswered(line, what, DOWN)
            return True
        return False

    def completed(self) -> bool:
        """Has the connection wait to be accepted; returns whether it does."""
        child = self.child
        if not child.kernel.alive or not child.awaits():
            return False
        if not child.complete(child.kernel.scheduler.now - self._answered):
            self.missed()
            return False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return True
