"""A handler that is given frames instead of bytes."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from netcore.codec.protocol import Codec, Decoder
from netcore.errors import FrameError
from netcore.handler import Action, Conn, EventHandler

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FrameHandler"]


class _Session:
    """What is remembered of a connection.

    Attributes:
        owed: Bytes that the decoder has, but the connection still shows as unread.
        over: Whether an ``Action`` has ended the delivery.
        at_eof: Whether the connection closes as soon as all frames are delivered.
        watch: Keeps the callback alive that forgets the session.
    """

    __slots__ = ("at_eof", "feed", "next_frames", "over", "owed", "watch")

    def __init__(self, decoder: Decoder, watch: weakref.ref[Conn]) -> None:
        self.feed: Callable[[bytes], None] = decoder.feed
        # A decoder need not derive from Decoder: it may have just the methods that a codec's user calls.
        self.next_frames: Callable[[], Iterator[bytes]] = getattr(
            decoder, "next_frames", None
        ) or functools.partial(Decoder.next_frames, decoder)
        self.owed = 0
        self.over = False
        self.at_eof = False
        self.watch = watch

    def settle(self, conn: Conn) -> None:
        """Marks as read what the decoder has; no frames are left."""
        conn.discard(self.owed)
        self.owed = 0

    def keep_frames(self, conn: Conn) -> None:
        """Leaves a byte unread, as frames may be left: ``resume_reading`` then causes an ``on_traffic``."""
        if self.owed > 1:
            conn.discard(self.owed - 1)
            self.owed = 1


class FrameHandler(EventHandler):
    """Decodes what its connections receive and hands out the frames.

    All frames of a read are handled in the same turn, so their replies leave together. Override
    ``on_frame``; ``on_traffic`` is taken. The other callbacks can be overridden without calling this
    class's own, and ``conn.context`` is the application's.

    Once a callback closes the connection, or returns CLOSE or SHUTDOWN, later frames are dropped. While the
    connection is paused they are kept, and come when it is resumed. A frame that is incomplete when the
    connection ends is dropped.
    """

    def __init__(self, codec: Codec) -> None:
        """Takes the codec; every connection gets a decoder of its own with its first bytes."""
        self.codec = codec
        # One handler serves all loops: single operations on a dict are atomic, and each connection's key
        # is used on its own loop only. Ids are never reused, so nothing can be mistaken for another's.
        self._sessions: dict[int, _Session] = {}

    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        """A frame has come."""

    def on_frame_error(self, conn: Conn, error: FrameError) -> Action | None:
        """The peer has sent something that is no frame; it is skipped. Closes unless overridden."""
        return Action.CLOSE

    def send_frame(self, conn: Conn, payload: Buffer) -> int:
        """Encodes a payload and writes it. On another thread use ``conn.async_write`` and ``codec.encode``.

        Returns:
            The number of bytes written, framing included.

        Raises:
            FrameError: The payload cannot be framed.
            ConnectionClosedError: See ``Conn.write``.
        """
        return conn.write(self.codec.encode(payload))

    def on_traffic(self, conn: Conn) -> Action | None:
        """Hands out the frames that have come."""
        if _is_paused(conn):  # woken all the same: what is kept stays
            return None
        session = self._sessions.get(conn.id)
        if session is None:
            session = self._begin(conn)
        elif session.over:
            conn.discard()
            return None
        data = bytes(conn.peek())
        if session.owed:
            data = data[session.owed :]
        if data:
            session.feed(data)
            session.owed += len(data)
        try:
            action = self._deliver(conn, session)
        except Exception:
            conn.wake()  # on_error may let it go on, and the frames after this one are here already
            session.keep_frames(conn)
            raise
        if action is Action.CLOSE or action is Action.SHUTDOWN:
            session.over = True
        elif _is_paused(conn):
            session.keep_frames(conn)
            return action
        elif session.at_eof:
            action = Action.CLOSE
        session.settle(conn)
        return action

    def on_eof(self, conn: Conn) -> Action | None:
        """Closes, unless overridden; frames kept from a pause that has just ended are handed out first."""
        session = self._sessions.get(conn.id)
        if session is None or not session.owed:
            return Action.CLOSE
        session.at_eof = True
        return self.on_traffic(conn)

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        """Forgets the connection; without a call of this that happens when the object is gone."""
        self._sessions.pop(conn.id, None)
        return None

    def _begin(self, conn: Conn) -> _Session:
        key, sessions = conn.id, self._sessions
        # A subclass has an on_close of its own, and a server's datagrams have none at all.
        watch = weakref.ref(conn, lambda _: sessions.pop(key, None))
        session = sessions[key] = _Session(self.codec.decoder(), watch)
        return session

    def _deliver(self, conn: Conn, session: _Session) -> Action | None:
        """Hands out frames until there are none, or until a callback has ended or paused the connection."""
        odd: Action | None = None
        on_frame = self.on_frame
        while True:
            found = False
            try:
                frames = session.next_frames()
            except FrameError as error:
                found = True
                frames = iter(())
                action = self.on_frame_error(conn, error)
                if action is Action.CLOSE or action is Action.SHUTDOWN:
                    return action
                odd = action or odd
                if conn.closed or _is_paused(conn):
                    return odd
            for frame in frames:
                found = True
                action = on_frame(conn, frame)
                if action is not None:
                    if action is Action.CLOSE or action is Action.SHUTDOWN:
                        return action
                    odd = action or odd  # not an Action: reported at the end, without holding up frames
                if conn.closed or _is_paused(conn):
                    return odd
            if not found:
                return odd


def _is_paused(conn: Conn) -> bool:
    """Whether frames are not wanted now. A broken connection is drained although it is paused."""
    return conn.paused and conn.close_reason is None
