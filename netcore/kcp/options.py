"""What a session is told in the beginning."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netcore._durations import seconds
from netcore.errors import OptionsError
from netcore.kcp.wire import HEADER_SIZE

__all__ = ["KcpOptions"]

_SMALLEST_MTU = 50  # as in the reference implementation
_LARGEST_MTU = 65507  # of UDP over IPv4
_LARGEST_WINDOW = 0xFFFF  # as the header has it
_SWITCHES = ("congestion_control", "stream")
_WHOLE = (
    ("fast_resend", 0, _LARGEST_WINDOW),
    ("send_window", 1, _LARGEST_WINDOW),
    ("receive_window", 1, _LARGEST_WINDOW),
    ("mtu", _SMALLEST_MTU, _LARGEST_MTU),
    ("dead_link", 1, 1 << 31),
)
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.001, 5


@dataclass(frozen=True)
class KcpOptions:
    """How a session trades bandwidth for latency. Each end has its own.

    Attributes:
        no_delay: Whether segments are sent again soon: after 30 ms at the least, half as late again each
            time, instead of 100 ms, twice as late. 2 grows by half of what the round trip suggests, and not
            of what has been waited.
        interval: Seconds between two looks at what is to be sent, acknowledged or sent again.
        fast_resend: Send a segment again once so many later ones are acknowledged; 0 waits for its time.
        congestion_control: Whether a loss makes the sender slow down, as TCP does. Without it a session
            takes what the windows allow, whatever becomes of others on the line. It begins with one segment,
            and goes up by one each round trip.
        send_window: Segments under way at most.
        receive_window: Segments kept for the application, and for the ones missing before them.
        mtu: Bytes of a datagram at most, without the headers of IP and UDP.
        stream: Whether what is sent is joined and split as it fits. Without it each ``send`` is a message
            that arrives whole, of fewer than 128 segments.
        dead_link: A segment that has been sent so often in vain ends the session.
        idle_timeout: Seconds without a datagram of the peer's after which it counts as gone; 0 for never.
    """

    no_delay: bool | int = True
    interval: float = 0.01
    fast_resend: int = 2
    congestion_control: bool = False
    send_window: int = 128
    receive_window: int = 128
    mtu: int = 1400
    stream: bool = True
    dead_link: int = 20
    idle_timeout: float = 30

    def __post_init__(self) -> None:
        """Refuses what no session can be told.

        Raises:
            OptionsError: One of them is of a wrong type or out of its range. Its ``option`` is ``kcp.mtu``,
                for example.
        """
        for name in _SWITCHES:
            self._require(isinstance(getattr(self, name), bool), name, "True or False")
        value: object = self.no_delay
        self._require(isinstance(value, int) and 0 <= value <= 2, "no_delay", "True, False or 2")
        for name, least, most in _WHOLE:
            value = getattr(self, name)
            right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
            self._require(right, name, f"a whole number from {least} to {most}")
        self._check_duration("interval", _SHORTEST_INTERVAL, _LONGEST_INTERVAL)
        self._check_duration("idle_timeout", 0, math.inf)

    @property
    def segment_size(self) -> int:
        """Bytes of payload of a segment at most."""
        return self.mtu - HEADER_SIZE

    def _check_duration(self, name: str, least: float, most: float) -> None:
        try:
            right = least <= seconds(getattr(self, name), name) <= most
        except (TypeError, ValueError):
            right = False
        self._require(right, name, f"seconds, from {least} to {most}")

    def _require(self, condition: bool, name: str, allowed: str) -> None:
        if not condition:
            value = getattr(self, name)
            raise OptionsError(f"KcpOptions.{name} is {value!r}: it must be {allowed}", option=f"kcp.{name}")
