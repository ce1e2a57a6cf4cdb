"""Listeners that a message has brought to a process."""

from __future__ import annotations

from netcore.engine import GivenListener
from netcore.supervisor.channel import Message

__all__ = ["given_in"]


def given_in(message: Message) -> list[GivenListener]:
    """Reads them, in the order in which they were sent; see ``processes``."""
    columns = zip(message.get("fds", ()), message["tls"], message["kcp"], strict=True)
    return [GivenListener(fd, tls=tls, kcp=kcp) for fd, tls, kcp in columns]
