"""Transports of asyncio whose end is never left to the garbage collector.

asyncio closes a transport that is collected. When that happens differs from run to run, and a world must not
depend on it: here it stays open, as a simulated socket does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netcore.aio.datagrams import SingleDatagramTransport
from netcore.aio.standard import SelectorTransport
from netcore.aio.transport import StreamTransport

__all__ = ["SimulatedDatagramTransport", "SimulatedStreamTransport", "SimulatedTlsTransport"]

if TYPE_CHECKING:
    _Transport = SelectorTransport
else:
    _Transport = object


class _LeftOpen(_Transport):
    def is_closing(self) -> bool:
        """See ``asyncio.BaseTransport.is_closing``; what is collected with it is not to close it."""
        loop: Any = self._loop
        return super().is_closing() or not loop.has_a_world()

    def __del__(self, _warn: Callable[..., object] = warnings.warn) -> None:
        """Warns of what was never closed, unless that is so because the world is no more."""
        loop: Any = self._loop
        if loop is not None and bool(self._sock) and loop.has_a_world():
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)


class SimulatedStreamTransport(_LeftOpen, StreamTransport):
    """A transport of a stream."""


class SimulatedTlsTransport(_LeftOpen, SelectorTransport):
    """What is below TLS."""


class SimulatedDatagramTransport(_LeftOpen, SingleDatagramTransport):
    """A transport of datagrams."""
