"""The conformance check for load balancers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from netcore.address import Address
from netcore.lb import LoadBalancer
from netcore.testing.conformance.rules import require, run_rules

__all__ = ["check_load_balancer"]

_REMOTES: Final[tuple[Address | None, ...]] = (
    None,
    *(Address("tcp", f"192.0.2.{i}", 40000 + i) for i in range(20)),
    *(Address("tcp", f"2001:db8::{i:x}", 40000 + i) for i in range(20)),
    Address("tcp", "fe80::1", 40000, zone="eth0"),
    Address("udp", "192.0.2.1", 53),
    Address("unix"),
    Address("unix", path="/run/client.sock"),
    Address("unix", path="@abstract"),
)
"""Peers of every kind; most clients of a Unix socket have no name."""


@dataclass
class _Loop:
    """What a balancer sees of an event loop."""

    index: int
    connection_count: int = 0


def check_load_balancer(factory: Callable[[], LoadBalancer]) -> None:
    """Checks that what ``factory`` makes keeps the contract of ``LoadBalancer``.

    Args:
        factory: Called without arguments, any number of times; makes a new load balancer.

    Raises:
        AssertionError: It does not; the message is a sentence that says what is wrong.
    """
    run_rules("load balancer", _RULES, lambda rule: rule(factory()))


def _pick(balancer: LoadBalancer, loops: Sequence[_Loop], remote: Address | None) -> _Loop:
    before = list(loops)
    numbers = [(loop.index, loop.connection_count) for loop in loops]
    picked = balancer.pick(loops, remote)
    shown = "no peer" if remote is None else str(remote)
    sentence = f"pick() among {len(before)} loops for {shown} returns {picked!r}, which is none of them."
    require(any(picked is loop for loop in before), sentence)
    require(list(loops) == before, "pick() changes the sequence of loops.")
    require(numbers == [(loop.index, loop.connection_count) for loop in loops], "pick() changes a loop.")
    return picked


def _picks_one_of_the_loops(balancer: LoadBalancer) -> None:
    for count in (1, 2, 3, 7, 64):
        loops = [_Loop(i) for i in range(count)]
        for remote in _REMOTES:
            _pick(balancer, loops, remote).connection_count += 1


def _picks_from_any_sequence(balancer: LoadBalancer) -> None:
    loops = tuple(_Loop(i, connection_count=10 - i) for i in range(4))
    for remote in _REMOTES:
        _pick(balancer, loops, remote)


def _bears_a_changing_number_of_loops(balancer: LoadBalancer) -> None:
    loops = [_Loop(i) for i in range(8)]
    for count in (8, 1, 5, 2, 8):
        for remote in _REMOTES:
            _pick(balancer, loops[:count], remote)


def _bears_loops_with_any_load(balancer: LoadBalancer) -> None:
    for loads in ([5, 5, 5], [0, 0, 1], [10**9, 0, 7], [0, 0, 0]):
        loops = [_Loop(i, load) for i, load in enumerate(loads)]
        for remote in _REMOTES:
            _pick(balancer, loops, remote)


_RULES: Final[tuple[Callable[[LoadBalancer], None], ...]] = (
    _picks_one_of_the_loops,
    _picks_from_any_sequence,
    _bears_a_changing_number_of_loops,
    _bears_loops_with_any_load,
)
