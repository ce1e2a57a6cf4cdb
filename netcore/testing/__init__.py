"""Fakes for every protocol, and a conformance check for each that a backend of your own can be put to."""

from netcore.testing.clock import ManualClock
from netcore.testing.conformance import (
    check_buffer,
    check_codec,
    check_load_balancer,
    check_poller,
    check_sockets,
)
from netcore.testing.fake_poller import FakePair, FakePoller
from netcore.testing.fake_sockets import FakeSockets, FakeTransport
from netcore.testing.recording import Recorded, RecordingHandler

__all__ = [
    "FakePair",
    "FakePoller",
    "FakeSockets",
    "FakeTransport",
    "ManualClock",
    "Recorded",
    "RecordingHandler",
    "check_buffer",
    "check_codec",
    "check_load_balancer",
    "check_poller",
    "check_sockets",
]
