"""A handler that remembers what it was told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from netcore.handler import Action, Conn, EventHandler, Timeout

if TYPE_CHECKING:
    from netcore.engine import Engine

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
        """Waits until a callback has come so many times; returns the last of these.

        Raises:
            AssertionError: It did not within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.names().count(name) >= count, timeout):
                raise AssertionError(
                    f"{name} came {self.names().count(name)} times, not {count}, in {timeout} s"
                )
            return [event for event in self.events if event.name == name][count - 1]

    def _record(self, name: str, conn: Conn | None, detail: object = None) -> None:
        with self._changed:
            self.events.append(Recorded(name, conn, detail))
            self._changed.notify_all()

    def _respond(self, name: str, default: _Result, *args: object) -> _Result:
        callback = self._callbacks.get(name)
        result: _Result = default if callback is None else callback(*args)
        return result

    def on_boot(self, engine: Engine) -> Action | None:
        """Recorded."""
        self._record("on_boot", None)
        return self._respond("on_boot", Action.NONE, engine)

    def on_shutdown(self, engine: Engine) -> None:
        """Recorded."""
        self._record("on_shutdown", None)
        self._respond("on_shutdown", None, engine)

    def on_open(self, conn: Conn) -> Action | None:
        """Recorded."""
        self._record("on_open", conn)
        return self._respond("on_open", Action.NONE, conn)

    def on_traffic(self, conn: Conn) -> Action | None:
        """Recorded, with what was read."""
        if "on_traffic" not in self._callbacks:
            self._record("on_traffic", conn, conn.read())
            return None
        self._record("on_traffic", conn)
        return self._respond("on_traffic", Action.NONE, conn)

    def on_eof(self, conn: Conn) -> Action | None:
        """Recorded."""
        self._record("on_eof", conn)
        return self._respond("on_eof", Action.CLOSE, conn)

    def on_writable(self, conn: Conn) -> Action | None:
        """Recorded."""
        self._record("on_writable", conn)
        return self._respond("on_writable", Action.NONE, conn)

    def on_timeout(self, conn: Conn, timeout: Timeout) -> Action | None:
        """Recorded, with the kind of deadline."""
        self._record("on_timeout", conn, timeout)
        return self._respond("on_timeout", Action.CLOSE, conn, timeout)

    def on_error(self, conn: Conn, error: Exception) -> Action | None:
        """Recorded, with the error."""
        self._record("on_error", conn, error)
        return self._respond("on_error", Action.CLOSE, conn, error)

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        """Recorded, with the error."""
        self._record("on_close", conn, error)
        return self._respond("on_close", Action.NONE, conn, error)

    def on_tick(self, engine: Engine) -> float | None:
        """Recorded."""
        self._record("on_tick", None)
        no_more: float | None = None
        return self._respond("on_tick", no_more, engine)
