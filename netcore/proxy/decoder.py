"""Finding a header at the beginning of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcore.proxy.binary import SIGNATURE, read_block, size_of_block
from netcore.proxy.header import ProxyError, ProxyHeader
from netcore.proxy.text import LONGEST, could_be_line, read_line, size_of_line

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ProxyDecoder"]


class ProxyDecoder:
    """Takes a stream from its beginning until its PROXY header, of either version, is complete. One thread.

    It holds no more than a header can have, 65551 bytes, and what came with its end. What cannot become a
    header is refused as soon as that is certain.

    Attributes:
        header: What the stream begins with; None until all of it has been fed.
        remaining: What was fed behind the header.
    """

    def __init__(self) -> None:
        self.header: ProxyHeader | None = None
        self.remaining: bytes = b""
        self._held = bytearray()
        self._size = 0
        self._error: ProxyError | None = None

    def feed(self, data: Buffer) -> None:
        """Takes what has come, split anywhere.

        Raises:
            ProxyError: No header begins like this; whatever is fed afterwards raises it again.
        """
        if self.header is not None:
            self.remaining += bytes(data)
            return
        if self._error is not None:
            raise self._error
        self._held += data
        try:
            self._read()
        except ProxyError as error:
            self._error = error
            self._held.clear()
            raise

    def _read(self) -> None:
        held = self._held
        is_binary = held[: len(SIGNATURE)] == SIGNATURE[: len(held)]
        if not self._size:
            self._size = self._find_size(bytes(held[:LONGEST]), is_binary)
        if not self._size or len(held) < self._size:
            return
        raw = bytes(held[: self._size])
        self.header = read_block(raw) if is_binary else read_line(raw)
        self.remaining = bytes(held[self._size :])
        self._held = bytearray()

    def _find_size(self, start: bytes, is_binary: bool) -> int:
        if is_binary:
            return size_of_block(start)
        if not could_be_line(start):
            raise ProxyError(f"there is no PROXY header: the stream begins with {start[:16]!r}")
        return size_of_line(start)
