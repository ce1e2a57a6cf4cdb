"""TCP's handshake as a client sees it, which asks, and asks again.

As with data, timers run only where something was lost or nobody answers. Each side tells the other when what
it has sent is lost, which real ones find out by their timers at the same moment.
"""

from __future__ import annotations

import errno
from typing import Protocol

from netcore.testing.simulation.net.answering import Answering, Child
from netcore.testing.simulation.net.links import Path
from netcore.testing.simulation.net.losses import DOWN, note_lost
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.segments import HEADER
from netcore.testing.simulation.scheduler import Planned

__all__ = ["Asking"]

_AGAIN = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0)
"""Seconds after the first SYN at which it is sent again; at the last ETIMEDOUT (tcp_syn_retries)."""

_UNREACHABLE = 3.0
"""Seconds until a machine of the same net that does not answer is unreachable: three questions by ARP."""


class Client(Protocol):
    """Who connects.

    Attributes:
        kernel: Where it is.
        flow: What the connection is called in the trace.
        peer_host: The other host; empty if the address is nobody's.
        remote: Where to.
        user_timeout: Seconds that it waits at most; 0 for as long as TCP tries.
        line_out: The way to the peer.
    """

    kernel: Ground
    flow: str
    peer_host: str
    remote: tuple[str, int]
    user_timeout: float
    line_out: Path

    def grow(self, kernel: Ground) -> tuple[Child | None, str]:
        """Finds a listener of a kernel and has the connection begin there; None and why not."""

    def established(self, child: Child, round_trip: float, cause: int) -> float | None:
        """Called when the connection stands; returns when the answer to that arrives, None if it is lost."""

    def confirm(self) -> float | None:
        """Says so once more; returns the same."""

    def give_up(self, code: int, cause: int = -1) -> None:
        """Called when it has failed."""

    def connecting(self) -> bool:
        """Whether it still waits."""

    def connected_to(self, child: Child) -> bool:
        """Whether it stands, with this one at the other side."""


class Asking:
    """The client's part: from the first SYN on.

    Args:
        client: Who connects.
    """

    __slots__ = ("_asked", "_began", "_child", "_client", "_number", "_over", "_timer", "_tries")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._child: Child | None = None
        self._timer: Planned | None = None
        self._tries = 0
        self._began = self._asked = client.kernel.scheduler.now
        self._number = -1
        self._over = False

    def begin(self) -> None:
        """Asks for the first time."""
        client = self._client
        kernel = client.kernel
        self._number = kernel.trace.add("connect", kernel.host, client.peer_host, client.flow)
        if client.peer_host:
            self._ask()
        else:
            kernel.scheduler.call_later(_UNREACHABLE, self._unreachable)

    def waits(self) -> str:
        """Says how often it has asked, and when it does again."""
        again = "" if self._timer is None else f", the next goes at {self._timer.when:.6f} s"
        return f"no answer to SYN number {self._tries + 1}{again}"

    @property
    def flow(self) -> str:
        """What the connection is called."""
        return self._client.flow

    def stop(self) -> None:
        """Asks no more, and takes no answer."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _unreachable(self) -> None:
        if self._waits():
            self._client.give_up(errno.EHOSTUNREACH)

    def _waits(self) -> bool:
        client = self._client
        return not self._over and client.kernel.alive and client.connecting()

    def _ask(self) -> None:
        kernel = self._client.kernel
        self._asked = kernel.scheduler.now
        when = self._client.line_out.transmit(HEADER)
        if when is None:
            self._dropped()
        else:
            kernel.scheduler.call_at(when, self._arrives)

    def _dropped(self, why: str = "") -> None:
        client = self._client
        note_lost(client.kernel, client.line_out, client.flow, "SYN", self._number, why)
        self.missed()

    def missed(self) -> None:
        """Tells that there will be no answer to the last question."""
        client = self._client
        if self._timer is not None or not self._waits():
            return
        now = client.kernel.scheduler.now
        while self._tries < len(_AGAIN) - 1 and self._began + _AGAIN[self._tries] < now:
            self._tries += 1
        when = self._began + _AGAIN[self._tries]
        if client.user_timeout:
            when = min(when, self._began + client.user_timeout)
        self._timer = client.kernel.scheduler.call_at(when, self._again)

    def _again(self) -> None:
        self._timer = None
        client = self._client
        kernel = client.kernel
        if not self._waits():
            return
        self._tries += 1
        limit = client.user_timeout
        if self._tries == len(_AGAIN) or (limit and kernel.scheduler.now >= self._began + limit):
            client.give_up(errno.ETIMEDOUT)
            return
        self._number = kernel.trace.add(
            "retransmit", kernel.host, client.peer_host, client.flow, "SYN", 0, self._number
        )
        self._ask()

    def _arrives(self) -> None:
        """What happens where the SYN goes to."""
        client = self._client
        if client.line_out.cut:
            self._dropped()
            return
        target = client.kernel.network.kernel_at(client.remote[0], client.kernel)
        if target is None or not target.alive:
            self._dropped(DOWN)
            return
        known = self._child
        if known is not None and known.kernel is target and known.answering is not None:
            known.answering.answer(self._number)
            return
        child, why = client.grow(target)
        if child is not None:
            self._child = child
            child.answering = Answering(child, self)
            child.answering.answer(self._number)
        elif why:
            self._dropped(why)
        else:
            self._refuse(target)

    def _refuse(self, target: Ground) -> None:
        client = self._client
        number = target.trace.add(
            "rst", target.host, client.kernel.host, client.flow, "nobody listens", 0, self._number
        )
        line = target.links.path(target.host, client.kernel.host)
        when = line.transmit(HEADER)
        if when is None:
            self._missed_refusal(line, number)
        else:
            target.scheduler.call_at(when, self._refused, line, number)

    def _refused(self, line: Path, number: int) -> None:
        client = self._client
        if line.cut:
            self._missed_refusal(line, number)
        elif client.kernel.network.running(client.kernel.host) is None:
            note_lost(client.kernel, line, client.flow, "RST", number, DOWN)
        elif self._waits():
            client.give_up(errno.ECONNREFUSED, number)

    def _missed_refusal(self, line: Path, number: int) -> None:
        client = self._client
        note_lost(client.kernel, line, client.flow, "RST", number)
        self.missed()

    def answered(self, answering: Answering) -> None:
        """Tells that the listener's answer is there, or would be if the way was not cut."""
        client = self._client
        child = answering.child
        if child.line_out.cut:
            answering.lost()
            self.missed()
            answering.missed()
            return
        if client.kernel.network.running(client.kernel.host) is None:
            answering.lost(DOWN)
            answering.missed()
            return
        if self._waits():
            self.stop()
            now = client.kernel.scheduler.now
            when = client.established(child, now - self._asked, answering.number)
        elif self._child is child and client.connected_to(child):
            when = client.confirm()
        else:  # the program has given up meanwhile, or the host was restarted, which RST says
            when = client.line_out.transmit(HEADER)
            if when is None:
                answering.unanswered(client.line_out, "RST")
            else:
                client.kernel.scheduler.call_at(when, answering.refused, client.line_out)
            return
        if when is None:
            answering.unanswered(client.line_out, "ACK")
        else:
            client.kernel.scheduler.call_at(when, answering.confirmed, client.line_out)
