"""Who owns a datagram socket that is closed: what it was owned by is not to be kept by it."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["NOBODY"]


class _Nobody:
    """A ``DatagramOwner`` and a ``PortOwner`` that hears what comes too late, which is of no use any more."""

    __slots__ = ()

    def conn_to(self, name: bytes, /) -> NoReturn:
        raise AssertionError("nothing is sent by a socket that is closed")

    def send_failed(self, sender: object, error: OSError) -> None:
        pass

    def overflowed(self, waiting: int) -> None:
        pass

    def had_share(self) -> None:
        pass

    def sent(self, size: int) -> None:
        pass

    def drained(self) -> None:
        pass

    def watch_writable(self, on: bool) -> None:
        pass

    def report_drop(self, waiting: int) -> None:
        pass

    def rest(self) -> None:
        pass

    def fault(self, error: Exception) -> None:
        pass


NOBODY = _Nobody()
