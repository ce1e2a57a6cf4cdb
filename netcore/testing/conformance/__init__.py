"""One check per protocol, for a backend of one's own to prove itself in one call."""

from netcore.testing.conformance.check_buffer import check_buffer
from netcore.testing.conformance.check_codec import check_codec
from netcore.testing.conformance.check_load_balancer import check_load_balancer
from netcore.testing.conformance.check_poller import check_poller
from netcore.testing.conformance.check_sockets import check_sockets

__all__ = ["check_buffer", "check_codec", "check_load_balancer", "check_poller", "check_sockets"]
