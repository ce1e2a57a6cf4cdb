"""Names in a simulated world, and their resolution: at once, after a while, or not at all."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from simulated_udp import SimulatedNet

from netcore import Address
from netcore.sockets import Endpoint, Found
from netcore.testing.simulation import current
from netcore.testing.simulation.net.names import Names
from netcore.testing.simulation.net.network import Ground


class World:
    """A world with a few hosts, in which the first one's code runs; blocking lets its time pass."""

    def __init__(self, seed: int = 1) -> None:
        self.net = SimulatedNet(seed)
        self.net.boot("server")
        self.names = Names(self.net.scheduler, self.net.network)
        self.kernel: Ground | None = self.net.grounds["client"]
        self.waits: list[str] = []

    def wait(self, predicate: Callable[[], bool], timeout: float | None, what: str) -> bool:
        assert timeout is not None
        self.waits.append(what)
        self.net.scheduler.advance(self.net.scheduler.now + timeout)
        return predicate()

    def look_up(self, text: str) -> list[tuple[float, Found]]:
        """Looks an address up without blocking; the list gets when something was found, and what."""
        found: list[tuple[float, Found]] = []
        resolver = self.names.resolver(self.net.grounds["client"])
        resolver.look_up(Address.parse(text), lambda what: found.append((self.net.scheduler.now, what)))
        return found


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    before = current.enter(made)  # type: ignore[arg-type]
    yield made
    current.enter(before)


_STREAM = socket.SOCK_STREAM


def _names(entries: list[Any]) -> list[Any]:
    return [entry[4] for entry in entries]


@pytest.mark.parametrize("name", ["server", "SERVER", "server.", b"server"])
def test_a_host_has_its_addresses_ipv4_first(world: World, name: Any) -> None:
    assert world.names.getaddrinfo(name, 80, type=_STREAM) == [
        (socket.AF_INET, _STREAM, socket.IPPROTO_TCP, "", ("10.0.0.2", 80)),
        (socket.AF_INET6, _STREAM, socket.IPPROTO_TCP, "", ("fd00::2", 80, 0, 0)),
    ]
    assert world.waits == []


def test_each_kind_and_family_can_be_asked_for(world: World) -> None:
    entries = world.names.getaddrinfo("server", 80, socket.AF_INET)
    assert [entry[1:3] for entry in entries] == [
        (socket.SOCK_STREAM, socket.IPPROTO_TCP),
        (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
        (socket.SOCK_RAW, 0),
    ]
    entries = world.names.getaddrinfo("server", 80, socket.AF_INET6, 0, socket.IPPROTO_UDP)
    assert [entry[:3] for entry in entries] == [(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP)]


def test_a_host_that_has_crashed_still_has_a_name(world: World) -> None:
    world.net.crash("server")
    assert world.names.gethostbyname("server") == "10.0.0.2"


_REAL_AND_SIMULATED = pytest.mark.parametrize(
    "real",
    [
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is simulated")
        ),
    ],
    ids=["simulated", "real"],
)


@_REAL_AND_SIMULATED
def test_what_needs_no_name_service(world: World, real: bool) -> None:
    ask: Callable[..., list[Any]] = socket.getaddrinfo if real else world.names.getaddrinfo

    def names(*question: Any, **more: Any) -> list[Any]:
        return sorted(_names(ask(*question, type=_STREAM, **more)), key=len)

    assert names("127.0.0.9", 80) == [("127.0.0.9", 80)]
    assert names("::0:1", "80") == [("::1", 80, 0, 0)]
    assert names("::ffff:127.0.0.1", b"80") == [("::ffff:127.0.0.1", 80, 0, 0)]
    assert names(None, 80) == [("127.0.0.1", 80), ("::1", 80, 0, 0)]
    assert names(None, 80, flags=socket.AI_PASSIVE) == [("0.0.0.0", 80), ("::", 80, 0, 0)]
    assert names("127.0.0.1", None) == [("127.0.0.1", 0)]
    assert names("127.0.0.1", "https") == [("127.0.0.1", 443)]
    assert ("127.0.0.1", 80) in names("localhost", 80)
    canonical = ask("127.0.0.1", 1, type=_STREAM, flags=socket.AI_CANONNAME)
    assert [entry[3] for entry in canonical] == ["127.0.0.1"]


