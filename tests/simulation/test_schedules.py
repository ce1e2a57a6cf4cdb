"""Faults that are planned: when they begin and end, what several do together, and how they are shown."""

from __future__ import annotations

import pytest

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import (
    ClockJump,
    ClockSkew,
    Crash,
    Host,
    LinkChange,
    Partition,
    PlannedFault,
    Scenario,
    Schedule,
    Simulation,
    Spikes,
)


def world(names: str = "abc") -> Simulation:
    simulation = Simulation(1)
    for name in names:
        simulation.host(name)
    return simulation


def events(simulation: Simulation, *kinds: str) -> list[tuple[float, str, str, str]]:
    return [
        (event.time, event.kind, event.host, event.peer) for event in simulation.trace if event.kind in kinds
    ]


def cut(simulation: Simulation, a: str, b: str) -> tuple[bool, bool]:
    """Whether what ``a`` sends to ``b`` is lost, and the other way round."""
    links = simulation._world.links
    return links.path(a, b).cut, links.path(b, a).cut


def test_a_partition_begins_and_is_healed() -> None:
    simulation = world()
    simulation.run(until=0.5)
    Schedule(Partition(1.0, "a", "b", lasting=2.0)).apply(simulation)
    simulation.run(until=10.0)

    assert events(simulation, "partition", "heal") == [(1.5, "partition", "a", "b"), (3.5, "heal", "a", "b")]


def test_one_that_never_ends_stays() -> None:
    simulation = world()
    Schedule(Partition(1.0, "a", ("b", "c"), one_way=True)).apply(simulation)
    simulation.run(until=1000.0)

    assert cut(simulation, "a", "b") == cut(simulation, "a", "c") == (True, False)
    assert cut(simulation, "b", "c") == (False, False)


def test_partitions_that_overlap_end_each_for_itself() -> None:
    simulation = world()
    schedule = Schedule(
        Partition(0.0, "a", ("b", "c"), lasting=4.0),
        Partition(1.0, "b", "a", lasting=5.0, one_way=True),
        Partition(2.0, "c", "b", lasting=1.0),
    )
    schedule.apply(simulation)
    seen = []
    for now in (0.5, 2.5, 3.5, 5.5, 7.0):
        simulation.run(until=now)
        seen.append((cut(simulation, "a", "b"), cut(simulation, "a", "c"), cut(simulation, "b", "c")))

    yes, no = (True, True), (False, False)
    assert seen == [
        (yes, yes, no),
        (yes, yes, yes),
        (yes, yes, no),
        ((False, True), no, no),
        (no, no, no),
    ]


class Serving(EventHandler):
    def __init__(self, disk: list[bytes]) -> None:
        self.disk = disk

    def on_traffic(self, conn: Conn) -> Action | None:
        self.disk.append(conn.read())
        return None


def test_a_crash_ends_with_a_restart_and_two_with_the_later_one() -> None:
    simulation = world()
    simulation.host("a").engine(Serving([]), "tcp://:7000")
    Schedule(Crash(1.0, "a", lasting=2.0), Crash(2.0, "a", lasting=5.0)).apply(simulation)
    simulation.run(until=10.0)

    assert events(simulation, "crash", "restart") == [(1.0, "crash", "a", ""), (7.0, "restart", "a", "")]
    assert simulation.host("a").up


def test_a_restart_may_begin_with_what_the_disk_has_kept() -> None:
    simulation = world()
    server = simulation.host("a")
    disk: list[bytes] = []
    server.engine(Serving(disk), "tcp://:7000")
    restarted = []

    def restart(host: Host) -> None:
        restarted.append(host.name)
        host.restart(Serving(disk))

    Schedule(Crash(1.0, "a", lasting=1.0)).apply(simulation, restart)
    simulation.run(until=3.0)
    simulation.host("b").dial("tcp://a:7000").result().async_write(b"hello")
    simulation.run(until=lambda: disk == [b"hello"])

    assert restarted == ["a"]


