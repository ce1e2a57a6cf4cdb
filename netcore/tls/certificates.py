"""Certificates and keys in files, with errors that name the file."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import TypeAlias

from netcore.tls.errors import TlsFileError
from netcore.tls.verdicts import in_words

__all__ = ["File", "Password", "load_authorities", "load_certificate"]

File: TypeAlias = str | os.PathLike[str]

Password: TypeAlias = str | bytes | Callable[[], str | bytes]

_CERTIFICATE_MARK = b"-----BEGIN CERTIFICATE-----"
_TRUSTED_MARK = b"-----BEGIN TRUSTED CERTIFICATE-----"
_KEY_MARK = b"PRIVATE KEY-----"


def load_certificate(
    context: ssl.SSLContext,
    certificate: File,
    key: File | None = None,
    *,
    password: Password | None = None,
) -> None:
    """Loads a certificate chain and its key into a context, or, if they do not fit, leaves it as it was.

    Connections that begin afterwards have them; those that are there keep what they have. Any thread.

    Args:
        context: A server's, or a client's that shows a certificate.
        certificate: A PEM file: the certificate, then those of the authorities between it and a root.
        key: The PEM file with its private key; None if it is in the same file.
        password: Of the key, or what returns it when it is needed.

    Raises:
        TlsFileError: A file does not hold what it should, they do not belong together, or the password is
            wrong or missing.
        OSError: A file cannot be read.
    """
    # OpenSSL would have taken the new certificate when it finds that the key is another one's.
    _load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key, password)
    _load_chain(context, certificate, key, password)


def load_authorities(context: ssl.SSLContext, ca: File) -> None:
    """Loads the certificates of authorities to trust: a PEM file, or a folder as openssl-rehash(1) makes it.

    Raises:
        TlsFileError: The file has no certificate, or a broken one.
        OSError: It cannot be read.
    """
    path = os.fspath(ca)
    if os.path.isdir(path):
        os.listdir(path)  # raises what OpenSSL would keep to itself until it looks
        context.load_verify_locations(capath=path)
        return
    content = _content(path)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsFileError(_certificate_trouble(path, content, error)) from error


def _load_chain(
    context: ssl.SSLContext, certificate: File, key: File | None, password: Password | None
) -> None:
    certificate = os.fspath(certificate)
    key = certificate if key is None else os.fspath(key)
    contents = _content(certificate), _content(key)
    asked = False

    def ask() -> str | bytes:
        nonlocal asked
        asked = True
        if password is None:  # and nobody is asked on a terminal
            raise TlsFileError(f"{key}: the private key is encrypted, and there is no password for it")
        return password() if callable(password) else password

    try:
        context.load_cert_chain(certificate, key, ask)
    except ssl.SSLError as error:
        raise TlsFileError(_chain_trouble(certificate, key, contents, asked, error)) from error


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # whose errors, unlike those of ssl, name the file
        return file.read()


def _chain_trouble(
    certificate: str, key: str, contents: tuple[bytes, bytes], asked: bool, error: ssl.SSLError
) -> str:
    reason: str | None = error.reason
    if reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return f"{key}: the private key is not that of the certificate in {certificate}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=certificate)
    except ssl.SSLError as its:
        return _certificate_trouble(certificate, contents[0], its)
    if asked:
        return f"{key}: the password of the private key is wrong"
    if _KEY_MARK not in contents[1]:
        elsewhere = ", and no other file is named for it" if key == certificate else ""
        return f"{key}: there is no private key in PEM form{elsewhere}"
    if reason is not None and reason.endswith(("TOO_SMALL", "TOO_WEAK")):
        return f"{certificate}: too weak for this OpenSSL: {in_words(error)}"
    return f"{key}: the private key is broken: {in_words(error)}"


def _certificate_trouble(path: str, content: bytes, error: ssl.SSLError) -> str:
    if _CERTIFICATE_MARK not in content and _TRUSTED_MARK not in content:
        return f"{path}: there is no certificate in PEM form"
    return f"{path}: a certificate is broken: {in_words(error)}"
