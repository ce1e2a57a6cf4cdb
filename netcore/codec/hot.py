"""A ``FrameHandler`` whose short ways are in C: ``hot/frames.c``.

They are for whole frames of the codecs that are here, on streams whose hot half is in C. What else there may
be comes to the methods of this class, which do what the twin in Python does, from there on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcore._native import _hot, address
from netcore.codec.delimiter import DelimiterCodec
from netcore.codec.fixed_length import FixedLengthCodec
from netcore.codec.frame_handler import FrameHandler, Session
from netcore.codec.length_field import LengthFieldCodec
from netcore.codec.line import LineCodec
from netcore.codec.protocol import Codec
from netcore.handler import Action, Conn, ContextT

if TYPE_CHECKING:
    from netcore.codec.scan import Layout

__all__ = ["HotFrameHandler"]


class HotFrameHandler(_hot.Frames, FrameHandler[ContextT]):
    """``FrameHandler``, of which C finds frames, hands them over, and makes them."""

    _nc_python_on_traffic = FrameHandler.on_traffic
    _nc_python_send_frame = FrameHandler.send_frame

    @property
    def codec(self) -> Codec:
        """See ``FrameHandler``."""
        codec: Codec = self._nc_codec
        return codec

    @codec.setter
    def codec(self, codec: Codec) -> None:
        self._nc_codec = codec
        layout = _layout_of(codec)
        if layout is None:
            self._nc_lay_out()
        else:
            functions = address("nc_next_frame"), address("nc_find_delimiter")
            self._nc_lay_out(layout, address(layout[0]), *functions)

    # What C calls. Most take what is left of a window, and how many bytes of it are to be marked as read.

    def _nc_go_on(self, conn: Conn, rest: bytes, owed: int) -> Action | None:
        """Goes on behind frames that were handed over, if there were any."""
        return self._nc_hand_out(conn, self._nc_join(conn, rest, owed))

    def _nc_complete(self, conn: Conn, head: bytes) -> bytes | None:
        """Returns the frame whose beginning is held; this is the rest of it."""
        session: Session = self._nc_sessions[conn.id]
        session.take(head, 0)
        frame = session.decoder.next_frame()
        if frame is not None:
            session.since = session.missing = 0
        return frame

    def _nc_end(self, conn: Conn, rest: bytes, owed: int, action: Action) -> Action | None:
        """Drops what is left, as a callback has returned CLOSE or SHUTDOWN."""
        return self._nc_settle(conn, self._nc_join(conn, rest, owed), action)

    def _nc_break_off(self, conn: Conn, rest: bytes, owed: int, goes_on: bool) -> None:
        """Keeps what an exception has left, and has it handed out later unless that is to end more."""
        session = self._nc_join(conn, rest, owed)
        if goes_on:
            self._nc_put_off(conn, session)

    def _nc_ends(self, conn: Conn, action: object) -> bool:
        """Whether what a callback has returned ends the delivery."""
        if action is Action.CLOSE or action is Action.SHUTDOWN:
            return True
        self._nc_check(conn, "on_frame", action)
        return False

    def _nc_join(self, conn: Conn, rest: bytes, owed: int) -> Session:
        session = self._nc_sessions.get(conn.id) or self._nc_begin(conn)
        session.take(rest, owed)
        if owed > len(rest):  # there were frames
            session.since = 0
        return session


def _layout_of(codec: Codec) -> Layout | None:
    """Describes the frames of a codec to C; None for what C does not know, be it but derived from ours."""
    for known in (LengthFieldCodec, LineCodec, DelimiterCodec, FixedLengthCodec):
        if type(codec) is known:
            return codec._layout()
    return None