@_REAL_AND_SIMULATED
@pytest.mark.parametrize(
    ("question", "code"),
    [
        ((None, None), socket.EAI_NONAME),
        (("::1", 1, socket.AF_INET), getattr(socket, "EAI_ADDRFAMILY", 0)),
        (("127.0.0.1", 1, socket.AF_INET6), getattr(socket, "EAI_ADDRFAMILY", 0)),
        (("127.0.0.1", "no-such-service"), socket.EAI_SERVICE),
        (("127.0.0.1", 1, 99), socket.EAI_FAMILY),
        (("127.0.0.1", 1, 0, 99), socket.EAI_SOCKTYPE),
        (("server", 1, 0, 0, 0, socket.AI_NUMERICHOST), socket.EAI_NONAME),
        (("127.0.0.1", "http", 0, 0, 0, getattr(socket, "AI_NUMERICSERV", 0)), socket.EAI_NONAME),
        ((None, 1, 0, 0, 0, socket.AI_CANONNAME), socket.EAI_BADFLAGS),
    ],
)
def test_questions_without_an_answer(world: World, real: bool, question: Any, code: int) -> None:
    ask: Callable[..., list[Any]] = socket.getaddrinfo if real else world.names.getaddrinfo
    with pytest.raises(socket.gaierror) as caught:
        ask(*question)
    assert caught.value.errno == code


@_REAL_AND_SIMULATED
@pytest.mark.parametrize(
    ("question", "error"),
    [
        (("a..b", 1), UnicodeError),
        (("x" * 64, 1), UnicodeError),
        ((1, 1), TypeError),
        (("::1", 1.5), OSError),
    ],
)
def test_odd_questions(world: World, real: bool, question: Any, error: type) -> None:
    ask: Callable[..., list[Any]] = socket.getaddrinfo if real else world.names.getaddrinfo
    with pytest.raises(error):
        ask(*question)


def test_a_name_of_nobody_is_unknown(world: World) -> None:
    for call in (world.names.gethostbyname, world.names.gethostbyaddr):
        with pytest.raises(socket.gaierror, match="Name or service not known"):
            call("nobody")


def test_localhost_is_every_host_itself(world: World) -> None:
    for name in ("localhost", "db.localhost", "LOCALHOST."):
        assert _names(world.names.getaddrinfo(name, 1, type=_STREAM)) == [("127.0.0.1", 1), ("::1", 1, 0, 0)]


def test_the_older_functions(world: World) -> None:
    names = world.names
    assert names.gethostname() == "client"
    assert names.gethostbyname("server") == "10.0.0.2"
    assert names.gethostbyname("") == "0.0.0.0"
    assert names.gethostbyname("<broadcast>") == "255.255.255.255"
    assert names.gethostbyname_ex("server") == ("server", [], ["10.0.0.2"])
    assert names.gethostbyaddr("10.0.0.2") == ("server", [], ["10.0.0.2"])
    assert names.gethostbyaddr("::1") == ("localhost", [], ["::1"])
    with pytest.raises(socket.herror):
        names.gethostbyaddr("192.0.2.1")
    assert names.getnameinfo(("fd00::2", 443, 0, 0), 0) == ("server", "https")
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    assert names.getnameinfo(("10.0.0.2", 443), numeric) == ("10.0.0.2", "443")
    assert names.getnameinfo(("192.0.2.1", 4444), 0) == ("192.0.2.1", "4444")
    with pytest.raises(socket.gaierror):
        names.getnameinfo(("192.0.2.1", 1), socket.NI_NAMEREQD)
    with pytest.raises(socket.gaierror):
        names.getnameinfo(("server", 1), 0)


