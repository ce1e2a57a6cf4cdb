"""What OpenSSL's errors mean, in words that name the side at fault."""

from __future__ import annotations

import re
import ssl

from netcore.tls.errors import TlsCertificateError, TlsError, TlsHandshakeError

__all__ = ["in_words", "verdict"]

_ALERT = re.compile("(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?([A-Z0-9_]+)")
"""The reasons that OpenSSL gives to alerts it has received; see sslerr.h."""

_PLACE = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")
"""What an error without a reason has around its text."""

_OWN_REASONS = {
    "HTTP_REQUEST": "the {peer} speaks plain HTTP",
    "HTTPS_PROXY_REQUEST": "the {peer} speaks plain HTTP, and asks for a proxy",
    "WRONG_VERSION_NUMBER": "what the {peer} says is not TLS",
    "UNKNOWN_PROTOCOL": "what the {peer} says is not TLS",
    "UNSUPPORTED_PROTOCOL": "the {peer} knows no version of TLS that is allowed here",
    "VERSION_TOO_LOW": "the {peer} knows no version of TLS that is allowed here",
    "NO_PROTOCOLS_AVAILABLE": "no version of TLS is allowed here",
    "NO_CIPHERS_AVAILABLE": "no cipher suite is set up here",
    "NO_SHARED_CIPHER": "the {peer} knows no cipher suite that fits what is set up here",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the {peer} has shown no certificate",
    "CALLBACK_FAILED": "the sni_callback has refused the {peer}",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "a record of the {peer}'s was changed on its way",
    "BAD_RECORD_MAC": "a record of the {peer}'s was changed on its way",
    # OpenSSL's last word on whatever is wrong with a record, from 3.2 on; Python asks for no other.
    "RECORD_LAYER_FAILURE": "the {peer} does not keep to the protocol, or a record was changed on its way",
}
"""What this side has found, by OpenSSL's reason."""


def verdict(error: ssl.SSLError, peer: str, done: bool) -> TlsError:
    """Says what an error of OpenSSL's means.

    Args:
        error: What it has raised.
        peer: "client" or "server", whichever is at the other side.
        done: Whether the handshake was done before.
    """
    found = TlsError if done else TlsHandshakeError
    if isinstance(error, ssl.SSLCertVerificationError):
        return _refused_certificate(error, peer)
    if isinstance(error, ssl.SSLZeroReturnError):
        return found(f"the {peer} has closed during the handshake")
    # PyPy knows no reason that is newer than its list of them, and has only the text.
    reason: str = error.reason or in_words(error).upper().replace(" ", "_")
    if reason in _OWN_REASONS:
        return found(_OWN_REASONS[reason].format(peer=peer))
    if not error.reason:
        return found(f"with the {peer}: {in_words(error)}")
    if alert := _ALERT.fullmatch(reason):
        return found(f"the {peer} has refused, with the alert {alert[1].lower()}")
    return found(f"the {peer} does not keep to the protocol: {in_words(error)}")


def in_words(error: ssl.SSLError) -> str:
    """Returns what OpenSSL calls an error, such as "no shared cipher"."""
    reason: str | None = error.reason
    return reason.lower().replace("_", " ") if reason else _PLACE.sub("", str(error))


def _refused_certificate(error: ssl.SSLCertVerificationError, peer: str) -> TlsCertificateError:
    refused = TlsCertificateError(
        error.errno, f"the {peer}'s certificate is refused here: {error.verify_message}"
    )
    refused.reason, refused.library = error.reason, error.library
    refused.verify_code, refused.verify_message = error.verify_code, error.verify_message
    return refused
