"""Error replies and their texts.

The texts are part of the protocol: clients match on them, so they are Redis' own, word for word.
"""

from __future__ import annotations

NOT_AN_INTEGER = b"ERR value is not an integer or out of range"
NOT_A_FLOAT = b"ERR value is not a valid float"
NOT_POSITIVE = b"ERR value is out of range, must be positive"
WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = b"ERR syntax error"
NO_SUCH_KEY = b"ERR no such key"
OVERFLOW = b"ERR increment or decrement would overflow"
DB_OUT_OF_RANGE = b"ERR DB index is out of range"

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class CommandError(Exception):
    """The command is refused; the client's fault.

    Args:
        message: what follows the ``-`` of the error reply, starting with its code (``ERR ...``).
    """

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message

    def encode(self) -> bytes:
        """The error as a reply. It quotes the request, so line ends have to be taken out."""
        return b"-%b\r\n" % self.message.translate(_ONE_LINE)


class ProtocolError(Exception):
    """The bytes received are not a request; nothing that follows them can be understood either.

    Args:
        message: what follows ``Protocol error: ``; empty if the peer deserves no answer at all.
    """

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message

    def encode(self) -> bytes:
        """The error as a reply."""
        return CommandError(b"ERR Protocol error: " + self.message).encode() if self.message else b""


class Disconnect(Exception):
    """Raised by a command after which the server closes the connection.

    Args:
        reply: the last reply, already encoded.
    """

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


def wrong_arity(name: str) -> CommandError:
    """The error for a command that got too few or too many arguments."""
    return CommandError(b"ERR wrong number of arguments for '%b' command" % name.encode())


def out_of_range(low: int, high: int) -> CommandError:
    """The error for an integer outside of what the command takes."""
    return CommandError(b"ERR value is out of range, value must between %d and %d" % (low, high))


def invalid_expire_time(name: str) -> CommandError:
    """The error for a time to live that is not positive or overflows."""
    return CommandError(b"ERR invalid expire time in '%b' command" % name.encode())
