"""What a codec is: how a stream of bytes becomes frames, and a frame bytes again.

Nothing here does I/O. A decoder is fed what has come and asked for frames; whether the bytes come from a
socket, a file or a test makes no difference to it.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Codec", "Decoder", "check_codec"]


class Decoder(abc.ABC):
    """Finds the frames in one stream of bytes. It belongs to one thread at a time.

    Take all frames after each ``feed``; what is not taken is held. The frames and errors do not depend on
    how the stream was cut into pieces.
    """

    __slots__ = ()

    @abc.abstractmethod
    def feed(self, data: Buffer) -> None:
        """Adds the bytes that follow those fed before; anything but ``bytes`` is copied."""

    @abc.abstractmethod
    def next_frame(self) -> bytes | None:
        """Takes the next frame.

        Returns:
            The frame; None if more must be fed first.

        Raises:
            FrameError: What follows is not a frame. It is raised once for each bad frame, which is
                consumed by that: call again to go on with what comes after it.
        """

    @property
    @abc.abstractmethod
    def pending(self) -> int:
        """Bytes that were fed and not yet taken or dropped."""

    def last_frame(self) -> bytes | None:
        """Takes a frame that the end of the stream has made of what is left, if it does.

        To be called when the stream has ended in order, and ``next_frame`` has returned None; again until
        this returns None, too. What is left by then is no frame; unless a codec has it otherwise, that is
        all that is left.

        Raises:
            FrameError: See ``next_frame``.
        """
        return None

    def next_frames(self) -> Iterator[bytes]:
        """Takes several frames at once: one or more of those that can be had without feeding.

        Returns:
            An iterator that takes each frame as it gives it; what is not asked of it stays for the next
            call. It is empty if more must be fed first, and only then.

        Raises:
            FrameError: See ``next_frame``; the iterator itself raises nothing.
        """
        frame = self.next_frame()
        return iter(() if frame is None else (frame,))


@runtime_checkable
class Codec(Protocol):
    """A kind of frame: makes decoders, and encodes. Any thread may use it; it keeps no state."""

    def decoder(self) -> Decoder:
        """Makes the decoder of one stream."""

    def encode(self, payload: Buffer) -> bytes:
        """Makes the bytes that stand for a payload in the stream.

        Raises:
            FrameError: The payload cannot be framed.
        """


def check_codec(codec: object) -> None:
    """Raises TypeError unless this is a codec, and not the class of one."""
    if isinstance(codec, type) or not isinstance(codec, Codec):
        raise TypeError(f"a FrameHandler needs a codec, an object with decoder and encode, not {codec!r}")
