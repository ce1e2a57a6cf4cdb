"""A service manager, as far as its socket goes."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Manager:
    """Listens at a path, or at an abstract name, and reads what a service says."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(30)

    def hear(self) -> dict[str, str]:
        """Returns the next message, its lines by name."""
        lines = self._socket.recv(65536).decode().split("\n")
        message = dict(line.split("=", 1) for line in lines)
        assert len(message) == len(lines), lines
        return message

    def hear_besides(self, name: str) -> dict[str, str]:
        """Returns the next one that has no line of this name."""
        while name in (message := self.hear()):
            pass
        return message

    def heard(self) -> list[dict[str, str]]:
        """Returns the messages that are there, without waiting."""
        found = []
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.hear())
        self._socket.settimeout(30)
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    """A service manager with a socket in a short path: sun_path has room for 107 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        manager = Manager(str(Path(folder) / "notify"))
        yield manager
        manager.close()


@pytest.fixture
def manager_at() -> Iterator[Callable[[str], Manager]]:
    """Service managers at given addresses."""
    with contextlib.ExitStack() as stack:

        def make(address: str) -> Manager:
            made = Manager(address)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for something to be so."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    return wait
