"""Certificates to try TLS with."""

from examples.certificates.self_signed import self_signed

__all__ = ["self_signed"]
