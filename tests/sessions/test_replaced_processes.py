"""Sessions whose process is replaced: they go on with it, beside the successor on the same port."""

from __future__ import annotations

import signal
import sys
import time

import pytest
from supervised import alive, until

from netcore._platform import FACTS

pytestmark = [
    pytest.mark.posix,
    pytest.mark.skipif(not FACTS.connected_first, reason="the kernel does not look who is connected"),
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel has to spread datagrams over processes"),
]


def ask(peer, word: bytes) -> str:
    """Has the process that serves a peer evaluate something, which ends in a line."""
    peer.send(b"!" + word)
    answer = b""
    until = time.monotonic() + 60
    while not answer.endswith(b"\n"):
        assert time.monotonic() < until, answer
        answer += peer.receive(1, 1)
    return answer.decode().strip()


def echo(peer, data: bytes) -> None:
    peer.send(data)
    assert peer.receive(len(data), 60) == data


@pytest.mark.parametrize("address", ["kcp://127.0.0.1:0", "kcp://:0"])
@pytest.mark.parametrize("processes", [1, 2])
def test_sessions_go_on_while_their_process_is_replaced(supervise, kcp_peer, address, processes):
    one = supervise(address, processes=processes, drain_timeout=120).serves(processes)
    peers = [kcp_peer(one.port) for _ in range(8)]
    served_by = [ask(peer, b"os.getpid()") for peer in peers]
    descriptors = [ask(peer, b"conn.fd") for peer in peers]
    assert len(set(descriptors)) <= processes
    one.signal(signal.SIGHUP)
    one.serves(processes, times=2)
    for peer, before in zip(peers, descriptors, strict=True):
        until(lambda peer=peer, before=before: ask(peer, b"conn.fd") != before, patience=60)

    newcomers = [kcp_peer(one.port) for _ in range(8)]
    assert not {ask(each, b"os.getpid()") for each in newcomers} & set(served_by)
    refused = [ask(each, b"conn.loop.metrics().kcp_refused") for each in newcomers]
    for number in range(50):
        for peer in peers:
            echo(peer, b"%d " % number * 500)
    assert [ask(peer, b"os.getpid()") for peer in peers] == served_by
    assert [ask(each, b"conn.loop.metrics().kcp_refused") for each in newcomers] == refused
    assert all(alive(int(pid)) for pid in set(served_by))
    for each in (*peers, *newcomers):  # what was answered is acknowledged, lest a stop wait for it
        each.run_until(lambda each=each: not each.kcp.waiting)
        each.kcp.flush(time.monotonic())
    assert one.stop() == 0
