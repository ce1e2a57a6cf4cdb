"""The load balancers, their names, and what check_load_balancer says of broken ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from netcore import Address
from netcore.lb import (
    LeastConnections,
    LoadBalancer,
    RoundRobin,
    SourceAddressHash,
    balancer_names,
    make_balancer,
)
from netcore.testing.conformance.check_load_balancer import check_load_balancer


@dataclass
class FakeLoop:
    index: int
    connection_count: int = 0


def loops(*counts: int) -> list[FakeLoop]:
    return [FakeLoop(index, count) for index, count in enumerate(counts)]


@pytest.mark.parametrize("factory", [RoundRobin, LeastConnections, SourceAddressHash])
def test_keeps_the_contract(factory: Callable[[], LoadBalancer]) -> None:
    check_load_balancer(factory)


def test_round_robin_takes_turns() -> None:
    balancer, three = RoundRobin(), loops(9, 0, 0)
    assert [balancer.pick(three, None).index for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_round_robins_do_not_share_their_turn() -> None:
    three = loops(0, 0, 0)
    first, second = RoundRobin(), RoundRobin()
    first.pick(three, None)
    assert second.pick(three, None).index == 0


@pytest.mark.parametrize(
    ("counts", "index"), [((3, 1, 2), 1), ((0, 0, 0), 0), ((5, 2, 2), 1), ((1,), 0), ((7, 6, 5, 4), 3)]
)
def test_least_connections_takes_the_emptiest_then_the_first(counts: tuple[int, ...], index: int) -> None:
    assert LeastConnections().pick(loops(*counts), None).index == index


def test_least_connections_evens_out() -> None:
    balancer, four = LeastConnections(), loops(8, 0, 3, 1)
    for _ in range(20):
        balancer.pick(four, None).connection_count += 1
    assert [loop.connection_count for loop in four] == [8, 8, 8, 8]


def test_the_hash_keeps_a_host_on_its_loop_whatever_the_port() -> None:
    balancer, eight = SourceAddressHash(), loops(*[0] * 8)
    for host in ("192.0.2.1", "2001:db8::1", "fe80::1"):
        picks = {balancer.pick(eight, Address("tcp", host, port)).index for port in range(1, 60000, 999)}
        assert len(picks) == 1
        assert {SourceAddressHash().pick(eight, Address("tcp", host, 1)).index} == picks


def test_the_hash_is_the_same_in_every_process() -> None:
    eight = loops(*[0] * 8)
    hosts = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "")
    picks = [SourceAddressHash().pick(eight, Address("tcp", host, 1)).index for host in hosts]
    assert picks == [0xDB610037 % 8, 0x4268518D % 8, 0x00B4AF0E % 8, 0], "CRC-32 of the text"


def test_the_hash_spreads_hosts() -> None:
    balancer, four = SourceAddressHash(), loops(0, 0, 0, 0)
    rng = random.Random(0)
    picks = Counter(
        balancer.pick(four, Address("tcp", f"10.0.{rng.randrange(256)}.{rng.randrange(256)}", 1)).index
        for _ in range(4000)
    )
    assert min(picks.values()) > 800


def test_the_hash_has_one_loop_for_all_who_have_no_host() -> None:
    balancer, eight = SourceAddressHash(), loops(*[0] * 8)
    nobody = [None, Address("unix"), Address("unix", path="/a"), Address("unix", path="@b")]
    assert {balancer.pick(eight, remote).index for remote in nobody} == {0}


def test_names() -> None:
    assert balancer_names() == ("round-robin", "least-connections", "source-address-hash")
    kinds = [type(make_balancer(name)) for name in balancer_names()]
    assert kinds == [RoundRobin, LeastConnections, SourceAddressHash]
    assert make_balancer("round-robin") is not make_balancer("round-robin")


def test_a_balancer_of_ones_own_is_taken_as_it_is() -> None:
    mine = LeastConnections()
    assert make_balancer(mine) is mine


@pytest.mark.parametrize("name", ["nope", "", "Round-Robin", "round_robin"])
def test_an_unknown_name_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"no load balancer '{name}': use round-robin, least-connections, "):
        make_balancer(name)


@pytest.mark.parametrize("thing", [None, 3, object()])
def test_what_cannot_pick_is_no_balancer(thing: Any) -> None:
    with pytest.raises(ValueError, match="is no load balancer"):
        make_balancer(thing)


def broken(pick: Callable[[Sequence[Any], Address | None], object]) -> Callable[[], Any]:
    """Makes the factory of a balancer from the body of its ``pick``."""
    kind = type("Broken", (), {"pick": lambda self, loops, remote: pick(loops, remote)})
    return lambda: kind()


def count_and_pick(loops: Sequence[Any], remote: Address | None) -> object:
    loops[0].connection_count += 1
    return loops[0]


@pytest.mark.parametrize(
    ("pick", "sentence"),
    [
        (lambda loops, remote: 0, r"pick\(\) among 1 loops for no peer returns 0, which is none of them\."),
        (lambda loops, remote: None, "returns None, which is none of them."),
        (lambda loops, remote: replace(loops[0]), "which is none of them."),
        (lambda loops, remote: loops[2], r'checking "picks one of the loops", .*IndexError'),
        (lambda loops, remote: loops[len(remote.host) % len(loops)], "AttributeError.*NoneType"),
        (lambda loops, remote: loops.pop(), r"pick\(\) changes the sequence of loops."),
        (lambda loops, remote: loops.sort(key=lambda loop: -loop.index) or loops[0], "changes the sequence"),
        (lambda loops, remote: list.copy(loops)[0], 'checking "picks from any sequence", .*TypeError'),
        (count_and_pick, r"pick\(\) changes a loop."),
    ],
)
def test_says_what_is_wrong(pick: Callable[..., object], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_load_balancer(broken(pick))
    assert str(caught.value).endswith(".")
