"""That the sanitizers watch netcore's C, where it was built with them (``tox -e sanitize``)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SANITIZED = pytest.mark.skipif(
    not os.environ.get("NETCORE_SANITIZED"), reason="this build is not sanitized: see tox -e sanitize"
)

OVERFLOW = """
import socket
from netcore._native import native
ffi, lib = native()
ours, theirs = socket.socketpair()
theirs.send(bytes(64))
memory = ffi.new("char[8]")
lib.nc_receive_one(ours.fileno(), memory, 64)
"""

OUT_OF_RANGE = """
from netcore._native import native
ffi, lib = native()
poller = ffi.new("nc_poller *")
lib.nc_epoll_open(poller)
lib.nc_epoll_control(poller, 99, 0, 0)
"""


LEAK = """
import socket
from netcore._native import native
ffi, lib = native()
poller = ffi.new("nc_poller *")
lib.nc_io_uring_open(poller)
ours, theirs = socket.socketpair()
lib.nc_io_uring_control(poller, lib.NC_ADD, ours.fileno(), lib.NC_READ)
poller.handle = -1  # nobody knows any more what it is to free
"""


@SANITIZED
@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (OVERFLOW, "heap-buffer-overflow"),
        (OUT_OF_RANGE, "out of bounds"),
        pytest.param(LEAK, "detected memory leaks", marks=pytest.mark.poller("io_uring")),
    ],
)
def test_they_notice(program: str, sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=sys.prefix
    )
    assert done.returncode != 0
    assert sentence in done.stderr
