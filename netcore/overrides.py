"""Fields of ``Options`` as keywords, so that type checkers and editors know each.

A ``TypedDict`` is the only way to say so (PEP 692); a test keeps these equal to the fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Callable

    from netcore.address import Address
    from netcore.kcp import KcpOptions
    from netcore.lb import LoadBalancer
    from netcore.poll import Poller

__all__ = ["OptionOverrides", "ProcessOverrides"]


class _Plain(TypedDict, total=False):
    """Options that mean the same in this process and for others."""

    multicore: bool
    num_event_loops: int
    edge_triggered: bool
    edge_triggered_chunk: int
    reuse_addr: bool
    reuse_port: bool
    backlog: int
    read_buffer_cap: int
    write_buffer_cap: int
    high_water: int
    low_water: int
    max_outbound: int
    max_inbound: int
    max_connections: int
    max_connections_policy: str
    idle_timeout: float
    close_timeout: float
    shutdown_delay: float
    shutdown_timeout: float
    tcp_no_delay: bool
    tcp_keep_alive: float
    tcp_keep_interval: float
    tcp_keep_count: int
    socket_recv_buffer: int
    socket_send_buffer: int
    bind_to_device: str
    multicast_interface: int
    ticker: bool
    cpu_affinity: bool
    access_log: bool
    asyncio: bool
    debug: bool
    rebalance_interval: float
    watchdog: float
    proxy_protocol: bool
    proxy_protocol_from: tuple[str, ...]
    proxy_protocol_timeout: float
    tls_handshake_timeout: float
    kcp: KcpOptions | None
    admin: str | Address


class OptionOverrides(_Plain, total=False):
    """The fields of ``Options`` as the keywords of a function, none of which has to be given.

    For functions of one's own that pass them on::

        def serve(**overrides: Unpack[OptionOverrides]) -> None:
            netcore.run(Echo(), "tcp://127.0.0.1:9000", **overrides)

    ``Unpack`` is in ``typing`` from Python 3.11 on, and in ``typing_extensions``.
    """

    load_balancer: str | LoadBalancer
    poller: str | Callable[[], Poller] | None
    log_path: str
    log_level: int
    logger: logging.Logger | None
    tls: ssl.SSLContext | None


class ProcessOverrides(_Plain, total=False):
    """Those of ``OptionOverrides`` that can cross to another process; see ``Supervisor``."""

    load_balancer: str
    poller: str | None
