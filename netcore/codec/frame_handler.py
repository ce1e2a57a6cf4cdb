"""A handler that is given frames instead of bytes."""

from __future__ import annotations

import contextlib
import functools
import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from netcore.codec.batch import BatchDecoder
from netcore.codec.protocol import Codec, Decoder, check_codec
from netcore.errors import EngineNotRunningError, FrameError
from netcore.handler import Action, Conn, ContextT, EventHandler, OddResults

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FrameHandler", "Session"]

_LONG = 65536
"""Bytes without a frame from which on it is asked how many the decoder keeps."""


class Session:
    """What is remembered of a connection.

    Attributes:
        missing: What is known of how many bytes complete a frame; see ``BatchDecoder.missing``.
        owed: Bytes that the decoder has, but the connection still shows as unread.
        since: Bytes that were fed since frames were last found.
        over: Whether an ``Action`` has ended the delivery.
        at_eof: Whether nothing more comes: the last frame is what is left, and then a stream closes.
        watch: Keeps the callback alive that forgets the session; None if there is nothing to forget.
    """

    __slots__ = (
        *("at_eof", "decoder", "feed", "last_frame", "missing"),
        *("next_frames", "over", "owed", "since", "watch"),
    )

    def __init__(self, decoder: Decoder, watch: weakref.ref[Conn] | None = None) -> None:
        self.feed: Callable[[bytes], None] = decoder.feed
        # A decoder need not derive from Decoder: it may have just the methods that a codec's user calls.
        self.next_frames: Callable[[], Iterator[bytes]] = getattr(
            decoder, "next_frames", None
        ) or functools.partial(Decoder.next_frames, decoder)
        self.last_frame: Callable[[], bytes | None] = getattr(decoder, "last_frame", _none)
        self.decoder: Decoder = decoder
        self.missing: int = -1
        self.owed: int = 0
        self.since: int = 0
        self.over: bool = False
        self.at_eof: bool = False
        self.watch: weakref.ref[Conn] | None = watch

    def take(self, data: bytes, owed: int) -> None:
        """Feeds the decoder.

        Args:
            data: What comes next.
            owed: How many bytes that the decoder has the connection shows as unread, besides earlier ones.
        """
        self.missing = -1
        if data:
            self.feed(data)
            self.since += len(data)
        self.owed += owed

    @property
    def has_more(self) -> bool:
        """Whether the decoder has anything beyond the frames that were handed out."""
        pending: int | None = getattr(self.decoder, "pending", None)
        if pending is not None:
            return pending > 0
        try:
            return next(self.next_frames(), None) is not None
        except FrameError:
            return True

    def more_frames(self) -> Iterator[bytes]:
        """Returns an iterator over frames that can be had now, as ``Decoder.next_frames`` does."""
        frames = self.next_frames()
        if not self.at_eof:
            return frames
        frame = next(frames, None)
        if frame is None:
            frame = self.last_frame()
        return iter(()) if frame is None else itertools.chain((frame,), frames)

    def settle(self, conn: Conn) -> None:
        """Marks as read what the decoder has; no frames are left."""
        conn.discard(self.owed)
        self.owed = 0

    def keep_frames(self, conn: Conn) -> None:
        """Leaves a byte unread, as frames may be left: ``resume_reading`` then causes an ``on_traffic``."""
        if self.owed > 1:
            conn.discard(self.owed - 1)
            self.owed = 1


