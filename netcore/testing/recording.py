"""A handler that remembers what it was told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from netcore._durations import seconds, waitable
from netcore.handler import Action, Conn, EngineView, EventHandler, Timeout

__all__ = ["Recorded", "RecordingHandler"]


_Result = TypeVar("_Result")


class Recorded(NamedTuple):
    """One callback.

    Attributes:
        name: Such as "on_open".
        conn: The connection; None for callbacks of the engine.
        detail: The bytes read by ``on_traffic``, or the error of ``on_close`` and ``on_error``.
    """

    name: str
    conn: Conn | None
    detail: object = None


class RecordingHandler(EventHandler):
    """Records every callback, and does what the test gives it to do. Any thread may look.

    Args:
        callbacks: Functions by the name of a callback, with its arguments and its result. Without one
            ``on_traffic`` reads everything, ``on_eof``, ``on_timeout`` and ``on_error`` close, and the
            rest does nothing.

    Attributes:
        events: What was recorded, oldest first.
    """

    def __init__(self, **callbacks: Callable[..., Any]) -> None:
        unknown = [name for name in callbacks if not callable(getattr(EventHandler, name, None))]
        if unknown:
            raise TypeError(f"EventHandler has no callback {unknown[0]!r}")
        self.events: list[Recorded] = []
        self._under_way: list[Recorded] = []
        self._callbacks = callbacks
        self._changed = threading.Condition()

    def names(self, conn: Conn | None = None) -> list[str]:
        """Returns the names of what was recorded, of one connection if it is given."""
        return [event.name for event in self.events if conn is None or event.conn is conn]

    def details(self, name: str) -> list[object]:
        """Returns the details of the callbacks of one name."""
        return [event.detail for event in self.events if event.name == name]

    def received(self) -> bytes:
        """Returns all bytes that the default ``on_traffic`` has read."""
        return b"".join(detail for detail in self.details("on_traffic") if isinstance(detail, bytes))

    def wait_for(self, name: str, count: int = 1, timeout: float = 30) -> Recorded:
        """Waits until a callback has come and returned so many times; returns the last of these.

        What the callback does is done by then. What follows from its result, such as the close that it asks
        for, comes after it.

        Raises:
            AssertionError: It did not within ``timeout`` seconds.
        """
        limit = waitable(seconds(timeout, "a timeout"))
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_come(name, count), limit):
                raise AssertionError(
                    f"{name} came {self.names().count(name)} times, not {count}, in {timeout} s"
                    f"{' and has not returned' * any(event.name == name for event in self._under_way)}"
                )
            return [event for event in self.events if event.name == name][count - 1]

    def _has_come(self, name: str, count: int) -> bool:
        came = [event for event in self.events if event.name == name][:count]
        return len(came) == count and not any(event is other for event in self._under_way for other in came)

    def _record(
        self, default: _Result, args: tuple[object, ...], name: str, conn: Conn | None, detail: object = None
    ) -> _Result:
        """Records a callback and does what the test gave it to do; it is under way until that has ended."""
        event = Recorded(name, conn, detail)
        with self._changed:
            self.events.append(event)
            self._under_way.append(event)
        try:
            callback = self._callbacks.get(name)
            result: _Result = default if callback is None else callback(*args)
            return result
        finally:
            with self._changed:
                self._under_way = [other for other in self._under_way if other is not event]
                self._changed.notify_all()

    def on_boot(self, engine: EngineView) -> Action | None:
        """Recorded."""
        return self._record(Action.NONE, (engine,), "on_boot", None)

    def on_shutdown(self, engine: EngineView) -> None:
        """Recorded."""
        self._record(None, (engine,), "on_shutdown", None)

    def on_open(self, conn: Conn) -> Action | None:
        """Recorded."""
        return self._record(Action.NONE, (conn,), "on_open", conn)

    def on_traffic(self, conn: Conn) -> Action | None:
        """Recorded, with what was read."""
        if "on_traffic" not in self._callbacks:
            return self._record(None, (conn,), "on_traffic", conn, conn.read())
        return self._record(Action.NONE, (conn,), "on_traffic", conn)

    def on_eof(self, conn: Conn) -> Action | None:
        """Recorded."""
        return self._record(Action.CLOSE, (conn,), "on_eof", conn)

    def on_writable(self, conn: Conn) -> Action | None:
        """Recorded."""
        return self._record(Action.NONE, (conn,), "on_writable", conn)

    def on_timeout(self, conn: Conn, timeout: Timeout) -> Action | None:
        """Recorded, with the kind of deadline."""
        return self._record(Action.CLOSE, (conn, timeout), "on_timeout", conn, timeout)

    def on_error(self, conn: Conn, error: Exception) -> Action | None:
        """Recorded, with the error."""
        return self._record(Action.CLOSE, (conn, error), "on_error", conn, error)

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        """Recorded, with the error."""
        return self._record(Action.NONE, (conn, error), "on_close", conn, error)

    def on_tick(self, engine: EngineView) -> float | None:
        """Recorded."""
        no_more: float | None = None
        return self._record(no_more, (engine,), "on_tick", None)