def test_links_go_back_to_what_they_were() -> None:
    simulation = world()
    simulation.link("a", "b", latency=0.2, loss=0.1)
    before = simulation.link_between("a", "b")
    schedule = Schedule(
        LinkChange(1.0, "a", "b", lasting=3.0, loss=0.5),
        LinkChange(2.0, "b", "a", lasting=4.0, bandwidth=1000.0, loss=0.0),
    )
    schedule.apply(simulation)
    seen = []
    for now in (1.5, 2.5, 4.5, 6.5):
        simulation.run(until=now)
        seen.append(simulation.link_between("b", "a"))

    assert seen == [
        {**before, "loss": 0.5},
        {**before, "loss": 0.0, "bandwidth": 1000.0},
        {**before, "loss": 0.0, "bandwidth": 1000.0},
        before,
    ]


def test_all_links_of_a_host_change_at_once_and_go_back_each_to_what_it_was() -> None:
    simulation = world("abc")
    simulation.link("b", "c", latency=0.2)
    schedule = Schedule(
        LinkChange(1.0, "b", ("a", "c"), lasting=2.0, latency=Spikes(0.01, 0.5, 0.1)),
        LinkChange(2.0, "c", "b", lasting=3.0, loss=0.5),
    )
    schedule.apply(simulation)
    assert eval(repr(schedule)) == schedule

    def latencies() -> list[object]:
        return [simulation.link_between(one, other)["latency"] for one, other in ("ab", "bc", "ca")]

    before = latencies()
    simulation.run(until=2.5)
    assert latencies() == [Spikes(0.01, 0.5, 0.1), Spikes(0.01, 0.5, 0.1), before[2]]
    simulation.run(until=3.5)
    assert latencies() == before
    assert [simulation.link_between(*pair)["loss"] for pair in ("ab", "bc")] == [0.0, 0.5]
    simulation.run(until=6.0)
    assert simulation.link_between("b", "c")["loss"] == 0.0


def test_a_spike_comes_as_often_as_it_is_said() -> None:
    simulation = world()
    spikes = Spikes(0.01, 0.5, 0.2)
    drawn = [spikes(simulation.random) for _ in range(2000)]
    assert set(drawn) == {0.01, 0.5}
    assert 300 < drawn.count(0.5) < 500


def test_clocks_go_right_again() -> None:
    simulation = world()
    clock = simulation.host("a").clock
    schedule = Schedule(
        ClockSkew(1.0, "a", 2.0, lasting=4.0),
        ClockSkew(2.0, "a", 0.5, lasting=1.0),
        ClockJump(1.0, "a", 60.0, lasting=2.0),
    )
    schedule.apply(simulation)
    rates = []
    for now in (0.5, 1.5, 2.5, 3.5, 6.0):
        simulation.run(until=now)
        rates.append(clock.rate)

    assert rates == [1.0, 2.0, 0.5, 2.0, 1.0]
    assert clock.time() - 946_684_800.0 == 1.0 + 2.0 + 0.5 + 2 * 2.0 + 1.0
    assert [event.detail for event in simulation.trace.events("jump")] == [
        "rate 2",
        "wall clock +60 s",
        "rate 0.5",
        "wall clock -60 s",
        "rate 2",
        "rate 1",
    ]


def test_a_schedule_shows_what_makes_it_again() -> None:
    schedule = Schedule(
        Crash(3.0, "b", lasting=0.25),
        Partition(1.0, "a", ("b", "c"), one_way=True),
        LinkChange(2, "a", "b", lasting=1.0, loss=0.5),
        ClockSkew(4.0, "c", 1.1),
    )

    assert repr(schedule) == (
        "Schedule(\n"
        "    Partition(1.0, 'a', ('b', 'c'), one_way=True),\n"
        "    LinkChange(2, 'a', 'b', lasting=1.0, loss=0.5),\n"
        "    Crash(3.0, 'b', lasting=0.25),\n"
        "    ClockSkew(4.0, 'c', 1.1),\n"
        ")"
    )
    assert eval(repr(schedule)) == schedule
    assert eval(repr(Schedule())) == Schedule()
    assert hash(eval(repr(schedule))) == hash(schedule)
    assert schedule != Schedule(*list(schedule)[1:])
    assert len(schedule) == 4


