"""The example of datagrams, with socat and nc as clients."""

from __future__ import annotations

import subprocess

import pytest

TIMEOUT = 30


@pytest.mark.clients
@pytest.mark.parametrize("options", [(), ("--loops", "2")])
def test_socat_gets_its_datagram_back(start, client, options) -> None:
    socat = client("socat")
    program = start("udp_echo", *options, address="udp://127.0.0.1:0")
    host, port = program.host_and_port
    for data in (b"hello", b"x" * 4000):
        command = [socat, "-t", "25", "-b", "65536", "-", f"UDP4:{host}:{port},shut-null"]
        done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, check=True)
        assert done.stdout == data


@pytest.mark.clients
def test_nc_talks_line_by_line(talk, start) -> None:
    program = start("udp_echo", address="udp://127.0.0.1:0")
    first, second = talk(program, "-u"), talk(program, "-u")
    for number in range(3):
        for one in (first, second):
            one.say(f"line {number}")
            assert one.hear() == f"line {number}"
