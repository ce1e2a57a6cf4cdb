"""Two authorities of certificates, and two sides of TLS in one memory."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from pki import Pki

from netcore.tls import TlsFilter, client_context, server_context


@pytest.fixture(scope="session")
def strange_pki(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Pki:
    """Another authority, that nobody has heard of, and its "client"."""
    made = Pki(tmp_path_factory.mktemp("strange"), "Strange CA")
    made.issue("client", "DNS:client.example")
    return made


class Wire:
    """Two filters, and all that each has said to the other.

    Attributes:
        client, server: The filters.
        got: Plain bytes that each has come to know, by filter.
        raw: Raw bytes that each has sent.
    """

    def __init__(self, client: TlsFilter, server: TlsFilter) -> None:
        self.client, self.server = client, server
        self.got = {client: b"", server: b""}
        self.raw = {client: b"", server: b""}

    def other(self, side: TlsFilter) -> TlsFilter:
        return self.server if side is self.client else self.client

    def deliver(self, side: TlsFilter, data: bytes, step: int = 0) -> None:
        """Feeds one side, whole or in steps of so many bytes, as the stream would: up to its end."""
        for at in range(0, len(data), step or len(data) or 1):
            if side.ended or side.failure is not None:
                return
            with memoryview(data[at : at + step] if step else data) as view:
                self.got[side] += side.feed(view)

    def pump(self, step: int = 0) -> None:
        """Carries what each side has to say to the other until both are silent."""
        silent = 0
        for side in self._turns():
            out = side.output()
            self.raw[side] += out
            silent = 0 if out else silent + 1
            if silent == 2:
                return
            self.deliver(self.other(side), out, step)

    def _turns(self) -> Iterator[TlsFilter]:
        for _ in range(100):
            yield self.client
            yield self.server
        raise AssertionError("they do not come to an end")

    def send(self, side: TlsFilter, data: bytes, step: int = 0) -> bytes:
        """Sends from one side; returns what the other has got of it."""
        other = self.other(side)
        before = len(self.got[other])
        side.wrap([data])
        self.pump(step)
        return self.got[other][before:]

    @property
    def sides(self) -> tuple[TlsFilter, TlsFilter]:
        return self.client, self.server


class Sides:
    """Makes contexts and filters of the test's authority."""

    def __init__(self, pki: Pki, version: ssl.TLSVersion | None = None) -> None:
        self.pki = pki
        self.version = version
        self._client = self._of_version(client_context(pki.ca))
        self._server = self.server_context()

    def server_context(self, name: str = "server", **options: object) -> ssl.SSLContext:
        context = server_context(self.pki.path(f"{name}.pem"), self.pki.path(f"{name}.key"), **options)
        return self._of_version(context)

    def client_context(self, **options: object) -> ssl.SSLContext:
        return self._of_version(client_context(options.pop("ca", self.pki.ca), **options))

    def _of_version(self, context: ssl.SSLContext) -> ssl.SSLContext:
        if self.version is not None:
            context.minimum_version = context.maximum_version = self.version
        return context

    def wire(
        self,
        client: ssl.SSLContext | None = None,
        server: ssl.SSLContext | None = None,
        name: str | None = "server.example",
        pump: bool = True,
        **options: object,
    ) -> Wire:
        """Two filters, after their handshake unless it is not wanted."""
        wire = Wire(
            TlsFilter(client or self._client, server_side=False, server_hostname=name, **options),
            TlsFilter(server or self._server, server_side=True),
        )
        if pump:
            wire.pump()
        return wire


@pytest.fixture(scope="session")
def tls13(pki: Pki) -> Sides:
    """Both sides in TLS 1.3."""
    return Sides(pki, ssl.TLSVersion.TLSv1_3)


@pytest.fixture(scope="session")
def tls12(pki: Pki) -> Sides:
    """Both sides in TLS 1.2."""
    return Sides(pki, ssl.TLSVersion.TLSv1_2)


@pytest.fixture(scope="session", params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def tls(request: pytest.FixtureRequest, pki: Pki) -> Sides:
    """Both sides, in TLS 1.2 and in 1.3."""
    return Sides(pki, request.param)
