"""What of the standard library's own transports and loop this package builds on, in one place.

These names are private to asyncio, and the same from CPython 3.10 to 3.14 and in PyPy. What is declared here
is all that is relied upon; the tests run asyncio's own suite, so that a Python that changes it shows.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

__all__ = ["LoopHandle", "SelectorDatagramTransport", "SelectorLoop", "SelectorTransport"]

if TYPE_CHECKING:
    import contextvars
    from asyncio import selector_events

    class LoopHandle(asyncio.Handle):
        """A handle, with what it calls."""

        _callback: Callable[..., object]
        _args: Sequence[object]
        _context: contextvars.Context
        _source_traceback: Any

        def _run(self) -> None: ...

    class LoopTimer(asyncio.TimerHandle):
        """A handle of a timer."""

        _scheduled: bool

    class SelectorLoop(selector_events.BaseSelectorEventLoop):
        """The base class of loops over a selector, with what is not public of it."""

        _ready: deque[asyncio.Handle]
        _scheduled: list[LoopTimer]
        _timer_cancelled_count: int
        _clock_resolution: float
        _stopping: bool
        _closed: bool
        _debug: bool
        _thread_id: int | None
        _selector: selectors.BaseSelector | None
        _ssock: socket.socket | None
        _csock: socket.socket | None
        _signal_handlers: dict[int, asyncio.Handle]
        _transports: Any
        _default_executor: Any

        def _add_reader(self, fd: Any, callback: Callable[..., object], *args: object) -> LoopHandle: ...
        def _remove_reader(self, fd: Any) -> bool: ...
        def _add_writer(self, fd: Any, callback: Callable[..., object], *args: object) -> LoopHandle: ...
        def _remove_writer(self, fd: Any) -> bool: ...
        def _process_events(self, event_list: list[tuple[selectors.SelectorKey, int]]) -> None: ...
        def _ensure_fd_no_transport(self, fd: Any) -> None: ...
        def _accept_connection(self, protocol_factory: Any, sock: socket.socket, *rest: Any) -> None: ...
        def _start_serving(self, protocol_factory: Any, sock: socket.socket, *rest: Any) -> None: ...
        def _check_running(self) -> None: ...
        def _check_closed(self) -> None: ...
        def _run_once(self) -> None: ...

    class _Transport(asyncio.Transport):
        """What transports of streams and of datagrams have in common."""

        max_size: int
        _loop: Any
        _sock: socket.socket
        _sock_fd: int
        _protocol: Any
        _buffer: Any
        _conn_lost: int
        _closing: bool
        _paused: bool
        _extra: dict[str, Any]

        def _fatal_error(self, exc: BaseException, message: str = ...) -> None: ...
        def _force_close(self, exc: BaseException | None) -> None: ...
        def __del__(self, _warn: Callable[..., object] = ...) -> None: ...
        def _call_connection_lost(self, exc: BaseException | None) -> None: ...
        def _add_reader(self, fd: int, callback: Callable[..., object], *args: object) -> None: ...
        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...

    class SelectorTransport(_Transport):
        """A transport of a stream socket."""

        _eof: bool
        _empty_waiter: asyncio.Future[None] | None
        _high_water: int

        def __init__(
            self,
            loop: object,
            sock: socket.socket,
            protocol: asyncio.BaseProtocol,
            waiter: asyncio.Future[None] | None = None,
            extra: dict[str, Any] | None = None,
            server: object = None,
        ) -> None: ...
        def _read_ready(self) -> None: ...
        def _read_ready__on_eof(self) -> None: ...

        if sys.version_info >= (3, 12):
            # Python 3.12 and later take one of these as ``_write_ready`` when they begin.
            def _write_sendmsg(self) -> None: ...
            def _write_send(self) -> None: ...

        def _write_ready(self) -> None: ...
        def _make_empty_waiter(self) -> asyncio.Future[None]: ...
        def _reset_empty_waiter(self) -> None: ...

    class SelectorDatagramTransport(_Transport, asyncio.DatagramTransport):
        """A transport of a datagram socket."""

        _address: Any
        _buffer_size: int

        def __init__(
            self,
            loop: object,
            sock: socket.socket,
            protocol: asyncio.BaseProtocol,
            address: Any = None,
            waiter: asyncio.Future[None] | None = None,
            extra: dict[str, Any] | None = None,
        ) -> None: ...
        def _read_ready(self) -> None: ...
        def _sendto_ready(self) -> None: ...

else:
    from asyncio.selector_events import _SelectorDatagramTransport as SelectorDatagramTransport
    from asyncio.selector_events import _SelectorSocketTransport as SelectorTransport

    LoopHandle = asyncio.Handle
    SelectorLoop = asyncio.SelectorEventLoop
