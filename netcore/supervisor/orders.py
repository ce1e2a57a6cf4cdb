"""What signals and other threads ask of a supervisor: they only queue, and one place acts."""

from __future__ import annotations

import queue
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType

from netcore._signals import hears_signals
from netcore.engine.signal_handlers import handling

__all__ = ["Orders"]

_EVEN_IGNORED = frozenset({"SIGHUP", "SIGCHLD", "SIGTTIN", "SIGTTOU", "SIGUSR2"})
"""Those that are taken although the process ignores them, as under nohup(1): they end nobody."""


class Orders:
    """The names of signals, in the order in which they came. Any thread, signal handlers too.

    A context manager, which has descriptors within its block; what is given before that waits for it.
    """

    _inlet: socket.socket
    _outlet: socket.socket

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._open = False

    def fileno(self) -> int:
        """Returns a descriptor that is readable when there are any."""
        return self._outlet.fileno()

    def give(self, name: str) -> None:
        """Adds one. Any thread."""
        self._waiting.put(name)
        if self._open:
            with suppress(OSError):  # full: whoever waits is awake
                self._inlet.send(b"\0")

    def take(self) -> Iterator[str]:
        """Yields those that wait."""
        with suppress(OSError):
            while self._outlet.recv(4096):
                pass
        while True:
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return

    @contextmanager
    def taken(self, names: Iterable[str]) -> Iterator[None]:
        """Takes the signals of these names during the block, on the main thread; on others none."""
        numbers = {getattr(signal, name): name for name in names if hasattr(signal, name)}
        tame = [number for number, name in numbers.items() if name in _EVEN_IGNORED]
        wild = [number for number in numbers if number not in tame]

        def handle(number: int, frame: FrameType | None) -> None:
            self.give(numbers[number])

        with handling(tame, handle, even_ignored=True), handling(wild, handle):
            main = hears_signals()
            # Python runs handlers between two steps of the main thread, which may sleep: this wakes it.
            before = signal.set_wakeup_fd(self._inlet.fileno(), warn_on_full_buffer=False) if main else -1
            try:
                yield
            finally:
                if main:
                    signal.set_wakeup_fd(before)

    def __enter__(self) -> Orders:
        """Opens its descriptors, and returns itself."""
        self._inlet, self._outlet = socket.socketpair()
        for end in (self._inlet, self._outlet):
            end.setblocking(False)
        self._open = True
        self._inlet.send(b"\0")  # for what was given before
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes its descriptors."""
        self._open = False
        self._inlet.close()
        self._outlet.close()
