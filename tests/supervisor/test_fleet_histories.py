"""A fleet through random histories, with crashes at every step: what holds in all of them."""

from __future__ import annotations

import logging
import math

from fake_yard import KILL, World
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from netcore.supervisor.fleet import Fleet
from netcore.supervisor.states import State
from netcore.supervisor.yard import Pace

PACES = st.builds(
    Pace,
    hang=st.sampled_from([math.inf, 2.0, 8.0]),
    drain=st.sampled_from([0.0, 30.0]),
    stop=st.sampled_from([2.0, 12.0]),
)
WHICH = st.integers(0, 40)
STATUS = st.sampled_from([0, 1, 2, -6, -9, -11, -64])
LONG_GONE = 99
QUIET = logging.Logger("quiet", logging.CRITICAL + 1)


class Histories(RuleBasedStateMachine):
    """Anything happens to a fleet, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = [LONG_GONE]

    @initialize(size=st.integers(1, 4), own=st.booleans(), pace=PACES, works=st.booleans())
    def begins(self, size: int, own: bool, pace: Pace, works: bool) -> None:
        self.world = World(size, own, pace, logger=QUIET)
        self.world.yard.out_of_processes = not works
        self.world.fleet.start()
        self.pace = pace

    @property
    def fleet(self) -> Fleet:
        return self.world.fleet

    def pick(self, which: int, *states: State) -> int | None:
        """Returns one of the processes in such a state."""
        pids = [member.pid for member in self.fleet.members.values() if member.state in states]
        return pids[which % len(pids)] if pids else None

    # What processes do.

    @rule(which=WHICH)
    def one_has_booted(self, which: int) -> None:
        pid = self.pick(which, State.BOOTING)
        if pid is not None:
            self.world.ready(pid)

    @rule()
    def all_have_booted(self) -> None:
        for member in list(self.fleet.members.values()):
            if member.state is State.BOOTING and member.pid in self.fleet.members:
                self.world.ready(member.pid)

    @rule(which=WHICH)
    def one_says_once_more_or_too_late_that_it_has(self, which: int) -> None:
        pid = self.pick(which, State.SERVING, State.DRAINING, State.STOPPING, State.KILLED)
        if pid is not None:
            self.fleet.ready(pid)

    @rule(which=WHICH, state=st.sampled_from([*State]), status=STATUS)
    def one_has_ended(self, which: int, state: State, status: int) -> None:
        pid = self.pick(which, state)
        if pid is not None:
            self.gone.append(pid)
            self.world.exit(pid, status, "stacks" if status == -6 else "")

    @rule(which=WHICH, stuck=st.sampled_from([0.0, 0.0, 1.0, 7.9, 8.0, 100.0]))
    def one_says_how_it_is(self, which: int, stuck: float) -> None:
        pid = self.pick(which, *State)
        if pid is not None:
            self.fleet.heard(pid, stuck, "somewhere")

    @rule()
    def all_are_well(self) -> None:
        for pid in self.fleet.members:
            self.fleet.heard(pid)

    @rule(which=WHICH)
    def one_speaks_after_its_death(self, which: int) -> None:
        pid = self.gone[which % len(self.gone)]
        before = self.everything()
        self.fleet.ready(pid)
        self.fleet.heard(pid, 1000)
        self.fleet.exited(pid, 1)
        if self.settled:
            assert self.everything() == before

    # What is wanted.

    @rule()
    def replace(self) -> None:
        self.fleet.replace_all()

    @rule()
    def grow(self) -> None:
        if self.fleet.wanted < 6:
            self.fleet.grow()

    @rule()
    def shrink(self) -> None:
        self.fleet.shrink()

    @rule(kind=st.sampled_from(["stop", "stop", "stop_now", "retire_all"]), really=st.integers(0, 5))
    def end(self, kind: str, really: int) -> None:
        if really == 0 or self.fleet.ending:  # or histories would be short
            getattr(self.fleet, kind)()

    # What the system does.

    @rule(flag=st.booleans())
    def processes_can_be_started(self, flag: bool) -> None:
        self.world.yard.out_of_processes = not flag

    @rule(flag=st.booleans())
    def places_can_be_opened(self, flag: bool) -> None:
        self.world.yard.out_of_ports = not flag

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0, 9.0, 35.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(seconds=st.sampled_from([1.0, 20.0, 1000.0]))
    def the_supervisor_is_away(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.world.settle()

    @rule(share=st.floats(0.01, 0.99))
    def nothing_is_due_before_it_was_announced(self, share: float) -> None:
        before, due = self.everything(), self.fleet.next_due()
        if not 0.01 < due - self.world.clock() < math.inf:
            return
        self.world.clock.now += (due - self.world.clock()) * share * 0.999
        self.fleet.step()
        assert self.everything() == before and self.fleet.next_due() == due

    # What holds.

    @property
    def settled(self) -> bool:
        return self.fleet.next_due() > self.world.clock()

    def everything(self) -> tuple[object, ...]:
        """Returns all that could have changed, but for what was heard."""
        fleet = self.fleet
        return (
            len(self.world.yard.log),
            [(member.pid, member.state, member.ends_by) for member in fleet.members.values()],
            [(place.current, place.successor, place.due, place.vacant_since) for place in fleet.places],
            (fleet.wanted, fleet.rolling, fleet.ending, fleet.failure, fleet.restarts),
        )

    @invariant()
    def what_is_due_is_done_and_done_once(self) -> None:
        self.world.settle()
        before = self.everything()
        self.world.settle()
        assert self.everything() == before

    @invariant()
    def some_are_wanted_and_each_place_has_its_number(self) -> None:
        fleet = self.fleet
        assert 1 <= fleet.wanted <= len(fleet.places)
        assert [place.number for place in fleet.places] == list(range(len(fleet.places)))

    @invariant()
    def one_is_replaced_at_a_time(self) -> None:
        successors = [place.successor for place in self.fleet.places if place.successor is not None]
        assert len(successors) <= 1
        if not self.fleet.ending:
            assert all(member.state is State.BOOTING for member in successors)
            assert self.fleet.rolling or not successors

    @invariant()
    def members_and_places_agree(self) -> None:
        fleet = self.fleet
        assert set(fleet.members) == set(self.world.yard.processes)
        placed = []
        for place in fleet.places:
            for member in (place.current, place.successor):
                if member is not None:
                    placed.append(member)
                    assert fleet.members[member.pid] is member and member.number == place.number
        if not fleet.ending:
            assert all(member.state in (State.BOOTING, State.SERVING) for member in placed)
        for member in fleet.members.values():
            assert member in placed or member.state.ends
            assert (member.ends_by < math.inf) == member.state.ends

    @invariant()
    def each_listener_has_somebody_who_accepts(self) -> None:
        fleet, yard, now = self.fleet, self.world.yard, self.world.clock()
        if fleet.ending:
            return
        for member in fleet.members.values():
            assert yard.processes[member.pid].listeners == member.listeners
        for number in yard.numbers:
            holders = {pid for pid in yard.holders(number) if fleet.members[pid].state is State.SERVING}
            place = fleet.places[number] if number < len(fleet.places) else None
            if place is not None and place.serves:
                assert holders == {place.current.pid}
            elif fleet.count and (place is None or now - place.vacant_since >= 1):
                assert len(holders) == 1

    @invariant()
    def somebody_serves_or_is_about_to(self) -> None:
        fleet = self.fleet
        if not fleet.ending and not fleet.count:
            boots = any(place.current is not None for place in fleet.places)
            assert boots or self.fleet.next_due() < math.inf

    @invariant()
    def it_fails_only_if_none_has_ever_booted(self) -> None:
        if self.fleet.failure:
            assert self.fleet.ending and not self.fleet.count

    def teardown(self) -> None:
        """Asked to, it comes to its end, though its processes only obey a signal that they have to."""
        if not hasattr(self, "world"):
            return
        self.fleet.stop()
        for _ in range(100):
            for pid, process in list(self.world.yard.processes.items()):
                if KILL in process.orders:
                    self.world.exit(pid, -9)
            if self.fleet.over:
                break
            assert self.fleet.next_due() < math.inf
            self.world.advance(self.fleet.next_due() - self.world.clock())
        assert self.fleet.over and self.fleet.next_due() == math.inf
        assert not self.world.yard.processes


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