def test_every_host_has_two_interfaces(world: World) -> None:
    names = world.names
    assert names.if_nameindex() == [(1, "lo"), (2, "eth0")]
    assert names.if_nametoindex("eth0") == 2
    assert names.if_indextoname(1) == "lo"
    for call in (lambda: names.if_nametoindex("eth9"), lambda: names.if_indextoname(9)):
        with pytest.raises(OSError, match="No such device"):
            call()


def test_all_functions_are_those_of_the_standard_library(world: World) -> None:
    for name in Names.FUNCTIONS:
        assert callable(getattr(world.names, name))
        assert callable(getattr(socket, name))


# Other names.


def test_a_name_can_stand_for_hosts_and_addresses(world: World) -> None:
    world.names.add("db.example", "server", "192.0.2.1", "10.0.0.2")
    assert _names(world.names.getaddrinfo("DB.example", 1, type=_STREAM)) == [
        ("10.0.0.2", 1),
        ("192.0.2.1", 1),
        ("fd00::2", 1, 0, 0),
    ]
    world.names.add("db.example", "::ffff:192.0.2.2")
    assert world.names.gethostbyname("db.example") == "192.0.2.2"
    with pytest.raises(socket.gaierror):
        world.names.getaddrinfo("db.example", 1, socket.AF_INET6)
    world.names.add("server", "192.0.2.3")
    assert world.names.gethostbyname("server") == "192.0.2.3"


# Slow, and failing.


def test_a_slow_name_keeps_its_caller_waiting(world: World) -> None:
    world.names.plan("Server", delay=2.5)
    assert world.names.gethostbyname("server") == "10.0.0.2"
    assert world.net.scheduler.now == 2.5
    assert world.waits == ["the lookup of 'server'"]
    world.names.gethostbyname("client")
    world.names.gethostbyname("10.0.0.2")
    world.names.getaddrinfo(None, 1)
    assert world.net.scheduler.now == 2.5


def test_all_names_can_be_slow_but_those_with_a_plan(world: World) -> None:
    world.names.plan(None, delay=lambda source: source.uniform(1, 2))
    world.names.plan("server")
    world.names.gethostbyname("server")
    assert world.net.scheduler.now == 0
    world.names.gethostbyname("client")
    assert 1 <= world.net.scheduler.now <= 2


def test_a_name_fails_by_plan_and_the_trace_tells(world: World) -> None:
    world.names.plan("server", failure=1, delay=3)
    with pytest.raises(socket.gaierror, match="Temporary failure") as caught:
        world.names.gethostbyname("server")
    assert caught.value.errno == socket.EAI_AGAIN
    assert world.net.scheduler.now == 3
    assert world.net.told() == [("fault", "client", "", "the lookup of 'server' fails")]
    world.names.plan("server", failure=1, error=socket.EAI_FAIL)
    with pytest.raises(socket.gaierror) as caught:
        world.names.gethostbyname("server")
    assert caught.value.errno == socket.EAI_FAIL


def test_some_lookups_fail(world: World) -> None:
    world.names.plan("server", failure=0.25)
    failed = 0
    for _ in range(400):
        try:
            world.names.gethostbyname("server")
        except socket.gaierror:
            failed += 1
    assert 60 < failed < 140


@pytest.mark.parametrize(
    ("plan", "error", "what"),
    [
        ({"delay": -1}, ValueError, "delay"),
        ({"delay": "1"}, TypeError, "delay"),
        ({"failure": 1.5}, ValueError, "failure"),
        ({"failure": None}, TypeError, "failure"),
        ({"error": "again"}, TypeError, "error"),
        ({"error": 5}, ValueError, "error is 5"),
    ],
)
def test_odd_plans_are_refused_by_name(world: World, plan: Any, error: type, what: str) -> None:
    with pytest.raises(error, match=what):
        world.names.plan("server", **plan)


