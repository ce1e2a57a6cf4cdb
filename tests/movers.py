"""What tests of connections that change their loop share."""

from __future__ import annotations

import time

import pytest

from netcore.poll import open_poller

HALVES = [
    pytest.param({}, id="best"),
    pytest.param({"debug": True}, id="python"),
    pytest.param({"poller": "select"}, id="select"),
    pytest.param({"edge_triggered": True}, id="edges", marks=pytest.mark.edges),
]

crowded = {"load_balancer": "source-address-hash"}  # all from one host: on one loop
"""Options with which all connections are on one loop."""


def skip_where_they_stay():
    """Skips a test under the poller whose connections cannot move."""
    poller = open_poller()
    poller.close()
    if poller.name == "io_uring":
        pytest.skip("io_uring receives ahead: connections stay")


class Poor:
    """A loop that has fewer connections than any other, as long as it is asked about them."""

    connection_count = -(1 << 40)

    def __init__(self, loop):
        self.moving = loop.moving


def give(source, target):
    """Has a loop give all its idle connections to another one."""
    source.post(source.moving.give, [Poor(target)])


def until(true, patience=30):
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)