class FrameHandler(EventHandler[ContextT]):
    """Decodes what its connections receive and hands out the frames.

    All frames of a read are handled in the same turn, so their replies leave together. Override
    ``on_frame``; ``on_traffic`` is taken. The other callbacks can be overridden without calling this
    class's own, and ``conn.context`` is the application's.

    Once a callback closes the connection, or returns CLOSE or SHUTDOWN, later frames are dropped. While the
    connection is paused they are kept, and come when it is resumed. A frame that is incomplete when the
    connection ends is dropped, unless the peer has ended it in order and the codec takes what is left for a
    frame (``Decoder.last_frame``); who overrides ``on_eof`` calls this class's own for that.

    A datagram is decoded by itself, as a stream that ends with it. Its frames come together, even if one of
    them pauses the connection, and what is incomplete at its end is not continued by the next datagram.
    """

    def __init__(self, codec: Codec) -> None:
        """Takes the codec; every connection gets a decoder of its own with its first bytes.

        Raises:
            TypeError: It is none, such as the class of one.
        """
        check_codec(codec)
        self.codec = codec
        # What is netcore's own begins with _nc_: a handler of a user's has attributes of its own beside it.
        self._nc_odd_results = OddResults()
        # One handler serves all loops: single operations on a dict are atomic, and each connection's key
        # is used on its own loop only. Ids are never reused, so nothing can be mistaken for another's.
        self._nc_sessions: dict[int, Session] = {}
        # Datagrams that were not delivered to their end, since a callback has raised.
        self._nc_torn: dict[int, deque[Session]] = {}

    def on_frame(self, conn: Conn[ContextT], frame: bytes) -> Action | None:
        """A frame has come."""

    def on_frame_error(self, conn: Conn[ContextT], error: FrameError) -> Action | None:
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

    def on_traffic(self, conn: Conn[ContextT]) -> Action | None:
        """Hands out the frames that have come."""
        if _is_paused(conn):  # woken all the same: what is kept stays
            return None
        session = self._nc_sessions.get(conn.id)
        if session is None:
            if conn.network.startswith("udp"):
                return self._nc_take_datagram(conn)
            session = self._nc_begin(conn)
        elif session.over:
            conn.discard()
            return None
        data = bytes(conn.peek())
        if session.owed:
            data = data[session.owed :]
        session.take(data, len(data))
        return self._nc_hand_out(conn, session)

    def _nc_hand_out(self, conn: Conn, session: Session) -> Action | None:
        action: Action | None = None
        try:
            if not _is_unwilling(conn):
                action = self._nc_deliver(conn, session, _is_unwilling)
        except Exception:
            self._nc_put_off(conn, session)
            raise
        return self._nc_settle(conn, session, action)

    def _nc_put_off(self, conn: Conn, session: Session) -> None:
        """Keeps what an exception has left of the frames."""
        self._nc_go_on_later(conn)
        session.keep_frames(conn)

    def _nc_settle(self, conn: Conn, session: Session, action: Action | None) -> Action | None:
        """Draws the consequences of what a callback has returned last, or of there being no more frames."""
        if action is Action.CLOSE or action is Action.SHUTDOWN:
            session.over = True
        elif _is_paused(conn):
            session.keep_frames(conn)
            if session.at_eof and not session.owed:
                _owe_traffic(conn)
            return action
        elif _is_upgrading(conn) and session.has_more:
            session.keep_frames(conn)  # unread: what came before TLS is not to be taken for what comes by it
            return action
        elif session.at_eof:
            action = Action.CLOSE
        session.settle(conn)
        if session.since > _LONG:
            _count_unread(conn, session.decoder)
        if not session.over and not session.at_eof:
            session.missing = session.decoder.missing if isinstance(session.decoder, BatchDecoder) else -1
            if not session.missing:
                session.since = 0
        return action

    def on_eof(self, conn: Conn[ContextT]) -> Action | None:
        """Closes, unless overridden; frames kept from a pause that has just ended are handed out first.

        So is the last one, if it is the end that makes it one.
        """
        session = self._nc_sessions.get(conn.id)
        if session is None or session.over:
            return Action.CLOSE
        session.at_eof = True
        if conn.closed:  # by this very FIN: that of this side had gone before, and no pause holds it up
            return self._nc_deliver(conn, session, _never)
        if session.owed:
            return self.on_traffic(conn)
        session.take(b"", 0)
        return self._nc_hand_out(conn, session)

    def on_close(self, conn: Conn[ContextT], error: Exception | None) -> Action | None:
        """Forgets the connection; without a call of this that happens when the object is gone."""
        self._nc_sessions.pop(conn.id, None)
        self._nc_torn.pop(conn.id, None)
        return None

    def _nc_take_datagram(self, conn: Conn) -> Action | None:
        """Hands out the frames of one datagram, behind those that exceptions have left of others."""
        datagrams = self._nc_torn.pop(conn.id, None) or deque()
        datagram = Session(self.codec.decoder())
        datagram.at_eof = True
        datagram.feed(conn.read())
        datagrams.append(datagram)
        action: Action | None = None
        while datagrams and not conn.closed:
            try:
                action = self._nc_deliver(conn, datagrams[0], _is_closed) or action
            except Exception:
                datagrams[0].watch = _forgetting(self._nc_torn, conn)
                self._nc_torn[conn.id] = datagrams
                self._nc_go_on_later(conn)
                raise
            if action is Action.CLOSE or action is Action.SHUTDOWN:
                break
            datagrams.popleft()
        return action

    def _nc_go_on_later(self, conn: Conn) -> None:
        """Has the frames handed out that are here already, if ``on_error`` lets the connection go on.

        A close comes after a ``wake`` that was asked for before it, so this asks after ``on_error`` has.
        """
        with contextlib.suppress(EngineNotRunningError):
            conn.loop.execute(conn.wake)

    def _nc_begin(self, conn: Conn) -> Session:
        # A subclass has an on_close of its own.
        watch = _forgetting(self._nc_sessions, conn)
        session = self._nc_sessions[conn.id] = Session(self.codec.decoder(), watch)
        return session

    def _nc_deliver(self, conn: Conn, session: Session, is_over: Callable[[Conn], bool]) -> Action | None:
        """Hands out frames until there are none, or until a callback has brought the connection to its end.

        Args:
            conn: Whose frames they are.
            session: Has them.
            is_over: Asked after each callback whether the connection takes no more of them, at least for now.
        """
        on_frame = self.on_frame
        while True:
            found = False
            try:
                frames = session.more_frames()
            except FrameError as error:
                found = True
                frames = iter(())
                action = self.on_frame_error(conn, error)
                if action is Action.CLOSE or action is Action.SHUTDOWN:
                    return action
                if action is not None:
                    self._nc_check(conn, "on_frame_error", action)
                if is_over(conn):
                    return None
            for frame in frames:
                found = True
                session.since = 0
                action = on_frame(conn, frame)
                if action is not None:
                    if action is Action.CLOSE or action is Action.SHUTDOWN:
                        return action
                    self._nc_check(conn, "on_frame", action)
                if is_over(conn):
                    return None
            if not found:
                return None

    def _nc_check(self, conn: Conn, name: str, action: object) -> None:
        """Reports what is no ``Action``, without holding up the frames behind it."""
        if action is not Action.NONE:
            self._nc_odd_results.report(self, name, conn, action)


