"""CPython's own suite of asyncio, ``test.test_asyncio``, on netcore's event loop as on the stock one.

    python tests/aio/suites/cpython.py [--python PYTHON] [MODULE...]

runs it, or some of its modules, with any Python that has netcore and the suite, prints what differs, and
exits with 1 if something differs that is not explained below.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from comparing import compare

__all__ = ["DIFFERENCES", "modules"]

_ELSEWHERE = ("test_windows_events", "test_windows_utils")

_DOUBLES = (
    "its sockets are mocks, whose descriptors are mocks as well: netcore's C takes a descriptor for the "
    "number that it is"
)

DIFFERENCES = {
    "*.test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_ip_addr": _DOUBLES,
    "*.test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_ipv6_scope": _DOUBLES,
    "*.test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_no_inet_pton": _DOUBLES,
    "*.test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_service_name": _DOUBLES,
    "*.test_subprocess.GenericWatcherTests.test_create_subprocess_fails_with_inactive_watcher": (
        "it gives asyncio's policy a child watcher that is not active; netcore asks none, as Python 3.14, "
        "which has no watchers any more"
    ),
    "*.test_sslproto.SslProtoHandshakeTests.test_connection_lost_when_busy": (
        "its socket is a mock with a descriptor that is none, and its two writes are of one iteration: "
        "netcore sends at the end of it, so the second does not yet know that the first could not be sent"
    ),
}
"""Tests that end otherwise than on the stock loop, and what they look at that netcore does differently."""


def modules(python: str = sys.executable) -> list[str]:
    """Names the modules of the suite that a Python has; none if it has no such suite."""
    program = (
        "import pkgutil, test.test_asyncio as suite\n"
        "print(*(module.name for module in pkgutil.iter_modules(suite.__path__)))"
    )
    asked = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return [
        f"test.test_asyncio.{name}"
        for name in asked.stdout.split()
        if name.startswith("test_") and name not in _ELSEWHERE
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs CPython's suite of asyncio on netcore's event loop.")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    given = parser.parse_args()
    names = [f"test.test_asyncio.{name}" for name in given.modules] or modules(given.python)
    comparison = compare(names, DIFFERENCES, python=given.python)
    print(comparison)
    return bool(comparison.unexplained) or not comparison.netcore


if __name__ == "__main__":
    sys.exit(main())
