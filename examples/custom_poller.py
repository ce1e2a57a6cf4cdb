"""A poller of one's own: readiness from the standard library's selectors.

python examples/custom_poller.py tcp://127.0.0.1:9000
nc 127.0.0.1 9000

``netcore.testing.check_poller(SelectorsPoller)`` tells whether it keeps the contract.
"""

import argparse
import errno
import math
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import netcore
from netcore.poll import Interest, Readiness, register_poller

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.echo import Echo

READ, WRITE, EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
READABLE, WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)


class SelectorsPoller:
    """The best selector that the standard library has here, level-triggered only.

    Raises:
        OSError: No descriptor is left.
    """

    name = "selectors"
    supports_edge = False

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._interests: dict[int, int] = {}
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closed = False
        self._lock = threading.RLock()  # reentrant: a signal handler may wake in the midst of a wake

    def register(self, fd: int, interest: int) -> None:
        """See ``netcore.poll.Poller``."""
        self._check(interest)
        if fd in self._interests:
            raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
        # OSError if it is closed: the selectors call a negative number a ValueError, and select(2) complains
        # only in the wait. On Windows the number is not one of C's descriptors, and a socket is asked.
        if os.name == "posix":
            os.fstat(fd)
        elif fd < 0:
            raise OSError(errno.EBADF, f"descriptor {fd} is none")
        else:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd).detach()
        self._change(fd, 0, interest)
        self._interests[fd] = interest

    def modify(self, fd: int, interest: int) -> None:
        """See ``netcore.poll.Poller``."""
        self._check(interest)
        self._change(fd, self._known(fd), interest)
        self._interests[fd] = interest

    def unregister(self, fd: int) -> None:
        """See ``netcore.poll.Poller``."""
        self._check(0)
        interest = self._known(fd)
        del self._interests[fd]
        self._change(fd, interest, 0)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        """See ``netcore.poll.Poller``; the selectors themselves round a short time-out up."""
        self._check(0)
        events = []
        for key, mask in self._select(None if timeout == math.inf else timeout):
            if key.fileobj is self._woken:
                self._drain()
            else:
                # What hangs up or fails is reported as whatever was asked for, which is all a loop needs.
                readable = READABLE if mask & selectors.EVENT_READ else 0
                writable = WRITABLE if mask & selectors.EVENT_WRITE else 0
                events.append((key.fd, readable | writable))
        return events

    def wake(self) -> None:
        """See ``netcore.poll.Poller``. Any thread."""
        with self._lock:  # so that the waker is not closed under the write
            self._check(0)
            with suppress(BlockingIOError):  # full of wakes: one is enough
                self._waker.send(b"\0")

    def close(self) -> None:
        """See ``netcore.poll.Poller``."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._selector.close()
                self._waker.close()
                self._woken.close()

    def _select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits; on the main thread, where signals are handled, one has to end the wait.

        The standard library repeats an interrupted wait (PEP 475), so there must be something to find then:
        the byte that the interpreter writes to the waker.
        """
        if timeout == 0 or threading.current_thread() is not threading.main_thread():
            return self._selector.select(timeout)
        former = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            return self._selector.select(timeout)
        finally:
            signal.set_wakeup_fd(former)

    def _check(self, interest: int) -> None:
        if self._closed:
            raise ValueError("the poller is closed")
        if interest & EDGE:
            raise ValueError("the selectors poller is level-triggered only: it cannot watch with EDGE")

    def _known(self, fd: int) -> int:
        interest = self._interests.get(fd)
        if interest is None:
            raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")
        return interest

    def _change(self, fd: int, before: int, interest: int) -> None:
        """Changes what the selector watches; it knows no empty interest, so that means to leave it."""
        events = _events(interest)
        if not _events(before):
            if events:
                self._selector.register(fd, events)
        elif events:
            self._selector.modify(fd, events)
        else:
            self._selector.unregister(fd)

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass


def _events(interest: int) -> int:
    read = selectors.EVENT_READ if interest & READ else 0
    return read | (selectors.EVENT_WRITE if interest & WRITE else 0)


# From here on Options.poller, the environment variable NETCORE_POLLER and open_poller know the name.
register_poller(SelectorsPoller.name, SelectorsPoller)


def main() -> None:
    """Serves an echo until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Sends back whatever it receives, with a poller of its own.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(
            Echo(), *arguments.addresses, num_event_loops=arguments.loops, poller=SelectorsPoller.name
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"custom_poller: {error}")


if __name__ == "__main__":
    main()
