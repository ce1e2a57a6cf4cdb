"""Windows' completion port for pipes and processes, and the thread that tells a loop of what has come there.

A poller waits for sockets. Pipes and processes of Windows are waited for at a completion port; all about them
is known to the standard library's ``IocpProactor``, which would wait by itself. So a thread waits there:
what it takes out it puts back, asks the loop to look, and waits on when that has looked. All else is done on
the loop's thread, by the standard library's code. A loop has one such thread at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Protocol

__all__ = ["OverlappedPort", "Port", "Watch"]


class Port(Protocol):
    """A completion port."""

    def wait(self) -> bool:
        """Waits until there is a completion, and leaves it there; False if it was ``end``'s, which it takes.

        Raises:
            OSError: The port is closed.
        """

    def end(self) -> None:
        """Has ``wait`` return False once. Any thread."""


class OverlappedPort:
    """``Port`` over the standard library's ``_overlapped``.

    It calls GetQueuedCompletionStatus and PostQueuedCompletionStatus.

    Args:
        handle: Of the completion port, which must outlive this.
    """

    _END = 1
    """The address of no operation; 0 is an error to ``_overlapped``."""

    def __init__(self, handle: int) -> None:
        overlapped: Any = import_module("_overlapped")
        self._take = partial(overlapped.GetQueuedCompletionStatus, handle, overlapped.INFINITE)
        self._put = partial(overlapped.PostQueuedCompletionStatus, handle)

    def wait(self) -> bool:
        """See ``Port.wait``."""
        _error, transferred, key, address = self._take()
        if address == self._END:
            return False
        # What has become of it, an error too, stands in the OVERLAPPED itself, where asyncio reads it.
        self._put(transferred, key, address)
        return True

    def end(self) -> None:
        """See ``Port.end``."""
        self._put(0, 0, self._END)


class Watch:
    """A thread that tells when there is a completion; it does not keep the process from ending.

    Args:
        port: Where to wait.
        tell: Called on the thread when there is one, and after each ``resume`` when there is one again. A
            RuntimeError says that nobody listens any more.
    """

    def __init__(self, port: Port, tell: Callable[[], object]) -> None:
        self._port = port
        self._tell = tell
        self._looked = threading.Semaphore(0)
        self._stopping = False
        self._left = False
        self._thread = threading.Thread(target=self._run, name="netcore-pipes", daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Has the thread wait again, for it has been seen what it told of."""
        self._looked.release()

    def stop(self) -> None:
        """Ends the thread. What has come and was not taken stays in the port, which can be closed then."""
        self._stopping = True
        if threading.current_thread() is self._thread:  # a loop that nobody has closed was collected here
            self._left = True
        else:
            self._port.end()
        self._looked.release()
        if not self._left:
            self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):  # closed by a loop that was collected on this thread, see stop()
            while not self._left and self._port.wait():
                if not self._stopping:  # else the end is next: it was put in before this was put back
                    with suppress(RuntimeError):
                        self._tell()
                    self._looked.acquire()
