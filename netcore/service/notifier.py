"""Telling the service manager how the service is: the protocol of sd_notify(3).

A message is a datagram of lines ``NAME=VALUE`` to the socket that the environment names. It is sent without
waiting, from one socket that stays open: a service that is out of descriptors still says that it lives.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType

from netcore._platform import AF_UNIX, FACTS, NO_SIGNAL

__all__ = ["Notifier"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST = 2048
"""Bytes of a status: systemd refuses messages of more than 4096 altogether (NOTIFY_BUFFER_MAX, PIPE_BUF)."""

_KEPT = 16
"""Messages that wait for room in the peer's socket."""

_FOREVER = (1 << 64) - 1
"""USEC_INFINITY."""


class Notifier:
    """Who is told how this service is; nobody, if there is nobody to tell. Any thread, and signal handlers.

    No method waits or raises: a message that the peer's socket has no room for goes ahead of the next one, or
    by ``flush``; one that cannot be sent is dropped. Also a context manager, which closes it.

    Args:
        address: Where to: a path, or ``@NAME`` for an abstract one. Empty, and what is neither, for nobody.
        watchdog_interval: See below.

    Attributes:
        watchdog_interval: Seconds after which a service that has not called ``watchdog`` is taken for hung. A
            call is due at half of it. None if nobody watches.
    """

    def __init__(self, address: str = "", watchdog_interval: float | None = None) -> None:
        self._address = os.fsencode(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket: socket.socket | None = None
        self._pending: deque[bytes] = deque(maxlen=_KEPT)
        if FACTS.unix_sockets and address[:1] in ("/", "@") and len(address) > 1:
            self._socket = socket.socket(AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self.watchdog_interval: float | None = watchdog_interval if self.active else None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """Makes the notifier that NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID ask for; they stay there.

        Without NOTIFY_SOCKET, and with one of another kind (``vsock:`` of virtual machines), it does nothing.

        Raises:
            OSError: No descriptor is left.
        """
        return cls(environ.get("NOTIFY_SOCKET", ""), _interval(environ))

    def __enter__(self) -> Notifier:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    @property
    def active(self) -> bool:
        """Whether there is somebody to tell."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """The service serves: it has started, or loaded its configuration again."""
        self._send("READY=1", *_status(status))

    def reloading(self, status: str = "") -> None:
        """The service loads its configuration again; ``ready`` says when that is over, be it in vain."""
        # CLOCK_MONOTONIC, by which a manager tells the answer to its own signal (Type=notify-reload).
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", *_status(status))

    def stopping(self, status: str = "") -> None:
        """The service has begun to stop."""
        self._send("STOPPING=1", *_status(status))

    def main_pid(self, pid: int) -> None:
        """Another process is the main one from now on."""
        self._send(f"MAINPID={pid}")

    def status(self, text: str) -> None:
        """Says in one line what the service does, for people; control characters become spaces."""
        self._send(*(_status(text) or ["STATUS="]))

    def extend_timeout(self, seconds: float) -> None:
        """Asks for patience with what is under way, a start, a reload or a stop: so long from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def watchdog(self) -> None:
        """The service is alive. One that finds no room is not sent later: the next one says more."""
        if self.flush():
            self._try(b"WATCHDOG=1")

    def flush(self) -> bool:
        """Sends what has waited for room; returns whether nothing waits any more."""
        while self._pending:
            try:
                message = self._pending.popleft()
            except IndexError:  # another thread has
                break
            if not self._try(message):
                self._pending.appendleft(message)
                return False
        return True

    def close(self) -> None:
        """Tells nobody any more. Idempotent."""
        if self._socket is not None:
            sock, self._socket = self._socket, None
            sock.close()
        self._pending.clear()

    def _send(self, *lines: str) -> None:
        if self._socket is not None:
            self._pending.append("\n".join(lines).encode(errors="replace"))
            self.flush()

    def _try(self, message: bytes) -> bool:
        """Sends a message; returns False if there is no room for it now."""
        sock = self._socket
        if sock is None:
            return True
        try:
            sock.sendto(message, NO_SIGNAL, self._address)
        except (BlockingIOError, InterruptedError):
            return False
        except (OSError, ValueError):  # there is nobody, or no such address
            pass
        return True


def _status(text: str) -> list[str]:
    """Makes the line of a status, of which no text can make two."""
    line = _CONTROL.sub(" ", text).encode(errors="replace")[:_LONGEST].decode(errors="ignore").strip()
    return [f"STATUS={line}"] if line else []


def _interval(environ: Mapping[str, str]) -> float | None:
    """Reads what sd_watchdog_enabled(3) reads: seconds, or None where the watchdog is not this process's."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and 0 < int(text) < _FOREVER):
        return None
    return int(text) / 1e6
