"""Who a connection is: a number, a descriptor and two addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from netcore._machine import IDS, current
from netcore.address import Address
from netcore.connection.core.fields import NO_FIELDS
from netcore.connection.core.host import Host
from netcore.connection.core.relayed import Relayed
from netcore.connection.core.settings import SocketSettings
from netcore.proxy import ProxyHeader
from netcore.sockets import unpack_name

if TYPE_CHECKING:
    import ssl

    from netcore.tls import TlsInfo

__all__ = ["IDS", "Identity", "next_id"]


def next_id() -> int:
    """Returns a number that no connection of this process has had. Any thread."""
    return current().next_id()


class Identity(SocketSettings):
    """What tells a connection from all others; ``Connection`` sets it.

    Only the classes that connections are made of have fields, be it those of C: of several bases no more than
    one may.

    Attributes:
        FIELDS: The fields of a connection, as far as this class knows them, for ``__slots__``.
        context: The application's own.
        bytes_received: See ``Conn.bytes_received``.
        bytes_sent: See ``Conn.bytes_sent``.
    """

    __slots__ = NO_FIELDS

    FIELDS: ClassVar[tuple[str, ...]] = (
        "__weakref__",
        "_host",
        "_local",
        "_opened",
        "_remote",
        "bytes_received",
        "bytes_sent",
        "context",
        "fd",
        "id",
        "network",
    )

    id: int
    fd: int
    network: str
    context: Any
    bytes_received: int
    bytes_sent: int
    _opened: float
    """When it came about, in seconds of the loop's clock."""
    _host: Host
    _remote: bytes | Address | Relayed
    _local: Address | None

    @property
    def loop(self) -> Host:
        """See ``Conn.loop``."""
        return self._host

    @property
    def age(self) -> float:
        """See ``Conn.age``."""
        return max(self._host.clock() - self._opened, 0.0)

    @property
    def remote_address(self) -> Address:
        """See ``Conn.remote_address``."""
        remote = self._remote
        if isinstance(remote, Address):
            return remote
        if isinstance(remote, Relayed):
            return remote.header.source or remote.peer_address
        self._remote = unpacked = unpack_name(remote)
        return unpacked

    @property
    def peer_address(self) -> Address:
        """See ``Conn.peer_address``."""
        remote = self._remote
        return remote.peer_address if isinstance(remote, Relayed) else self.remote_address

    @property
    def proxy(self) -> ProxyHeader | None:
        """See ``Conn.proxy``."""
        return self._remote.header if isinstance(self._remote, Relayed) else None

    def relay(self, header: bytes) -> None:
        """Takes down a PROXY header, which is right; before ``on_open``."""
        peer = self._remote
        self._remote = Relayed(peer.peer if isinstance(peer, Relayed) else peer, header)

    @property
    def tls(self) -> TlsInfo | None:
        """See ``Conn.tls``."""
        return None

    @property
    def tls_session(self) -> ssl.SSLSession | None:
        """See ``Conn.tls_session``."""
        return None

    @property
    def local_address(self) -> Address:
        """See ``Conn.local_address``; getsockname(2)."""
        if self._local is None:
            with self._locked():
                self.remember_local_address()
        return self._local or self._nowhere

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps the descriptor open, and on its loop. Any thread."""
        while True:
            host = self._host
            with host.descriptor_lock:
                if host is self._host:  # else it has moved in between, with the descriptor
                    yield
                    return

    def remember_local_address(self) -> None:
        """Asks the system for this side's address while it can still tell; needs the descriptor lock."""
        if self._local is None:
            try:
                self._local = self._host.sockets.local_address(self.fd)
            except Exception:  # above all an OSError: reset, it has none any more
                self._local = self._nowhere

    @property
    def _nowhere(self) -> Address:
        """The address of a socket that has none; what TLS runs over is TCP."""
        return Address("tcp" if self.network == "tls" else self.network)
