"""Certificates to try TLS with."""

from examples.certificates.context import Certified, add_arguments, certified
from examples.certificates.self_signed import self_signed

__all__ = ["Certified", "add_arguments", "certified", "self_signed"]
