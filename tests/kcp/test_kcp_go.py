"""The protocol against kcp-go, as its server and as its client, with nothing but UDP sockets between them."""

from __future__ import annotations

import random
import struct

import kcp_go
import pytest
from kcp_go import DIFFERENT, LINES, TIRELESS, USUAL
from kcp_net import Kind, Line
from kcp_over_udp import echoing, exchange
from kcp_relay import Relay

from netcore.kcp import KcpOptions

# The first of them may have to build the program.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(700)]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_kcp_go_is_a_client(kind: Kind, line: Line) -> None:
    with echoing(USUAL, kind=kind) as port, Relay(port, line) as relay:
        kcp_go.check(relay.port, bytes=150_000, size=3000)
    assert relay.lost or not line.loss


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_kcp_go_is_the_server(kind: Kind, line: Line) -> None:
    data = noise(150_000)
    with kcp_go.serving() as port, Relay(port, line) as relay:
        assert exchange(relay.port, [data], USUAL, kind=kind) == data
    assert relay.lost or not line.loss


@pytest.mark.parametrize(("ours", "theirs"), DIFFERENT.values(), ids=DIFFERENT)
def test_kcp_go_is_a_client_with_other_settings(
    kind: Kind, ours: dict[str, object], theirs: dict[str, object]
) -> None:
    options = KcpOptions(dead_link=TIRELESS, **ours)  # type: ignore[arg-type]
    line = Line(loss=0.05, delay=0.001, jitter=0.002)
    with echoing(options, kind=kind) as port, Relay(port, line) as relay:
        kcp_go.check(relay.port, bytes=10_000, size=700, **theirs)


@pytest.mark.parametrize(("ours", "theirs"), DIFFERENT.values(), ids=DIFFERENT)
def test_kcp_go_is_the_server_with_other_settings(
    kind: Kind, ours: dict[str, object], theirs: dict[str, object]
) -> None:
    options = KcpOptions(dead_link=TIRELESS, **ours)  # type: ignore[arg-type]
    data = noise(10_000)
    pieces = [data[at : at + 700] for at in range(0, len(data), 700)]
    line = Line(loss=0.05, delay=0.001, jitter=0.002)
    with kcp_go.serving(**theirs) as port, Relay(port, line) as relay:
        assert exchange(relay.port, pieces, options, kind=kind) == data


def test_megabytes_to_kcp_go_and_back() -> None:
    data = noise(3_000_000)
    with kcp_go.serving() as port:
        assert exchange(port, [data], USUAL) == data


def test_megabytes_of_kcp_go_and_back() -> None:
    with echoing(USUAL) as port:
        kcp_go.check(port, bytes=3_000_000, size=50_000)


def test_clients_of_kcp_go_do_not_meet_each_other() -> None:
    with echoing(USUAL) as port, Relay(port, LINES["a tenth lost"]) as relay:
        kcp_go.check(relay.port, sessions=8, bytes=20_000)


def test_messages_of_kcp_go_come_back_as_they_were() -> None:
    options = KcpOptions(stream=False, dead_link=TIRELESS)
    with echoing(options) as port, Relay(port, LINES["a tenth lost"]) as relay:
        kcp_go.check(relay.port, bytes=50_100, size=800, stream=False, whole=True)


def test_messages_of_many_segments_reach_kcp_go_whole() -> None:
    sizes = [1, 1376, 1377, 5000, 100_000, 127 * 1376, 7]
    options = KcpOptions(stream=False, send_window=200, dead_link=TIRELESS)
    with kcp_go.serving(sizes=True, stream=False) as port, Relay(port, LINES["a tenth lost"]) as relay:
        said = exchange(relay.port, [bytes(size) for size in sizes], options, back=4 * len(sizes))
    assert list(struct.unpack(f">{len(sizes)}I", said)) == sizes
