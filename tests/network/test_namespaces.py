"""What these tests make goes with who has made it, and the machine's own network is not touched."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

MAKES_A_LINE = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
from lines import Line
line = Line()
ends = [os.readlink(f"/proc/self/fd/{end.fd}") for end in (line.near, line.far)]
print(json.dumps([line._carrier.pid, *ends]))
sys.stdout.flush()
time.sleep(60)
"""


def test_a_killed_process_leaves_nothing(line):
    interfaces = socket.if_nameindex()
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKES_A_LINE, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with maker:
        carrier, *namespaces = json.loads(maker.stdout.readline())
        own = os.readlink("/proc/self/ns/net")
        assert len({own, *namespaces}) == 3
        maker.kill()
    end = time.monotonic() + 30
    while Path(f"/proc/{carrier}").exists():
        assert time.monotonic() < end, "the carrier goes on"
        time.sleep(0.01)
    assert socket.if_nameindex() == interfaces


def test_no_thread_of_the_tests_stays_in_a_namespace(line):
    before = os.readlink("/proc/thread-self/ns/net")
    with line.near.inside():
        assert os.readlink("/proc/thread-self/ns/net") != before
        with line.far.inside():
            pass
    assert os.readlink("/proc/thread-self/ns/net") == before
