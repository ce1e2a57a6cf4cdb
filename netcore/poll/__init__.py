"""Pollers: readiness from the kernel, behind one small protocol."""

from netcore.poll.epoll import EpollPoller
from netcore.poll.protocol import Interest, Poller, Readiness
from netcore.poll.registry import available, open_poller, poller_names, register_poller, why_unavailable
from netcore.poll.select import SelectPoller

__all__ = [
    "EpollPoller",
    "Interest",
    "Poller",
    "Readiness",
    "SelectPoller",
    "available",
    "open_poller",
    "poller_names",
    "register_poller",
    "why_unavailable",
]
