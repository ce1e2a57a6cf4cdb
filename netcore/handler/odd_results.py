"""Results of callbacks that are no ``Action``: a mistake that a busy server makes at every message."""

from __future__ import annotations

from netcore._complaints import plain
from netcore.handler.interfaces import Conn

__all__ = ["OddResults"]


class OddResults:
    """Says what is wrong once for each class of handlers, callback and type of result. Any thread."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: set[tuple[type, str, type]] = set()

    def report(self, handler: object, name: str, conn: Conn, result: object) -> None:
        """Logs it unless that was done.

        Args:
            handler: Whose callback it was.
            name: The callback's.
            conn: The connection that it was called for.
            result: What it returned.
        """
        kind = type(handler), name, type(result)
        if kind not in self._said:
            self._said.add(kind)
            conn.loop.logger.error(
                "%s of connection %d returned %s, which is no Action and counts as None; this is said once",
                name,
                conn.id,
                _shown(result),
            )


def _shown(result: object) -> str:
    """Shows a result, but no bytes that a stranger has sent: ``return conn.read()`` is such a mistake."""
    if isinstance(result, (bytes, bytearray, memoryview)) and len(result):
        return f"{type(result).__name__} of length {len(result)}"
    try:
        return plain(repr(result))
    except Exception:
        return f"an object of type {type(result).__name__}"
