"""Datagrams of a server whose hot half is in C: what one of them needs of a port, a connection and an outbox.

Each class here is the twin of one in Python, does the same, and shares with it whatever is not the usual
case: what waits, what fails, what is asked for later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol, cast

from netcore._native import _hot
from netcore.address import Address
from netcore.connection.core import Host, failed, react
from netcore.connection.datagram.answer import BaseDatagramConn
from netcore.connection.datagram.outbox import BaseDatagramOutbox, DatagramOwner, Entry
from netcore.connection.datagram.port import BaseDatagramPort, PortOwner

__all__ = ["HotDatagramConn", "HotDatagramOutbox", "HotDatagramPort", "HotDatagramSockets"]


class HotDatagramSockets(Protocol):
    """Sockets that tell C where it finds what they are made of."""

    receive_cap: int
    """The longest datagram that is received whole, in bytes."""

    def hot_datagrams(self) -> dict[str, int]:
        """Returns addresses of functions of ``netcore.h``; see ``NativeDatagrams.hot_datagrams``."""

    def hot_slots(self) -> int:
        """Returns where datagrams are received into."""


class HotDatagramOutbox(_hot.DatagramOutbox, BaseDatagramOutbox):
    """``DatagramOutbox`` with its entries in arrays of C."""

    __slots__ = BaseDatagramOutbox.FIELDS

    def __init__(self, host: Host, fd: int, owner: DatagramOwner, send: int) -> None:
        backlog: deque[Entry] = deque()
        _hot.DatagramOutbox.__init__(self, host, cast("_hot.Counts", host.counters), backlog, fd, send)
        BaseDatagramOutbox.__init__(self, owner)

    def _take_back(self, batch: list[Entry], failures: Sequence[tuple[int, int]]) -> None:
        """Deals with those of a batch that the kernel has not taken."""
        if refused := self._judge(batch, failures):
            self._queue(batch[-refused:])


class HotDatagramConn(_hot.Datagram, BaseDatagramConn):
    """``DatagramConn`` with its short ways in C, which call what is named here where they end."""

    __slots__ = ()

    _python_discard = BaseDatagramConn.discard
    _python_next = BaseDatagramConn.next
    _python_peek = BaseDatagramConn.peek
    _python_read = BaseDatagramConn.read
    _python_write = BaseDatagramConn.write


_hot.give_methods(HotDatagramConn)


class HotDatagramPort(_hot.Port, BaseDatagramPort):
    """``DatagramPort``, of which C receives and delivers."""

    outbox: HotDatagramOutbox

    def __init__(
        self,
        host: Host,
        fd: int,
        family: int,
        local: Address,
        owner: PortOwner,
        sockets: HotDatagramSockets,
    ) -> None:
        BaseDatagramPort.__init__(self, host, fd, family, local, owner)
        calls = sockets.hot_datagrams()
        self._sockets = sockets
        self.outbox = HotDatagramOutbox(host, fd, self, calls["send"])
        _hot.Port.__init__(
            self,
            host,
            host.handler,
            react,
            failed,
            self.outbox,
            HotDatagramConn,
            calls["receive"],
            sockets.receive_cap,
        )

    def _slots(self) -> int:
        return self._sockets.hot_slots()

    def conn_to(self, name: bytes, /) -> HotDatagramConn:
        """See ``Port.conn_to``."""
        return HotDatagramConn(self, b"", name)
