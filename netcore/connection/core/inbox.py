"""The memory that a loop receives into, and the views of it that callbacks are given."""

from __future__ import annotations

from typing import Protocol

from netcore.connection.core.fields import NO_FIELDS
from netcore.sockets import Arena

__all__ = ["BaseInbox", "Inbox"]


class _Receiving(Protocol):
    """The part of ``Sockets`` that owns the memory."""

    @property
    def arena(self) -> Arena:
        """See ``Sockets.arena``."""

    def renew_arena(self) -> None:
        """See ``Sockets.renew_arena``."""


class BaseInbox:
    """An arena that each batch overwrites, and views that live as long as a callback. The loop's thread.

    Args:
        sockets: What receives.

    Attributes:
        arena: Where the bytes of the current batch lie.
        whole: The same memory as a read-only view.
        views: The views that the current callback was given, of the arena or of anything else.
        lent: Whether somebody still looks at the arena, so that the next receive must not overwrite it.
    """

    __slots__ = NO_FIELDS

    FIELDS = ("_sockets", "arena", "lent", "views", "whole")

    arena: Arena
    whole: memoryview
    views: list[memoryview]
    lent: bool
    _sockets: _Receiving

    def __init__(self, sockets: _Receiving) -> None:
        self._sockets = sockets
        self.views = []
        self._take_arena()

    def _take_arena(self) -> None:
        self.arena = self._sockets.arena
        self.whole = memoryview(self.arena).toreadonly()
        self.lent = False

    def renew(self) -> None:
        """Goes on with fresh memory if the old one is lent. Before a receive, when no batch is under way."""
        if self.lent:
            self._sockets.renew_arena()
            self._take_arena()

    def release_views(self) -> None:
        """Ends the life of the views that a callback was given.

        A view that somebody exports further, such as an array made of it, cannot be released. Then the memory
        is left to it, so that what it shows stays as it is.
        """
        for view in self.views:
            try:
                view.release()
            except BufferError:
                self.lent = True
        self.views.clear()


class Inbox(BaseInbox):
    """An inbox in Python; ``HotInbox`` is the same where C reads from it."""

    __slots__ = BaseInbox.FIELDS
