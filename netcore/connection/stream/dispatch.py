"""The hot loop: from the bytes of a batch to the handler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netcore.connection.core.callbacks import failed, react, release_views

if TYPE_CHECKING:
    from netcore.connection.core.host import Host
    from netcore.connection.stream.connection import StreamConnection

__all__ = ["deliver", "deliver_one"]


def deliver_one(host: Host, conn: StreamConnection, n: int) -> None:
    """Does what ``deliver`` does for a batch of one, without its loop: 0.7 of 2.4 µs of such a turn.

    Args:
        host: The loop; its arena holds the bytes.
        conn: What was received from.
        n: What ``Sockets.receive_one`` returned.
    """
    if n <= 0:
        conn.received_nothing(n)
    elif conn.receiving:
        if conn._kept is None:
            conn._lo = 0
            conn._hi = n
        else:
            conn.show(0, n)
        if conn.deadlines is not None:
            conn.deadlines.last_in = host.time
        try:
            action = host.handler.on_traffic(conn)
        except BaseException as error:
            action = failed(host, conn, error)  # type: ignore[assignment]
        if conn._lo != conn._hi:
            conn.keep()
        if host.views:
            release_views(host)
        if action is not None:
            react(host, conn, action)
    elif conn.paused:
        conn.show(0, n)
        conn.keep()


def deliver(host: Host, conns: Sequence[StreamConnection], results: Sequence[int]) -> None:
    """Calls ``on_traffic`` once for each connection that bytes have come for.

    Each step here is paid once per message, so the parts of a connection that it touches are spelled
    out rather than called: about half a microsecond less of every message.

    Args:
        host: The loop; its arena holds the bytes, one connection's after the other's.
        conns: The connections that were received from, as many as there are results or more.
        results: What ``Sockets.receive`` returned.
    """
    on_traffic = host.handler.on_traffic
    views = host.views
    lo = 0
    for conn, n in zip(conns, results, strict=False):
        if n <= 0:
            conn.received_nothing(n)
            continue
        hi = lo + n
        if conn.receiving:
            if conn._kept is None:
                conn._lo = lo
                conn._hi = hi
            else:
                conn.show(lo, hi)
            if conn.deadlines is not None:
                conn.deadlines.last_in = host.time
            try:
                action = on_traffic(conn)
            except BaseException as error:
                action = failed(host, conn, error)  # type: ignore[assignment]
            if conn._lo != conn._hi:
                conn.keep()
            if views:
                release_views(host)
            if action is not None:
                react(host, conn, action)
        elif conn.paused:  # by a neighbour's callback, earlier in this batch
            conn.show(lo, hi)
            conn.keep()
        lo = hi
