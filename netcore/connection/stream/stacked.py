"""A filter above that of a session, as TLS on KCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netcore.connection.stream.filters import Filter
from netcore.sockets import Chunk

if TYPE_CHECKING:
    import ssl

    from netcore.tls import TlsInfo

__all__ = ["StackedFilters"]


class StackedFilters:
    """Two filters as one, of which the lower one is a session's: what comes has passed that one already.

    Args:
        upper: The one next to the application.
        lower: The one next to the network.
    """

    def __init__(self, upper: Filter, lower: Filter) -> None:
        self._upper = upper
        self._lower = lower

    @property
    def ended(self) -> bool:
        """See ``Filter.ended``: in the upper one's way, since a session knows none."""
        return self._upper.ended

    @property
    def held(self) -> int:
        """See ``Filter.held``; what the upper one has made counts as long as the lower one holds it."""
        return self._upper.held + self._lower.held

    @property
    def failure(self) -> Exception | None:
        """See ``Filter.failure``."""
        return self._upper.failure

    @property
    def info(self) -> TlsInfo | None:
        """What the upper one says of itself, if it is TLS."""
        return getattr(self._upper, "info", None)

    @property
    def session(self) -> ssl.SSLSession | None:
        """Likewise."""
        return getattr(self._upper, "session", None)

    def feed(self, data: memoryview) -> bytes:
        """See ``Filter.feed``."""
        return self._upper.feed(data)

    def wrap(self, chunks: Sequence[Chunk]) -> None:
        """See ``Filter.wrap``."""
        self._upper.wrap(chunks)

    def finish(self) -> None:
        """See ``Filter.finish``."""
        self._upper.finish()

    def output(self) -> bytes:
        """See ``Filter.output``."""
        if between := self._upper.output():
            self._lower.wrap((between,))
        return self._lower.output()

    def end_of_stream(self) -> Exception | None:
        """See ``Filter.end_of_stream``."""
        return self._upper.end_of_stream()
