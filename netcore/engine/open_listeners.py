"""What an engine listens on, from its start on and as it comes and goes while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from netcore._latch import Latch
from netcore._machine import current
from netcore.address import Address
from netcore.engine.given import GivenListener, Source
from netcore.eventloop import Acceptor, DatagramListener, Loop

__all__ = ["OpenListener", "OpenListeners", "Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """One socket of a listener, on the loop that serves it.

    Attributes:
        loop: That loop.
        listener: What serves it there.
        share: Tells that somebody else may listen on the socket, too.
    """

    loop: Loop
    listener: Acceptor | DatagramListener
    share: Callable[[], object]

    def dup(self) -> int:
        """Duplicates the descriptor. Any thread; OSError once it is closed."""
        self.share()  # first: in between the listener may be closed
        return self.listener.dup()


class OpenListener:
    """A listener: a socket, or one for each loop where the kernel balances them. Any thread.

    Args:
        source: What it was made from.
        wanted: The address under which it was asked for.
        address: Where it listens, with the real port.
        parts: Its sockets.
    """

    def __init__(self, source: Source, wanted: Address, address: Address, parts: Iterable[Part]) -> None:
        self.source = source
        self.wanted = wanted
        self.address = address
        self._parts = tuple(parts)
        self._left = list(range(len(self._parts)))
        self._closed = current().make(Latch)  # opened when the last of them is closed

    def dup(self) -> int:
        """Duplicates the descriptor of one of its sockets; OSError once it is closed."""
        return self._parts[0].dup()

    def start(self) -> None:
        """Has the loops accept from it, which run already."""
        for part in self._parts:
            part.loop.post(part.loop.start_listening, part.listener)

    def close(self, closed: Callable[[], object]) -> None:
        """Has the loops close it; ``closed`` is called when the last of them has, on its thread."""
        for part in self._parts:
            part.loop.post(self._close, part, closed)

    def _close(self, part: Part, closed: Callable[[], object]) -> None:
        try:
            part.loop.stop_listening(part.listener)
        finally:
            if self._left.pop() == 0:  # one loop is the last, whichever else is at it
                closed()
                self._closed.open()

    def wait(self, timeout: float) -> bool:
        """Waits so many seconds for the last of its sockets to be closed; returns whether that is so."""
        return self._closed.wait(timeout)


class OpenListeners:
    """The listeners of an engine, in the order in which they were opened. Any thread."""

    def __init__(self, listeners: Iterable[OpenListener] = ()) -> None:
        self._open = list(listeners)
        self._closing: list[OpenListener] = []

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where they listen."""
        return tuple(listener.address for listener in self._open)

    @property
    def closing(self) -> int:
        """How many of those that were closed may still accept."""
        return len(self._closing)

    def add(self, listener: OpenListener) -> None:
        """Adds one more."""
        self._open.append(listener)

    def find(self, address: Address | None) -> OpenListener:
        """Returns the first that listens on an address, or was asked for under it; the first of all for None.

        Raises:
            ValueError: There is none.
        """
        for listener in list(self._open):
            if address in (None, listener.address, listener.wanted):
                return listener
        raise ValueError(f"the engine does not listen on {str(address or 'any address')!r}")

    def close(self, which: Address | GivenListener) -> OpenListener:
        """Takes one out and has it closed.

        Args:
            which: The last that was made from this, else the last that listens there or was asked for so.

        Raises:
            ValueError: There is none.
        """
        while True:
            listener = self._last(which)
            self._closing.append(listener)  # first, so that it is counted all the time
            try:
                self._open.remove(listener)
            except ValueError:  # another thread was faster
                self._closing.remove(listener)
                continue
            listener.close(partial(self._closing.remove, listener))
            return listener

    def _last(self, which: Address | GivenListener) -> OpenListener:
        listeners = list(reversed(self._open))
        if isinstance(which, GivenListener):
            wanted = which.address
            same = [each for each in listeners if each.source is which]
            found = same or [each for each in listeners if each.source == which]
        else:
            wanted = which
            found = [each for each in listeners if which in (each.address, each.wanted)]
        if not found:
            raise ValueError(f"the engine does not listen on {str(wanted)!r}")
        return found[0]