def _count_unread(conn: Conn, decoder: Decoder) -> None:
    """Has the beginning of a long frame count as unread: ``Options.max_inbound`` is for it, too."""
    count = getattr(conn, "count_unread", None)  # a stream of netcore's own has it
    if count is not None:
        count(getattr(decoder, "pending", 0))


def _none() -> None:
    """Stands in for the ``last_frame`` of a decoder that has none."""


def _owe_traffic(conn: Conn) -> None:
    """Has ``on_traffic`` called after a pause, although nothing is unread: it is for the end."""
    owe = getattr(conn, "owe_traffic", None)  # a stream of netcore's own has it
    if owe is not None:
        owe()


def _is_paused(conn: Conn) -> bool:
    """Whether frames are not wanted now. A broken connection is drained although it is paused."""
    return conn.paused and conn.close_reason is None


def _is_unwilling(conn: Conn) -> bool:
    """Whether a stream takes no more frames, at least for now."""
    return conn.closed or _is_paused(conn) or _is_upgrading(conn)


def _is_upgrading(conn: Conn) -> bool:
    """Whether ``start_tls`` was called in this callback."""
    return getattr(conn, "upgrading", False)  # a stream of netcore's own has it


def _is_closed(conn: Conn) -> bool:
    return conn.closed


def _never(conn: Conn) -> bool:
    return False


def _forgetting(table: dict[int, Any], conn: Conn) -> weakref.ref[Conn]:
    """Makes what takes a connection out of a table when it is gone, for as long as it is kept itself."""
    key = conn.id
    return weakref.ref(conn, lambda _: table.pop(key, None))
