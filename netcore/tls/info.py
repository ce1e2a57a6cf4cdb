"""What two peers have agreed on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TlsInfo"]


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What the handshake of a TLS connection has brought.

    Attributes:
        version: Such as ``"TLSv1.3"``.
        cipher: The cipher suite's name, such as ``"TLS_AES_256_GCM_SHA384"``.
        alpn: The application protocol that both sides speak, or None if none was agreed on.
        server_name: The host name that the client asked for (SNI), or None.
        peer_certificate: The peer's certificate in DER, or None if it showed none. It was verified if the
            context says so.
        session_reused: Whether an earlier session was resumed.
    """

    version: str
    cipher: str
    alpn: str | None
    server_name: str | None
    peer_certificate: bytes | None
    session_reused: bool
