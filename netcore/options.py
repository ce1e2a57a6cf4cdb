"""The options of an engine, checked as a whole before anything is opened."""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from netcore._durations import seconds
from netcore._guessing import did_you_mean
from netcore.address import Address
from netcore.errors import InvalidAddressError, OptionsError, UnsupportedProtocolError

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Unpack

    from netcore.kcp import KcpOptions
    from netcore.lb import LoadBalancer
    from netcore.overrides import OptionOverrides
    from netcore.poll import Poller

__all__ = ["MAX_CONNECTIONS_POLICIES", "Options"]

MAX_CONNECTIONS_POLICIES = ("pause", "refuse")

_POSITIVE = ("backlog", "read_buffer_cap", "write_buffer_cap", "high_water", "max_outbound", "max_inbound")
_NOT_NEGATIVE = (
    "num_event_loops",
    "low_water",
    "edge_triggered_chunk",
    "max_connections",
    "tcp_keep_count",
    "socket_recv_buffer",
    "socket_send_buffer",
    "multicast_interface",
)
_WATER_MARKS = ("high_water", "low_water", "max_outbound", "max_inbound")
_DURATIONS = (
    "rebalance_interval",
    "watchdog",
    "proxy_protocol_timeout",
    "tls_handshake_timeout",
    "idle_timeout",
    "close_timeout",
    "shutdown_delay",
    "shutdown_timeout",
    "tcp_keep_alive",
    "tcp_keep_interval",
)
_ADMIN_NETWORKS = ("tcp", "tcp4", "tcp6", "unix")

_KEEP_ALIVE_RANGES = (("tcp_keep_alive", 32767), ("tcp_keep_interval", 32767), ("tcp_keep_count", 127))
"""What kernels take; Linux has these very limits (MAX_TCP_KEEPIDLE and its like)."""

_EDGE_CHUNK = 1 << 20
"""Bytes of ``edge_triggered_chunk`` where only ``edge_triggered`` is set."""

_BITS = 31
"""What an int of the kernel's takes; only the sizes of our own buffers in memory may go beyond."""

_SWITCHES = (
    "multicore",
    "edge_triggered",
    "reuse_addr",
    "reuse_port",
    "tcp_no_delay",
    "ticker",
    "cpu_affinity",
    "proxy_protocol",
    "asyncio",
    "debug",
    "access_log",
)