@pytest.mark.parametrize(
    ("odd", "error", "why"),
    [
        (1, TypeError, "is 1: it must be text"),
        (b"server", TypeError, "is b'server': it must be text"),
        ("", ValueError, "is empty: it must be a name"),
    ],
)
def test_odd_names_are_refused(world: World, odd: Any, error: type, why: str) -> None:
    with pytest.raises(error, match=f"name {why}"):
        world.names.plan(odd, delay=1)
    with pytest.raises(error, match=f"name {why}"):
        world.names.add(odd, "server")
    with pytest.raises(error, match=f"target {why}"):
        world.names.add("db", odd)


@pytest.mark.parametrize("known", ["10.0.0.9", "::1", "localhost", "Localhost.", "db.localhost"])
def test_what_is_known_without_a_lookup_takes_no_plan_and_stands_for_nothing_else(
    world: World, known: str
) -> None:
    with pytest.raises(ValueError, match="is known without a lookup"):
        world.names.plan(known, delay=1)
    with pytest.raises(ValueError, match="is known without a lookup"):
        world.names.add(known, "server")


def test_a_name_is_the_same_with_the_dot_of_the_root_and_as_idna_has_it(world: World) -> None:
    world.names.add("Bücher.example.", "server")
    world.names.plan("bücher.EXAMPLE", delay=2)
    for name in ("bücher.example", "xn--bcher-kva.example", "bücher.example."):
        assert world.names.gethostbyname(name) == "10.0.0.2"
    assert world.net.scheduler.now == 6
    found = world.look_up("tcp://bücher.example:80")
    world.net.settle()
    assert [when for when, _ in found] == [8]


def test_what_a_function_gives_is_judged_when_it_is_drawn(world: World) -> None:
    world.names.plan("server", delay=lambda source: -1)
    with pytest.raises(ValueError, match="delay of server"):
        world.names.gethostbyname("server")


# Without blocking.


def test_the_resolver_answers_at_its_time(world: World) -> None:
    world.names.plan("server", delay=0.5)
    slow, quick = world.look_up("tcp://server:7000"), world.look_up("udp6://client:7001")
    literal = world.look_up("tcp://192.0.2.1:1")
    assert (slow, quick, literal) == ([], [], [])
    world.net.settle()
    assert slow == [
        (
            0.5,
            [
                Endpoint(socket.AF_INET, ("10.0.0.2", 7000)),
                Endpoint(socket.AF_INET6, ("fd00::2", 7000, 0, 0)),
            ],
        )
    ]
    assert quick == [(0.0, [Endpoint(socket.AF_INET6, ("fd00::1", 7001, 0, 0))])]
    assert literal == [(0.0, [Endpoint(socket.AF_INET, ("192.0.2.1", 1))])]
    assert world.waits == []


@pytest.mark.parametrize(
    ("name", "code"),
    [("server", socket.EAI_AGAIN), ("nobody", socket.EAI_NONAME)],
)
def test_the_resolver_tells_of_failures_as_the_system_s_does(world: World, name: str, code: int) -> None:
    world.names.plan("server", failure=1)
    found = world.look_up(f"tcp://{name}:7000")
    world.net.settle()
    ((_, error),) = found
    assert isinstance(error, socket.gaierror)
    assert error.errno == code
    assert f"(tcp://{name}:7000)" in str(error)


def test_a_lookup_can_be_cancelled(world: World) -> None:
    world.names.plan("server", delay=0.5)
    found: list[Found] = []
    resolver = world.names.resolver(world.net.grounds["client"])
    lookup = resolver.look_up(Address.parse("tcp://server:1"), found.append)
    world.net.scheduler.call_later(0.1, lookup.cancel)
    world.net.settle()
    lookup.cancel()
    assert found == []


def test_nobody_is_told_on_a_host_that_has_crashed(world: World) -> None:
    world.names.plan("server", delay=0.5)
    found = world.look_up("tcp://server:1")
    world.net.scheduler.call_later(0.1, world.net.crash, "client")
    world.net.settle()
    assert found == []
