"""Contexts for both sides, with what is safe today switched on."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from netcore.tls.certificates import File, Password, load_authorities, load_certificate

__all__ = ["client_context", "server_context"]

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy whose encryption authenticates (RFC 9325, 4.2)."""

_LONGEST_ALPN = 65535
"""Bytes of all names together, each with its length (RFC 7301, 3.1)."""


def server_context(
    certificate: File,
    key: File | None = None,
    *,
    password: Password | None = None,
    client_ca: File | None = None,
    require_client_certificate: bool = False,
    alpn: Sequence[str] = (),
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """Makes a server's context: TLS 1.2 and 1.3, no renegotiation, no compression, session tickets.

    In TLS 1.2 there are the cipher suites with ECDHE and AES-GCM or ChaCha20-Poly1305, as in TLS 1.3.

    It is an ``ssl.SSLContext`` like another, so that more can be set (``sni_callback``, ``set_ciphers``), and
    ``load_certificate`` brings a new certificate to it while it is in use.

    Args:
        certificate: A PEM file: the certificate, then those of the authorities between it and a root.
        key: The PEM file with its private key; None if it is in the same file.
        password: Of the key, or what returns it when it is needed.
        client_ca: The authorities of clients' certificates, a PEM file or a folder as openssl-rehash(1) makes
            it. A client is asked for a certificate then, and may have none.
        require_client_certificate: Refuse clients without one.
        alpn: Application protocols, the most wanted first, such as ``("h2", "http/1.1")``. A client that
            speaks none of them is served all the same, and ``TlsInfo.alpn`` is None.
        minimum_version: What is the least that is spoken.

    Raises:
        TlsFileError: A file does not hold what it should, or the password is wrong or missing.
        OSError: A file cannot be read.
        ValueError: The other arguments are not valid, or contradict each other.
    """
    if require_client_certificate and client_ca is None:
        raise ValueError("require_client_certificate needs the client_ca that issues the certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.minimum_version = minimum_version
    context.set_ciphers(_CIPHERS)
    load_certificate(context, certificate, key, password=password)
    if client_ca is not None:
        load_authorities(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if require_client_certificate else ssl.CERT_OPTIONAL
    _set_alpn(context, alpn)
    return context


def client_context(
    ca: File | None = None,
    *,
    certificate: File | None = None,
    key: File | None = None,
    password: Password | None = None,
    alpn: Sequence[str] = (),
    verify: bool = True,
) -> ssl.SSLContext:
    """Makes a client's context: TLS 1.2 and 1.3; the server's certificate and its name are checked.

    Args:
        ca: The authorities to trust, a PEM file or a folder; None for those of the system.
        certificate: A PEM file with a certificate to show to servers that ask for one, and its chain.
        key: The PEM file with its private key; None if it is in the same file.
        password: Of the key, or what returns it when it is needed.
        alpn: Application protocols, the most wanted first.
        verify: False accepts any certificate and any name, so that anybody in between can read along.

    Raises:
        TlsFileError: A file does not hold what it should, or the password is wrong or missing.
        OSError: A file cannot be read.
        ValueError: The other arguments are not valid, or contradict each other.
    """
    if key is not None and certificate is None:
        raise ValueError("a key needs the certificate that it belongs to")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if ca is not None:
        load_authorities(context, ca)
    elif verify:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate is not None:
        load_certificate(context, certificate, key, password=password)
    _set_alpn(context, alpn)
    return context


def _set_alpn(context: ssl.SSLContext, names: Sequence[str]) -> None:
    if isinstance(names, str):
        raise ValueError(f"alpn is {names!r}: it must be a sequence of names, such as ({names!r},)")
    for name in names:
        if not _is_protocol(name):
            raise ValueError(f"alpn has {name!r}: a protocol's name is text, 1 to 255 characters of ASCII")
    if sum(1 + len(name) for name in names) > _LONGEST_ALPN:
        raise ValueError(f"alpn is too long: all names together may have {_LONGEST_ALPN} bytes")
    if names:
        context.set_alpn_protocols(list(names))


def _is_protocol(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and 0 < len(name) < 256