class _Chunk(int):
    """An ``edge_triggered_chunk`` as ``Options`` shows it, which remembers what it was made from.

    ``dataclasses.replace`` hands what is shown to the constructor again, and nothing else could tell there
    what was given from what followed of it.

    Attributes:
        given: ``edge_triggered`` and ``edge_triggered_chunk`` as they were given.
    """

    given: tuple[bool, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an engine is set up. Durations are seconds, and may be infinite; sizes are bytes.

    Attributes:
        multicore: One event loop per usable CPU instead of one.
        num_event_loops: The number of event loops; overrides ``multicore`` when positive.
        load_balancer: Spreads accepted connections over the loops: ``"round-robin"``,
            ``"least-connections"``, ``"source-address-hash"`` or an object with ``pick``.
        poller: A poller's name or a factory of one; None for the best this machine has, though never
            ``"io_uring"``, which is for those who ask for it.
        edge_triggered: Ask the poller for edges rather than levels; it must have them.
        edge_triggered_chunk: Bytes received from one connection in one turn then, rounded up to a power
            of two; above zero it implies ``edge_triggered``, which alone makes it 1 MiB.
        reuse_addr: Bind although old connections of the port are in TIME_WAIT.
        reuse_port: One listener per loop, balanced by the kernel where it can.
        backlog: Connections the kernel may complete before they are accepted; see listen(2).
        read_buffer_cap: Bytes received from one connection in one turn; rounded up to a power of two.
        write_buffer_cap: Bytes of one connection's backlog offered to the kernel in one turn;
            rounded up to a power of two.
        high_water: From so many bytes of unsent output, or written in one turn, a connection is not
            ``writable``.
        low_water: Down to so many bytes it stays so; then ``on_writable`` runs.
        max_outbound: Beyond so many bytes it is closed with ``CloseReason.OVERFLOW``.
        max_inbound: Beyond so many bytes that a stream has received and the application has not read it is
            closed with ``CloseReason.OVERFLOW``.
        max_connections: Connections of the whole engine at once, each until its descriptor is closed; 0 for
            no limit. One that is over, but lingers since its peer still sends, gives way to a new one.
        max_connections_policy: ``"pause"`` leaves further ones in the backlog, ``"refuse"`` resets them.
        idle_timeout: The ``set_deadline`` that each connection begins with; 0 for none, and for the one that
            ``kcp`` has where it is a session of KCP.
        close_timeout: How long ``close`` waits for the peer to take what is buffered, and how long, after
            ``on_close``, a peer that goes on sending may hold the descriptor: without that its unread input
            would turn the end into a reset.
        shutdown_delay: How long an engine that is asked to stop goes on as before, but says that it is not
            ready: so that a load balancer, which asks now and then, sends no more clients when it stops.
            Without listeners, or once they are closed, there is no delay.
        shutdown_timeout: How long a stopping engine waits for its connections before it resets them. A
            second more, for them and for ``on_shutdown`` each, and ``run`` leaves a callback that hangs.
        tcp_no_delay: Switch Nagle's algorithm off (TCP_NODELAY).
        tcp_keep_alive: Idle time before the first keep-alive probe; 0 leaves them off, and so does infinity.
        tcp_keep_interval: Between probes; 0 for a fifth of ``tcp_keep_alive``, infinity for as long as the
            system takes. Whole seconds count.
        tcp_keep_count: Unanswered probes before the connection is dropped; 0 for five.
        socket_recv_buffer: SO_RCVBUF; 0 leaves it to the system.
        socket_send_buffer: SO_SNDBUF; 0 leaves it to the system.
        bind_to_device: The network interface to listen on (Linux).
        multicast_interface: The number of the interface on which a server joins the multicast group whose
            address it is bound to (``socket.if_nametoindex``); 0 for the system's choice.
        ticker: Call ``on_tick``.
        cpu_affinity: Pin loop i to the i-th usable CPU, where the platform can.
        log_path: Write the log to this file as well, rotated at 10 MiB.
        log_level: The level of the logger that netcore sets up for ``log_path``.
        logger: Log here instead of the logger named ``netcore``.
        access_log: Log one line for each connection that has ended, by the logger ``access`` below that of
            netcore: by default ``netcore.access``. See the page on logging for what it says.
        asyncio: Each loop hosts an asyncio loop on its thread, for tasks of the handler's: see
            ``netcore.aio.loop_of``. A handler whose attribute ``asyncio`` is True switches it on.
        debug: Check the thread rules and warn about slow callbacks.
        rebalance_interval: Between two times that idle connections move from crowded loops to others, as
            ``Engine.rebalance`` has them; 0 for never. Not for loops of asyncio.
        watchdog: A turn that takes longer is logged once, with the callback that it is in and the stack, and
            counted in ``Metrics.hangs``; 0 for no watchdog.
        proxy_protocol: Every connection to a listener begins with a header of the PROXY protocol, version 1
            or 2; ``on_open`` runs after it, and the client's address is the ``remote_address``. Datagrams
            have none.
        proxy_protocol_from: The networks (``"10.0.0.0/8"``, or one address) of the proxies that send one;
            empty for everybody. Others are served without, and peers of a Unix socket always send one.
        proxy_protocol_timeout: How long a header may take.
        tls: The context of ``tls://`` addresses: a server's for those that are listened on, a client's for
            those that are dialled. See ``netcore.tls``.
        tls_handshake_timeout: How long a handshake may take.
        kcp: How the sessions of ``kcp://`` addresses work, of those that are listened on and those that are
            dialled; None for ``KcpOptions()``. See ``netcore.kcp``.
        admin: Where metrics, health and a live page are served by HTTP (tcp or unix), on a thread of its own;
            empty for nowhere. Whoever reaches it sees who is connected: a loopback address, or a Unix socket.
            It needs ``pip install 'netcore-io[admin]'``.
    """

    multicore: bool = False
    num_event_loops: int = 0
    load_balancer: str | LoadBalancer = "round-robin"
    poller: str | Callable[[], Poller] | None = None
    edge_triggered: bool = False
    edge_triggered_chunk: int = 0
    reuse_addr: bool = True
    reuse_port: bool = False
    backlog: int = 4096
    read_buffer_cap: int = 65536
    write_buffer_cap: int = 65536
    high_water: int = 1 << 20
    low_water: int = 1 << 18
    max_outbound: int = 64 << 20
    max_inbound: int = 64 << 20
    max_connections: int = 0
    max_connections_policy: str = "pause"
    idle_timeout: float = 0
    close_timeout: float = 5
    shutdown_delay: float = 0
    shutdown_timeout: float = 10
    tcp_no_delay: bool = True
    tcp_keep_alive: float = 0
    tcp_keep_interval: float = 0
    tcp_keep_count: int = 0
    socket_recv_buffer: int = 0
    socket_send_buffer: int = 0
    bind_to_device: str = ""
    multicast_interface: int = 0
    ticker: bool = False
    cpu_affinity: bool = False
    log_path: str = ""
    log_level: int = logging.INFO
    logger: logging.Logger | None = None
    access_log: bool = False
    asyncio: bool = False
    debug: bool = False
    rebalance_interval: float = 0
    watchdog: float = 0
    proxy_protocol: bool = False
    proxy_protocol_from: tuple[str, ...] = ()
    proxy_protocol_timeout: float = 5
    tls: ssl.SSLContext | None = None
    tls_handshake_timeout: float = 10
    kcp: KcpOptions | None = None
    admin: str | Address = ""

    def __post_init__(self) -> None:
        """Checks every field and their combination.

        Raises:
            OptionsError: Naming the field, its value and what is allowed.
        """
        for name in _SWITCHES:
            self._require(isinstance(getattr(self, name), bool), name, "True or False")
        for name in (*_POSITIVE, *_NOT_NEGATIVE):
            self._check_number(name)
        for name in _DURATIONS:
            self._check_duration(name)
        self._check_combinations()
        self._check_networks()
        self._check_tls()
        self._check_kcp()
        self._check_admin()
        self._derive_edges()
        for name in ("read_buffer_cap", "write_buffer_cap"):
            object.__setattr__(self, name, _power_of_two(getattr(self, name)))

    def _derive_edges(self) -> None:
        """Has the fields show what follows of what was given; an explicit override of either wins."""
        edges, chunk = self.edge_triggered, self.edge_triggered_chunk
        if isinstance(chunk, _Chunk):  # of other options; there the one implied the other
            edges, chunk = chunk.given if edges else (False, 0)
        if edges or chunk:
            shown = _Chunk(_power_of_two(chunk) if chunk else _EDGE_CHUNK)
            shown.given = edges, chunk
            object.__setattr__(self, "edge_triggered", True)
            object.__setattr__(self, "edge_triggered_chunk", shown)
        else:
            object.__setattr__(self, "edge_triggered_chunk", 0)

    def _require(self, condition: bool, name: str, allowed: str) -> None:
        if not condition:
            raise OptionsError(f"option {name} is {getattr(self, name)!r}: it must be {allowed}", option=name)

    def _check_number(self, name: str) -> None:
        value = getattr(self, name)
        bits = 62 if name in _WATER_MARKS else _BITS
        right = isinstance(value, int) and not isinstance(value, bool)
        if name in _POSITIVE:
            self._require(right and 0 < value < 2**bits, name, f"a whole number above zero, below 2**{bits}")
        else:
            allowed = f"a whole number, zero or above, below 2**{bits}"
            self._require(right and 0 <= value < 2**bits, name, allowed)

    def _check_duration(self, name: str) -> None:
        try:
            seconds(getattr(self, name), name)
        except (TypeError, ValueError):
            self._require(False, name, "a number, zero or above, in seconds")

    def _check_networks(self) -> None:
        networks: object = self.proxy_protocol_from
        allowed = 'a tuple of networks, such as ("10.0.0.0/8", "2001:db8::7")'
        self._require(isinstance(networks, (tuple, list)), "proxy_protocol_from", allowed)
        object.__setattr__(self, "proxy_protocol_from", tuple(self.proxy_protocol_from))
        for network in self.proxy_protocol_from:
            self._require(isinstance(network, str), "proxy_protocol_from", allowed)
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                self._require(False, "proxy_protocol_from", f"{allowed}: {error}")
        self._require(self.proxy_protocol_timeout > 0, "proxy_protocol_timeout", "above zero, in seconds")

    def _check_tls(self) -> None:
        if self.tls is not None:
            import ssl  # which takes its time, and who asks for TLS has it already

            self._require(isinstance(self.tls, ssl.SSLContext), "tls", "an ssl.SSLContext, or None")
        self._require(self.tls_handshake_timeout > 0, "tls_handshake_timeout", "above zero, in seconds")

    def _check_kcp(self) -> None:
        if self.kcp is not None:
            from netcore.kcp import KcpOptions  # which who gives some has loaded already

            self._require(isinstance(self.kcp, KcpOptions), "kcp", "a netcore.kcp.KcpOptions, or None")

    def _check_admin(self) -> None:
        admin: object = self.admin
        allowed = "tcp://HOST:PORT or unix://PATH, or empty"
        self._require(isinstance(admin, (str, Address)), "admin", allowed)
        if self.admin != "":
            try:
                address = Address.parse(self.admin)
                address.check_named()
            except (InvalidAddressError, UnsupportedProtocolError) as error:
                raise OptionsError(f"option admin: {error}", option="admin") from None
            self._require(address.network in _ADMIN_NETWORKS, "admin", allowed)

    def _check_combinations(self) -> None:
        self._require(
            self.max_connections_policy in MAX_CONNECTIONS_POLICIES,
            "max_connections_policy",
            " or ".join(map(repr, MAX_CONNECTIONS_POLICIES)),
        )
        self._require(
            self.low_water <= self.high_water, "low_water", f"at most high_water ({self.high_water})"
        )
        self._require(
            self.high_water <= self.max_outbound, "high_water", f"at most max_outbound ({self.max_outbound})"
        )
        if self.tcp_keep_alive == 0:
            for name in ("tcp_keep_interval", "tcp_keep_count"):
                self._require(getattr(self, name) == 0, name, "zero unless tcp_keep_alive is set")
        else:
            for name, most in _KEEP_ALIVE_RANGES:
                value = getattr(self, name)
                lowest = "" if name == "tcp_keep_alive" else "zero or "
                right = 1 <= value <= most or (value == 0 and lowest != "")
                endless = name in _DURATIONS and seconds(value, name) == math.inf
                self._require(right or endless, name, f"{lowest}1 to {most}")
        self._require(
            isinstance(self.bind_to_device, str), "bind_to_device", "the name of a network interface"
        )
        self._require(isinstance(self.log_path, str), "log_path", "a path, or empty")
        level = self.log_level
        self._require(type(level) is int and level >= 0, "log_level", "a level of the logging module")
        self._require(
            self.logger is None or isinstance(self.logger, logging.Logger),
            "logger",
            "a logging.Logger, or None",
        )
        self._require(
            self.logger is None or not self.log_path, "log_path", "empty when a logger of your own is given"
        )

    def replace(self, **overrides: Unpack[OptionOverrides]) -> Options:
        """Returns a copy with other values in the named fields.

        Raises:
            OptionsError: There is no such option, or the result is not a valid combination.
        """
        fields = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(set(overrides) - set(fields))
        if unknown:
            name = unknown[0]
            hint = did_you_mean(name, fields) or f": the options are {', '.join(fields)}"
            raise OptionsError(f"there is no option {name!r}{hint}")
        chunk = self.edge_triggered_chunk
        if "edge_triggered_chunk" in overrides and isinstance(chunk, _Chunk):
            overrides.setdefault("edge_triggered", chunk.given[0])
        return dataclasses.replace(self, **overrides)

    __replace__ = replace
    """For ``copy.replace``."""


def _power_of_two(size: int) -> int:
    """Rounds a size above zero up."""
    return 1 << (size - 1).bit_length()
