"""A selector of the standard library over a poller: what asyncio waits with."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from netcore.poll import Interest, Poller, Readiness

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["PollerSelector"]

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_BOTH = _READ | _WRITE
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_EVENTS = tuple(
    (_READ if readiness & ~_WRITABLE else 0) | (_WRITE if readiness & ~_READABLE else 0)
    for readiness in range(
        int(Readiness.READABLE | Readiness.WRITABLE | Readiness.HANGUP | Readiness.ERROR) + 1
    )
)
"""What each readiness means here: an error, or a hang-up, is for reader and writer to find out."""


def _interest(events: int) -> int:
    if not events or events & ~_BOTH:
        raise ValueError(f"Invalid events: {events!r}")
    return (Interest.READ if events & _READ else 0) | (Interest.WRITE if events & _WRITE else 0)


def _number(fileobj: Any) -> int:
    """Returns the descriptor of a file object, or the number that it is."""
    if isinstance(fileobj, int):
        fd = fileobj
    else:
        try:
            fd = int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


class _Registered(Mapping[Any, selectors.SelectorKey]):
    """What is registered, by file object or descriptor."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys)

    def find(self, fileobj: Any) -> int | None:
        """Returns the descriptor under which an object is registered, also when it was closed since then."""
        if isinstance(fileobj, int):
            return fileobj if fileobj in self._keys else None
        try:
            fd = _number(fileobj)
        except ValueError:
            for key in self._keys.values():
                if key.fileobj is fileobj:
                    return key.fd
            raise
        return fd if fd in self._keys else None

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        fd = self.find(fileobj)
        if fd is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return self._keys[fd]

    def get(self, fileobj: Any, default: Any = None) -> Any:
        """See ``Mapping.get``; asked by asyncio for every change."""
        fd = self.find(fileobj)
        return default if fd is None else self._keys[fd]


class PollerSelector(selectors.BaseSelector):
    """Watches files with a poller. One thread.

    Args:
        poller: What waits; closed with the selector.
    """

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._registered: _Registered | None = _Registered(self._keys)

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """See ``selectors.BaseSelector.register``.

        Raises:
            ValueError: The events are none that there are, or the object has no descriptor.
            KeyError: It is registered.
            OSError: The poller cannot watch it.
        """
        interest = _interest(events)
        fd = _number(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        self.poller.register(fd, interest)
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """See ``selectors.BaseSelector.unregister``; KeyError if it is not registered."""
        key = self.get_map()[fileobj]
        del self._keys[key.fd]
        with suppress(OSError):  # it may have been closed, and the kernel has forgotten it
            self.poller.unregister(key.fd)
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """See ``selectors.BaseSelector.modify``; KeyError if it is not registered."""
        key = self.get_map()[fileobj]
        if events != key.events:
            interest = _interest(events)
            try:
                self.poller.modify(key.fd, interest)
            except BaseException:
                del self._keys[key.fd]
                with suppress(OSError):
                    self.poller.unregister(key.fd)
                raise
        changed = self._keys[key.fd] = selectors.SelectorKey(key.fileobj, key.fd, events, data)
        return changed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See ``selectors.BaseSelector.select``; in seconds, without waiting if that is not above zero.

        A wait that ends with nothing found, as by a signal (PEP 475), goes on for the rest of the time.
        """
        left = None if timeout is None else max(timeout, 0.0)
        end = None if left is None else time.monotonic() + left
        while True:
            events = self.events_of(self.poller.wait(left))
            if end is not None:
                left = max(end - time.monotonic(), 0.0)
            if events or left == 0.0:
                return events

    def events_of(self, found: Any) -> list[tuple[selectors.SelectorKey, int]]:
        """Says of what a poller has found which files it is, and what they are ready for."""
        events = []
        keys = self._keys
        for fd, readiness in found:
            key = keys.get(fd)
            if key is not None and _EVENTS[readiness] & key.events:
                events.append((key, _EVENTS[readiness] & key.events))
        return events

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See ``selectors.BaseSelector.get_map``.

        Raises:
            RuntimeError: The selector is closed.
        """
        if self._registered is None:
            raise RuntimeError("Selector is closed")
        return self._registered

    def key_of(self, fd: int) -> selectors.SelectorKey | None:
        """Returns what a descriptor is registered for, or None."""
        return self._keys.get(fd)

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """See ``selectors.BaseSelector.get_key``."""
        return self.get_map()[fileobj]

    def close(self) -> None:
        """Closes the poller; no error if it is closed."""
        self._keys.clear()
        self._registered = None
        self.poller.close()
