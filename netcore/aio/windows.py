"""What the standard library's loop over a selector lacks on Windows: pipes and processes.

The transports, and what they ask of the system, are the standard library's: those of its proactor loop, which
has all this.
"""

from __future__ import annotations

import asyncio
import io
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any

from netcore.aio.port import OverlappedPort, Watch
from netcore.aio.standard import SelectorLoop

__all__ = ["WindowsLoop"]

_windows_events: Any = import_module("asyncio.windows_events")
_theirs = _windows_events.ProactorEventLoop


class WindowsLoop(SelectorLoop):
    """A loop over a selector that has pipes and processes, too."""

    _signal_handlers: dict[int, asyncio.Handle] = {}
    """There are none on Windows."""

    _pipes: Any = None
    """The proactor, once there is a pipe or a process."""

    # These need no more of a loop than a proactor.
    _make_duplex_pipe_transport = _theirs._make_duplex_pipe_transport
    _make_subprocess_transport = _theirs._make_subprocess_transport
    create_pipe_connection = _theirs.create_pipe_connection
    start_serving_pipe = _theirs.start_serving_pipe

    @property
    def _proactor(self) -> Any:
        """What the transports of pipes and processes ask."""
        if self._pipes is None:
            self._check_closed()
            self._pipes = _windows_events.IocpProactor()
            self._pipes.set_loop(self)
            self._watch = Watch(OverlappedPort(self._pipes._iocp), _teller(weakref.ref(self)))
        return self._pipes

    def _make_read_pipe_transport(self, pipe: Any, *args: Any, **kwargs: Any) -> asyncio.ReadTransport:
        self._admit(pipe)
        transport: asyncio.ReadTransport = _theirs._make_read_pipe_transport(self, pipe, *args, **kwargs)
        return transport

    def _make_write_pipe_transport(self, pipe: Any, *args: Any, **kwargs: Any) -> asyncio.WriteTransport:
        self._admit(pipe)
        transport: asyncio.WriteTransport = _theirs._make_write_pipe_transport(self, pipe, *args, **kwargs)
        return transport

    def _admit(self, pipe: Any) -> None:
        """Refuses at once what cannot be a transport, which the standard library would find out too late.

        Raises:
            ValueError: It is a file, whose number is not a handle.
            OSError: It was not opened for overlapped calls.
        """
        if isinstance(pipe, io.IOBase):
            raise ValueError("Pipe transport is for pipes of asyncio.windows_utils only, or for sockets")
        self._proactor._register_with_iocp(pipe)

    def _look(self) -> None:
        """Takes what has come to the proactor's port."""
        try:
            self._pipes.select(0)
        finally:
            self._watch.resume()

    def close(self) -> None:
        """See ``asyncio.loop.close``."""
        if self._pipes is not None and not self.is_running():
            self._watch.stop()
            self._pipes.close()  # which cancels, and that must not be too late for call_soon
            self._pipes = None
        super().close()


def _teller(loop_of: weakref.ref[WindowsLoop]) -> Callable[[], None]:
    """Makes what has a loop look, if there is one: the thread must not keep alive what nobody else needs."""

    def tell() -> None:
        loop = loop_of()
        if loop is not None:
            loop.call_soon_threadsafe(loop._look)

    return tell