def test_a_schedule_ends_with_its_last_fault() -> None:
    assert Schedule().ends == 0.0
    assert Schedule(Crash(1.0, "a", lasting=5.0), ClockJump(4.0, "a", 1.0, lasting=0.5)).ends == 6.0
    assert Schedule(Crash(1.0, "a")).ends == float("inf")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Crash(-1.0, "a"),
        lambda: Crash(float("inf"), "a"),
        lambda: Crash(1.0, "a", lasting=0.0),
        lambda: Partition(1.0, "a", "a"),
        lambda: Partition(1.0, ("a", "b"), ("c", "b")),
        lambda: Partition(1.0, (), ("c", "b")),
        lambda: Schedule(Crash(1.0, "nobody")).apply(world()),
        lambda: world().chaos(10, hosts=["nobody"]),
        lambda: world().chaos(0),
        lambda: world().chaos(float("inf")),
        lambda: world("a").chaos(10, kinds=[Partition, LinkChange]),
        lambda: world().chaos(10, kinds=[PlannedFault]),
        lambda: Simulation().chaos(10),
    ],
)
def test_what_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]


def test_chaos_is_the_same_for_the_same_seed_and_over_in_the_end() -> None:
    drawn = []
    for seed in (1, 1, 2, 3):
        with Simulation(seed) as simulation:
            for name in "abcde":
                simulation.host(name)
            drawn.append(simulation.chaos(10, most=20))
            simulation.run(until=10.0)
            assert all(host.up and host.clock.rate == 1.0 for host in simulation.hosts)
            assert not any(any(cut(simulation, a, b)) for a in "abcde" for b in "abcde")
            links = [simulation.link_between(a, b) for a in "abcde" for b in "abcde" if a != b]
            assert links == [links[0]] * 20

    assert drawn[0] == drawn[1] != drawn[2] != drawn[3]


def test_chaos_is_of_every_kind_and_to_every_host() -> None:
    simulation = world("abcd")
    faults = [fault for _ in range(200) for fault in simulation.chaos(10, most=5)]

    assert {type(fault) for fault in faults} == {Partition, Crash, LinkChange, ClockSkew, ClockJump}
    assert {name for fault in faults for name in fault.names} == set("abcd")
    assert all(fault.at < fault.ends <= 10 for fault in faults)
    partitions = [fault for fault in faults if isinstance(fault, Partition)]
    assert {fault.one_way for fault in partitions} == {False, True}
    assert {len(fault.names) for fault in partitions} == {2, 4}
    spiking = [
        fault for fault in faults if isinstance(fault, LinkChange) and isinstance(fault.latency, Spikes)
    ]
    assert {fault.a for fault in spiking} == set("abcd")
    assert {len(fault.names) for fault in spiking} == {4}


def test_chaos_may_be_kept_to_some_hosts_and_kinds() -> None:
    simulation = world("abcd")
    faults = [
        fault
        for _ in range(50)
        for fault in simulation.chaos(0.5, hosts=["a", simulation.host("c")], kinds=[Crash, Partition])
    ]

    assert {type(fault) for fault in faults} == {Partition, Crash}
    assert {name for fault in faults for name in fault.names} == {"a", "c"}
    assert all(fault.ends <= 0.5 for fault in faults)


def test_a_scenario_makes_its_world() -> None:
    scenario = Scenario(
        7,
        ("a", "b"),
        conditions=Schedule(LinkChange(0.0, "a", "b", latency=0.5)),
        faults=Schedule(Crash(1.0, "b", lasting=1.0)),
    )
    simulation = scenario.simulation()
    simulation.run(until=3.0)

    assert eval(repr(scenario)) == scenario
    assert [host.name for host in simulation.hosts] == ["a", "b"]
    assert simulation.seed == 7
    assert simulation.link_between("a", "b")["latency"] == 0.5
    assert events(simulation, "crash", "restart") == [(1.0, "crash", "b", ""), (2.0, "restart", "b", "")]
