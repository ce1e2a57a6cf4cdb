"""Pollers: readiness from the kernel, behind one small protocol."""

from netcore.poll.columns import ColumnPoller, Columns, columns_of
from netcore.poll.epoll import EpollPoller
from netcore.poll.io_uring import IoUringPoller
from netcore.poll.iocp import IocpPoller
from netcore.poll.kqueue import KqueuePoller
from netcore.poll.protocol import Interest, Poller, Readiness
from netcore.poll.registry import (
    available,
    is_opt_in,
    open_poller,
    open_with,
    poller_names,
    register_poller,
    why_unavailable,
)
from netcore.poll.select import SelectPoller

__all__ = [
    "ColumnPoller",
    "Columns",
    "EpollPoller",
    "Interest",
    "IoUringPoller",
    "IocpPoller",
    "KqueuePoller",
    "Poller",
    "Readiness",
    "SelectPoller",
    "available",
    "columns_of",
    "is_opt_in",
    "open_poller",
    "open_with",
    "poller_names",
    "register_poller",
    "why_unavailable",
]
