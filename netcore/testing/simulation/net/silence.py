"""What one end of a TCP connection does while the other is silent: keep-alive, and the end of closed ones."""

from __future__ import annotations

import socket

from netcore.testing.simulation.net.connections import ESTABLISHED, Connection
from netcore.testing.simulation.net.keepalive import KeepAlive
from netcore.testing.simulation.net.losses import note_lost
from netcore.testing.simulation.net.network import Ground
from netcore.testing.simulation.net.segments import HEADER
from netcore.testing.simulation.scheduler import Planned

__all__ = ["PatientConnection"]

_FORSAKEN = 60.0
"""Seconds that a closed connection waits for the peer to close it, too: tcp_fin_timeout of tcp(7)."""

_STANDSTILLS = 4
"""How many times it is looked after one that still has bytes which the peer does not take."""


class PatientConnection(Connection):
    """A connection whose peer may be silent for long, but not for ever. See ``Connection``."""

    def __init__(self, kernel: Ground, family: int) -> None:
        super().__init__(kernel, family)
        self._keep_alive: KeepAlive | None = None
        self._forsaking: Planned | None = None

    def silent_since(self) -> float | None:
        """See ``End.silent_since`` of keep-alive."""
        assert self._sender is not None
        if not self._sender.acknowledged():
            return None
        return max(self._heard, self._sender.heard)

    def ask_peer(self, answer: KeepAlive) -> None:
        """See ``End.ask_peer``."""
        assert self._peer is not None
        when = self.line_out.transmit(HEADER)
        if when is None:
            note_lost(self.kernel, self.line_out, self.flow, "keep-alive")
        else:
            self.kernel.scheduler.call_at(when, self._peer.asked, answer)

    def rely(self, keep_alive: KeepAlive) -> float | None:
        """See ``End.rely``."""
        peer = self._peer
        there, back = self.line_out.certain_latency, self.line_in.certain_latency
        if peer is None or not peer.kernel.alive or peer._state != ESTABLISHED:
            return None
        if there is None or back is None:
            return None
        self.line_out.relying[keep_alive] = self.line_in.relying[keep_alive] = None
        peer.asker = keep_alive
        return there + back

    def rely_no_more(self, keep_alive: KeepAlive) -> None:
        """See ``End.rely_no_more``."""
        for line in (self.line_out, self.line_in):
            line.relying.pop(keep_alive, None)
        if self._peer is not None:
            self._peer.asker = None

    def watch_peer(self) -> None:
        """Begins or ends keep-alive, as the options have it."""
        if self._keep_alive is not None:
            self._keep_alive.stop()
            self._keep_alive = None
        number = self._options.number
        if self._state == ESTABLISHED and not self._orphan and number(socket.SOL_SOCKET, "SO_KEEPALIVE"):
            tcp = socket.IPPROTO_TCP
            idle, interval, count = (
                number(tcp, name) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            )
            self._keep_alive = KeepAlive(self, idle, interval, count)

    def forsake_later(self, acked: int = 0, standstills: int = 0) -> None:
        """Has a connection that is closed end some time, though the peer does not close it.

        Args:
            acked: How far the peer had got the last time that somebody looked.
            standstills: How often it had got no further.
        """
        scheduler = self.kernel.scheduler
        self._forsaking = scheduler.call_later(_FORSAKEN, self._forsake, acked, standstills)

    def _forsake(self, acked: int, standstills: int) -> None:
        sender = self._sender
        if self._state != ESTABLISHED or not self.kernel.alive or sender is None:
            return
        standstills = standstills + 1 if sender.acked == acked else 0
        if self.gone() or standstills > _STANDSTILLS:
            self._finish(0)
        else:
            self.forsake_later(sender.acked, standstills)

    def _released(self) -> None:
        """See ``Connection``: both halves have ended, or the whole."""
        sender = self._sender
        over = self._state != ESTABLISHED
        if self._forsaking is not None and (over or sender is None or not sender.unsent):
            self._forsaking.cancel()
        if over:
            self.stop_asking_peer()

    def stop_asking_peer(self) -> None:
        """Ends keep-alive."""
        if self._keep_alive is not None:
            self._keep_alive.stop()
            self._keep_alive = None
