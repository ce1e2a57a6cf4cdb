"""Where a poller is put to the test: wires to watch, and eyes that tolerate what callers must tolerate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import repeat

from netcore.poll import Poller, Readiness, columns_of
from netcore.testing.conformance import wires
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.surroundings import Surroundings, surroundings
from netcore.testing.conformance.wires import SocketPair, Wire

__all__ = ["LOOKS", "PollerBench", "Watchdog"]

LOOKS = 20
"""Looks in which a poller may be spuriously ready before that counts as wrong."""

_ALL_READINESS = sum(Readiness)
_READABLE = int(Readiness.READABLE)


class PollerBench:
    """A poller, the wires opened for it, and the descriptors it has been told to watch.

    Attributes:
        poller: What is being checked.
        on_kernel: Whether it sits on the kernel's sockets, clock and signals; one that offers
            ``open_pair`` does not.
        fileno: The poller's method of that name, or None if it has none.
        watched: The registered descriptors.
        surroundings: What there is besides.

    Args:
        poller: What is to be checked.
        by_columns: Whether to wait with ``wait_columns``, where it has that, and not with ``wait``.
    """

    def __init__(self, poller: Poller, by_columns: bool = False) -> None:
        self.poller = poller
        self._wait_columns = columns_of(poller) if by_columns else None
        open_pair: Callable[[], Wire] | None = getattr(poller, "open_pair", None)
        self.on_kernel = open_pair is None
        self.fileno: Callable[[], int] | None = getattr(poller, "fileno", None)
        self.watched: set[int] = set()
        self.surroundings: Surroundings = surroundings()
        self._open_pair: Callable[[], Wire] = open_pair or SocketPair
        self._wires: list[Wire] = []

    def open(self) -> Wire:
        """Opens a wire that is closed at the end."""
        wire = self._open_pair()
        self._wires.append(wire)
        return wire

    def close(self) -> None:
        """Closes the poller and every wire."""
        try:
            self.poller.close()
        finally:
            for wire in self._wires:
                wire.close()

    def register(self, wire: Wire, interest: int) -> None:
        """Registers a wire and remembers it."""
        self.poller.register(wire.fd, interest)
        self.watched.add(wire.fd)

    def unregister(self, wire: Wire) -> None:
        """Unregisters a wire; the poller must not report it from here on."""
        self.poller.unregister(wire.fd)
        self.watched.discard(wire.fd)

    def look(self, timeout: float | None = 0) -> dict[int, int]:
        """Waits once; returns readiness by descriptor after checking the form of what was reported."""
        events = self.poller.wait(timeout) if self._wait_columns is None else self._joined(timeout)
        require(isinstance(events, Sequence), f"wait() returns {events!r} instead of a sequence.")
        found: dict[int, int] = {}
        for event in events:
            fd, readiness = _checked_pair(event)
            require(fd in self.watched, f"wait() reports descriptor {fd}, which is not registered.")
            is_flags = 0 < readiness <= _ALL_READINESS
            require(is_flags, f"wait() reports the readiness {readiness}, which is no combination of flags.")
            found[fd] = found.get(fd, 0) | readiness
        return found

    def _joined(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        assert self._wait_columns is not None
        fds, flags = self._wait_columns(timeout)
        whole = flags is None or len(flags) == len(fds)
        require(whole, f"wait_columns() returns {fds!r} and {flags!r}, which are not of one length.")
        return list(zip(fds, flags or repeat(_READABLE), strict=False))

    def until(self, wire: Wire, flags: int, sentence: str) -> int:
        """Waits until a wire is ready for one of some flags.

        Args:
            wire: What to look for; other wires' reports are passed over.
            flags: One or more of ``Readiness``.
            sentence: What is wrong if that does not happen.

        Returns:
            All that was reported of the wire with it.
        """
        deadline = time.monotonic() + wires.PATIENCE
        while True:
            left = deadline - time.monotonic()
            readiness = self.look(max(left, 0)).get(wire.fd, 0)
            if readiness & flags:
                return readiness
            require(left > 0, sentence)
            self.surroundings.settle()

    def quiet(self, wire: Wire, flags: int, sentence: str) -> None:
        """Requires that a wire is not, or soon no longer, reported with some flags."""
        for _ in range(LOOKS):
            if not self.look().get(wire.fd, 0) & flags:
                return
        raise AssertionError(sentence)

    @contextmanager
    def watchdog(self) -> Iterator[Watchdog]:
        """Guards waits that should end by themselves: ends one that has not after ``PATIENCE``."""
        wire = self.open()
        self.register(wire, 1)
        dog = Watchdog(self.poller, wire, self.surroundings)
        try:
            yield dog
        finally:
            dog.dismiss()
        self.unregister(wire)


def _checked_pair(event: object) -> tuple[int, int]:
    if isinstance(event, tuple) and len(event) == 2:
        fd, readiness = event
        if isinstance(fd, int) and isinstance(readiness, int):
            return fd, readiness
    raise AssertionError(f"wait() reports {event!r} instead of a pair of integers.")


class Watchdog:
    """Ends a wait that lasts too long, by a wake and, since wakes may be what is broken, by readiness.

    Attributes:
        barked: Whether it had to.
    """

    def __init__(self, poller: Poller, wire: Wire, around: Surroundings) -> None:
        self.barked = False
        self._poller = poller
        self._wire = wire
        self._patience = around.beside(wires.PATIENCE, self._bark)

    def _bark(self) -> None:
        self.barked = True
        self._wire.make_readable()
        with suppress(Exception):
            self._poller.wake()

    def dismiss(self) -> None:
        """Calls it off."""
        self._patience.cancel()
        self._patience.join()
