"""What other workloads do, by TLS 1.3."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from bench import certificate, process, toolchain
from bench.workloads.load import Load
from bench.workloads.memory import IdleMemory


@dataclass(frozen=True)
class TlsLoad(Load):
    """A closed loop, whose `generator` is one with TLS."""

    def values(self) -> Mapping[str, object]:
        return certificate.files()._asdict()

    def missing(self) -> str | None:
        return super().missing() or toolchain.missing_openssl() or certificate.missing()


@dataclass(frozen=True)
class TlsIdleMemory(IdleMemory):
    """The memory of connections whose handshake is done."""

    def values(self) -> Mapping[str, object]:
        return certificate.files()._asdict()

    def missing(self) -> str | None:
        return super().missing() or certificate.missing()

    def connect(self, port: int) -> socket.socket:
        return shake_hands(super().connect(port))


def shakes_hands(port: int) -> bool:
    """Says whether a server on 127.0.0.1:`port` does; that it is the suite's own is taken on trust."""
    if not process.accepts_stream(port):
        return False
    shake_hands(socket.create_connection(("127.0.0.1", port), timeout=process.PROBE_TIMEOUT)).close()
    return True


def shake_hands(connection: socket.socket) -> ssl.SSLSocket:
    """Makes a client's handshake, whoever the server is; the socket is closed if it fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)
