"""The parser that defines what a request is, down to the texts of the errors.

It keeps what it has of an unfinished request, so it may be fed in pieces of any size. Limits bound the
memory that a peer can occupy without ever completing a request.
"""

from __future__ import annotations

from .errors import CommandError, ProtocolError
from .inline import split_words
from .numeric import parse_integer

MAX_LINE = 64 * 1024
MAX_ARGUMENTS = 1024 * 1024
MAX_BULK = 512 * 1024 * 1024
MAX_REQUEST = 1024 * 1024 * 1024

_STAR = ord("*")
_DOLLAR = ord("$")
_INCOMPLETE = -1


class StrictParser:
    """Requests out of a stream of bytes.

    Attributes:
        busy: whether a request has begun and not ended.
        held: how many bytes wait for more to come.
    """

    __slots__ = ("_arguments", "_bulk", "_expected", "_pieces", "_size", "busy", "held")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._expected = 0  # arguments still to come of the request begun
        self._bulk = -1  # the length of the argument begun
        self._arguments: list[bytes] = []
        self._size = 0  # bytes of _arguments
        self.held = 0
        self.busy = False

    def take(self, data: bytes, requests: list[list[bytes]], only_first: bool = False) -> bytes:
        """Read requests out of data and append them.

        Args:
            data: what follows the bytes of the previous call.
            requests: where they go.
            only_first: stop after the request that is under way, for a faster parser to go on.

        Returns:
            The bytes not used; none unless ``only_first``.

        Raises:
            ProtocolError: what came is no request; ``requests`` has those before it.
        """
        self._pieces.append(data)
        self.held += len(data)
        if self.held + self._size > MAX_REQUEST:
            raise ProtocolError(b"")
        # Inside a large argument there is nothing to look at until its end has come; joining the pieces
        # each time would copy it once for every piece.
        if self.held < self._bulk + 2:
            return b""
        buffer = b"".join(self._pieces)
        position = 0
        while position < len(buffer):
            after = self._step(buffer, position, requests)
            if after == _INCOMPLETE:
                break
            position = after
            if only_first and not self._expected:
                self._keep(b"")
                return buffer[position:]
        self._keep(buffer[position:])
        return b""

    def _keep(self, rest: bytes) -> None:
        self._pieces = [rest] if rest else []
        self.held = len(rest)
        self.busy = self.held > 0 or self._expected > 0

    def _step(self, buffer: bytes, position: int, requests: list[list[bytes]]) -> int:
        """Read one line or argument; return the position after it, or _INCOMPLETE."""
        if not self._expected:
            if buffer[position] == _STAR:
                return self._count(buffer, position)
            return _inline(buffer, position, requests)
        if self._bulk < 0:
            return self._length(buffer, position)
        end = position + self._bulk
        if end + 2 > len(buffer):
            return _INCOMPLETE
        self._arguments.append(buffer[position:end])
        self._size += self._bulk
        self._bulk = -1
        self._expected -= 1
        if not self._expected:
            requests.append(self._arguments)
            self._arguments = []
            self._size = 0
        # Redis skips the two bytes after an argument without looking at them.
        return end + 2

    def _count(self, buffer: bytes, position: int) -> int:
        end = _line_end(buffer, position, b"too big mbulk count string")
        if end == _INCOMPLETE:
            return _INCOMPLETE
        count = _number(buffer[position + 1 : end], b"invalid multibulk length")
        if count > MAX_ARGUMENTS:
            raise ProtocolError(b"invalid multibulk length")
        self._expected = max(count, 0)
        return end + 2

    def _length(self, buffer: bytes, position: int) -> int:
        end = _line_end(buffer, position, b"too big bulk count string")
        if end == _INCOMPLETE:
            return _INCOMPLETE
        if buffer[position] != _DOLLAR:
            raise ProtocolError(b"expected '$', got '%c'" % buffer[position])
        length = _number(buffer[position + 1 : end], b"invalid bulk length")
        if not 0 <= length <= MAX_BULK:
            raise ProtocolError(b"invalid bulk length")
        self._bulk = length
        return end + 2


def _line_end(buffer: bytes, position: int, too_long: bytes) -> int:
    """Where the line's carriage return is; _INCOMPLETE unless the byte after it is here as well."""
    end = buffer.find(b"\r", position)
    if end < 0 and len(buffer) - position > MAX_LINE:
        raise ProtocolError(too_long)
    return end if 0 <= end < len(buffer) - 1 else _INCOMPLETE


def _number(text: bytes, message: bytes) -> int:
    try:
        return parse_integer(text)
    except CommandError:
        raise ProtocolError(message) from None


def _inline(buffer: bytes, position: int, requests: list[list[bytes]]) -> int:
    """Read an inline request."""
    end = buffer.find(b"\n", position)
    if end < 0:
        if len(buffer) - position > MAX_LINE:
            raise ProtocolError(b"too big inline request")
        return _INCOMPLETE
    words = split_words(buffer[position:end].removesuffix(b"\r"))
    if words is None:
        raise ProtocolError(b"unbalanced quotes in request")
    if words:
        requests.append(words)
    return end + 1
