"""Handing bytes that were received already to a protocol, whichever of the two kinds it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["Fed", "hand_over"]


class Fed(Protocol):
    """A transport, as far as it matters here."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Returns the protocol of the moment."""

    def is_reading(self) -> bool:
        """Whether the protocol wants more."""

    def keep(self, rest: bytes) -> None:
        """What the protocol has not taken, since it has paused or closed, or by an exit."""

    def _fatal_error(self, exc: BaseException, message: str) -> None: ...


def hand_over(transport: Fed, data: bytes) -> None:
    """Gives the protocol what was received: all at once, or a buffer of its own at a time.

    Each buffer is a step, as if it had been received into: after it the protocol may be another, or have
    paused. What it raises ends the transport.
    """
    left = memoryview(data)
    try:
        while left:
            protocol = transport.get_protocol()
            step = "data_received"
            try:
                if isinstance(protocol, asyncio.BufferedProtocol):
                    step = "get_buffer"
                    with memoryview(protocol.get_buffer(-1)) as given, given.cast("B") as room:
                        if not room:
                            raise RuntimeError("get_buffer() returned an empty buffer")
                        step = "buffer_updated"
                        n = min(len(room), len(left))
                        room[:n] = left[:n]
                    left = left[n:]
                    protocol.buffer_updated(n)
                else:
                    receive: Callable[[bytes], object] = protocol.data_received  # type: ignore[attr-defined]
                    rest, left = bytes(left), left[:0]
                    receive(rest)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                transport._fatal_error(error, f"Fatal error: protocol.{step}() call failed.")
            if not transport.is_reading():
                break
    finally:
        if left:
            transport.keep(bytes(left))
