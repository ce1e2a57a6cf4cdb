"""Frames that are lines of text."""

from __future__ import annotations

from netcore.codec.delimiter import DelimiterCodec
from netcore.codec.delimiters import LINE_ENDS

__all__ = ["LineCodec"]


class LineCodec(DelimiterCodec):
    r"""Lines that end with ``\n``, which absorbs one ``\r`` before it; ``encode`` ends them with ``\n``.

    In all else it is a ``DelimiterCodec``, but reports a line that is too long when its end has come.
    """

    def __init__(
        self,
        max_length: int,
        strip_delimiter: bool = True,
        fail_fast: bool = False,
        *,
        accept_unterminated: bool = False,
    ) -> None:
        """Makes the codec.

        Args:
            max_length: Bytes of the longest line accepted, without its end. Encoding has no limit: it is
                there for what a peer sends.
            strip_delimiter: Leave the end out of the frame.
            fail_fast: Raise ``TooLongFrameError`` as soon as a line is known to be too long, rather than
                when its end has come.
            accept_unterminated: When the peer ends the stream in order, give what has come behind the last
                end as a line, too, unless it is nothing.

        Raises:
            TypeError: The maximum is no whole number.
            ValueError: The maximum is less than 1.
        """
        super().__init__(
            max_length,
            *LINE_ENDS,
            strip_delimiter=strip_delimiter,
            fail_fast=fail_fast,
            accept_unterminated=accept_unterminated,
        )
