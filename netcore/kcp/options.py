"""What a session is told in the beginning."""

from __future__ import annotations

from dataclasses import dataclass

from netcore.kcp.wire import HEADER_SIZE

__all__ = ["KcpOptions"]

_SMALLEST_MTU = 50  # as in the reference implementation
_LARGEST_MTU = 65507  # of UDP over IPv4
_LARGEST_WINDOW = 0xFFFF  # as the header has it


@dataclass(frozen=True)
class KcpOptions:
    """How a session trades bandwidth for latency. Both ends need the same `stream`.

    Attributes:
        no_delay: Whether segments are sent again soon: after 30 ms at the least, half as late again each
            time, instead of 100 ms, twice as late. 2 grows by half of what the round trip suggests, and not
            of what has been waited.
        interval: Seconds between two looks at what is to be sent, acknowledged or sent again.
        fast_resend: Send a segment again once so many later ones are acknowledged; 0 waits for its time.
        congestion_control: Whether a loss makes the sender slow down, as TCP does. Without it a session
            takes what the windows allow, whatever becomes of others on the line.
        send_window: Segments under way at most.
        receive_window: Segments kept for the application, and for the ones missing before them.
        mtu: Bytes of a datagram at most, without the headers of IP and UDP.
        stream: Whether what is sent is joined and split as it fits. Without it each `send` is a message that
            arrives whole, of fewer than 128 segments.
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
            ValueError: One of them is out of its range.
        """
        for name, least, most in (
            ("no_delay", 0, 2),
            ("interval", 0.001, 5),
            ("fast_resend", 0, _LARGEST_WINDOW),
            ("send_window", 1, _LARGEST_WINDOW),
            ("receive_window", 1, _LARGEST_WINDOW),
            ("mtu", _SMALLEST_MTU, _LARGEST_MTU),
            ("dead_link", 1, 1 << 31),
            ("idle_timeout", 0, float("inf")),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value!r}: it must be from {least} to {most}")

    @property
    def segment_size(self) -> int:
        """Bytes of payload of a segment at most."""
        return self.mtu - HEADER_SIZE
