"""The PROXY protocol as phases of a connection: taking a header, and sending one."""

from __future__ import annotations

from netcore.connection import BaseCounters, BaseStream
from netcore.eventloop.phases import Phase
from netcore.proxy import ProxyDecoder, ProxyHeader, encode

__all__ = ["TakeHeader", "TellHeader"]


class TakeHeader(Phase):
    """A ``Phase`` in which the peer, a proxy, says for whom it has connected.

    Args:
        timeout: Seconds that it may take.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.done = False
        self._decoder = ProxyDecoder()
        self._taken = bytearray()

    def feed(self, data: bytes) -> bytes:
        """See ``Phase.feed``."""
        self._decoder.feed(data)
        self._taken += data
        self.done = self._decoder.header is not None
        behind = self._decoder.remaining
        del self._taken[len(self._taken) - len(behind) :]
        return behind

    def prepare(self, conn: BaseStream) -> None:
        """See ``Phase.prepare``."""
        conn.relay(bytes(self._taken))

    def failed(self, counters: BaseCounters) -> None:
        """See ``Phase.failed``."""
        counters.proxy_failures += 1


class TellHeader(Phase):
    """A ``Phase`` of a dialled connection: this side is the proxy.

    Args:
        header: What to say, ahead of all else.

    Raises:
        ProxyError: It cannot be said.
    """

    timeout = float("inf")
    done = True

    def __init__(self, header: ProxyHeader) -> None:
        self._unsaid = encode(header)

    def feed(self, data: bytes) -> bytes:
        """See ``Phase.feed``: what comes is nothing of its."""
        return data

    def output(self) -> bytes:
        """See ``Phase.output``."""
        unsaid, self._unsaid = self._unsaid, b""
        return unsaid
