"""netcore: event-driven networking on the kernel's own readiness API, in layers that can be swapped.

Example:
    An echo server::

        class Echo(netcore.EventHandler):
            def on_traffic(self, conn):
                conn.write(conn.read())

        netcore.run(Echo(), "tcp://127.0.0.1:9000")
"""

from netcore._version import __version__ as __version__
from netcore.address import Address
from netcore.engine import Client, Engine, GivenListener, run
from netcore.errors import (
    ConnectionClosedError,
    CorruptedFrameError,
    EngineNotRunningError,
    FrameError,
    InvalidAddressError,
    NetcoreError,
    OptionsError,
    PollerUnavailableError,
    ShortBufferError,
    TooLongFrameError,
    UnsupportedOperationError,
    UnsupportedProtocolError,
    WrongThreadError,
)
from netcore.handler import (
    Action,
    CloseReason,
    Conn,
    EngineView,
    EventHandler,
    EventLoop,
    Histogram,
    Metrics,
    Timeout,
    Timer,
    Timings,
)
from netcore.options import Options
from netcore.overrides import OptionOverrides

__all__ = [
    "Action",
    "Address",
    "Client",
    "CloseReason",
    "Conn",
    "ConnectionClosedError",
    "CorruptedFrameError",
    "Engine",
    "EngineNotRunningError",
    "EngineView",
    "EventHandler",
    "EventLoop",
    "FrameError",
    "GivenListener",
    "Histogram",
    "InvalidAddressError",
    "Metrics",
    "NetcoreError",
    "OptionOverrides",
    "Options",
    "OptionsError",
    "PollerUnavailableError",
    "ShortBufferError",
    "Timeout",
    "Timer",
    "Timings",
    "TooLongFrameError",
    "UnsupportedOperationError",
    "UnsupportedProtocolError",
    "WrongThreadError",
    "run",
]
