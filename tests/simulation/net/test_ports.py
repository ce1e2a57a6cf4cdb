"""Ports of a simulated host: which is given to whom, and who takes what comes to one."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import pytest

from netcore.testing.simulation.net.ports import FIRST_EPHEMERAL, Listeners, Ports, balanced, overlap


@dataclass(eq=False)
class Socket:
    """A socket with an address."""

    ip: str
    only_ipv6: bool = False
    shares: bool = False

    def may_share(self, other: object) -> bool:
        return self.shares

    def vanish(self) -> None:
        raise AssertionError("nothing crashes here")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Socket("10.0.0.1"), Socket("10.0.0.1"), True),
        (Socket("10.0.0.1"), Socket("127.0.0.1"), False),
        (Socket("10.0.0.1"), Socket("0.0.0.0"), True),
        (Socket("10.0.0.1"), Socket("::"), True),
        (Socket("10.0.0.1"), Socket("::", only_ipv6=True), False),
        (Socket("fd00::1"), Socket("::", only_ipv6=True), True),
        (Socket("fd00::1"), Socket("0.0.0.0"), False),
        (Socket("fd00::1"), Socket("10.0.0.1"), False),
        (Socket("0.0.0.0"), Socket("::"), True),
        (Socket("0.0.0.0"), Socket("::", only_ipv6=True), False),
        (Socket("::", only_ipv6=True), Socket("::", only_ipv6=True), True),
    ],
)
def test_addresses_overlap(one: Socket, other: Socket, both: bool) -> None:
    assert overlap(one, other) == overlap(other, one) == both


def test_the_lowest_free_port_is_given() -> None:
    ports = Ports()
    holders = []
    for i in range(5):
        port = ports.ephemeral(errno.EADDRINUSE)
        assert port == FIRST_EPHEMERAL + i
        holders.append(Socket("0.0.0.0"))
        ports.claim(holders[-1], port)
    for i in (3, 1):
        ports.release(holders[i], FIRST_EPHEMERAL + i)
        ports.release(holders[i], FIRST_EPHEMERAL + i)
    taken = Socket("0.0.0.0")
    ports.claim(taken, FIRST_EPHEMERAL + 1)
    given = [ports.ephemeral(errno.EADDRINUSE)]
    ports.claim(Socket("0.0.0.0"), given[0])
    given.append(ports.ephemeral(errno.EADDRINUSE))
    assert given == [FIRST_EPHEMERAL + 3, FIRST_EPHEMERAL + 5]


def test_ports_run_out() -> None:
    ports = Ports()
    last = Socket("0.0.0.0")
    for port in range(FIRST_EPHEMERAL, 65536):
        ports.claim(last if port == 60000 else Socket("0.0.0.0"), port)
    for code in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
        with pytest.raises(OSError, match=rf"\[Errno {code}\]"):
            ports.ephemeral(code)
    ports.release(last, 60000)
    assert ports.ephemeral(errno.EADDRINUSE) == 60000


def test_a_port_is_shared_only_by_who_agrees() -> None:
    ports = Ports()
    first, second = Socket("0.0.0.0"), Socket("127.0.0.1")
    ports.claim(first, 80)
    with pytest.raises(OSError, match=rf"\[Errno {errno.EADDRINUSE}\]"):
        ports.claim(second, 80)
    second.shares = True
    ports.claim(second, 80)
    ports.claim(second, 80)
    assert ports.holders(80) == (first, second)
    assert ports.everybody() == [first, second]


def test_who_is_bound_the_most_closely_takes_a_connection() -> None:
    listeners: Listeners[Socket] = Listeners()
    exact, four, six = Socket("10.0.0.1"), Socket("0.0.0.0"), Socket("::")
    for expected, left in ((exact, (four, six)), (four, (six,)), (six, ())):
        for each in (exact, four, six):
            listeners.remove(each, 80)
        for each in (expected, *left):
            listeners.add(each, 80)
        assert listeners.find("10.0.0.1", 80, "") is expected
    assert listeners.find("fd00::1", 80, "") is six
    six.only_ipv6 = True
    assert listeners.find("10.0.0.1", 80, "") is None
    assert listeners.find("fd00::1", 81, "") is None


def test_flows_are_spread() -> None:
    group = [Socket("0.0.0.0") for _ in range(3)]
    taken = [balanced(group, f"client:{port} > server:80") for port in range(300)]
    assert min(taken.count(each) for each in group) > 50
    assert taken == [balanced(group, f"client:{port} > server:80") for port in range(300)]
