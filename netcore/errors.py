"""The exceptions netcore raises, each saying who is at fault.

Misuse of the interface derives from ``ValueError``, ``RuntimeError`` or ``BufferError``; what the
system or the peer did arrives as the ``OSError`` that it is and has no class here.
"""

from __future__ import annotations

__all__ = [
    "ConnectionClosedError",
    "CorruptedFrameError",
    "EngineNotRunningError",
    "FrameError",
    "InvalidAddressError",
    "NetcoreError",
    "OptionsError",
    "PollerUnavailableError",
    "ShortBufferError",
    "TooLongFrameError",
    "UnsupportedOperationError",
    "UnsupportedProtocolError",
    "WrongThreadError",
]


class NetcoreError(Exception):
    """Base of every exception that netcore itself defines."""


class InvalidAddressError(NetcoreError, ValueError):
    """The text is not an address of the form ``scheme://...``."""


class UnsupportedProtocolError(NetcoreError, ValueError):
    """The address is well formed, but its scheme names no protocol served here."""


class OptionsError(NetcoreError, ValueError):
    """An option is unknown, out of range, or contradicts another one.

    Attributes:
        option: The name of the option at fault, where it is one of ``Options``, or as ``kcp.mtu`` one of
            ``KcpOptions``; otherwise empty.
    """

    def __init__(self, *arguments: object, option: str = "") -> None:
        super().__init__(*arguments)
        self.option = option


class EngineNotRunningError(NetcoreError, RuntimeError):
    """The call needs a running engine, and it has not started or has stopped."""


class ShortBufferError(NetcoreError, BufferError):
    """Fewer bytes are buffered than were asked for; more may arrive later."""


class UnsupportedOperationError(NetcoreError):
    """This kind of connection, or this platform, cannot do what was asked."""


class ConnectionClosedError(NetcoreError, ConnectionError):
    """The connection is closed or closing on our side; nothing more can be written."""


class WrongThreadError(NetcoreError, RuntimeError):
    """A method that belongs to the connection's own loop was called on another thread."""


class PollerUnavailableError(NetcoreError):
    """No poller of that name exists, or this machine cannot run it."""


class FrameError(NetcoreError, ValueError):
    """The peer sent, or the application asked to send, something that is not a frame."""


class TooLongFrameError(FrameError):
    """A frame is longer than the codec allows."""


class CorruptedFrameError(FrameError):
    """A frame contradicts itself, such as one shorter than its own header."""
