"""The parts of a loop, each without a loop: with what it is given, and nothing else."""

from __future__ import annotations

import errno
import logging
import threading
from pickle import PickleBuffer
from types import SimpleNamespace

import pytest

from netcore import Address, CloseReason, Metrics, Timeout
from netcore._machine import REAL
from netcore.buffer import VIEWS_ARE_COUNTED
from netcore.connection import UNWATCHED, Counters, Deadlines, Ending, Inbox, Limits, Outbox
from netcore.eventloop import Gate, Shared
from netcore.eventloop.acceptor import Listener
from netcore.eventloop.aftermath import Aftermath
from netcore.eventloop.agenda import Agenda
from netcore.eventloop.departures import Departures
from netcore.eventloop.descriptors import Descriptors
from netcore.eventloop.half import Half
from netcore.eventloop.intake import Intake
from netcore.eventloop.listeners import Listeners
from netcore.eventloop.reception import Reception
from netcore.eventloop.turn import Turn
from netcore.eventloop.watchers import Watchers
from netcore.poll import Readiness
from netcore.testing import FakePoller, FakeSockets, ManualClock, RecordingHandler


class Log:
    """Something that is called; remembers the calls, of any name."""

    def __init__(self, calls=None):
        self.calls = [] if calls is None else calls

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, *args))


@pytest.fixture
def site():
    """What parts are given: a poller, sockets, a clock and some counters, all of them fakes."""
    clock = ManualClock()
    poller = FakePoller(clock)
    sockets = FakeSockets(poller)
    counters = Counters()
    handler = RecordingHandler()
    made = SimpleNamespace(
        machine=REAL,
        clock=clock,
        poller=poller,
        sockets=sockets,
        counters=counters,
        handler=handler,
        limits=Limits(linger=0.25),
        shared=Shared(handler),
        inbox=Inbox(sockets),
        outbox=Outbox(sockets, counters, 1000),
        charged=[],
        placing=0,
        descriptor_lock=threading.Lock(),
        logger=logging.getLogger("netcore.test"),
        stopping=False,
        time=0.0,
        posted=[],
        planned=[],
        settling=[],
        in_loop=lambda: True,
    )
    made.charge = lambda payer, error: made.charged.append((payer, error))
    made.watchers = Watchers(poller, made.charge)
    made.descriptors = Descriptors(made, None)
    made.receive_aside = sockets.receive
    made.post = lambda function, *args: made.posted.append((function, args))
    made.settle_later = made.settling.append
    made.schedule = lambda delay, function, *args: (made.planned.append(delay), Log())[1]
    return made


def test_watchers_tell_whom_it_concerns(site):
    one, other, watchers = Log(), Log(), site.watchers
    watchers.attend(3, one, 1)
    watchers.attend(4, other, 1)
    watchers.tell([(3, 1), (99, 1), (4, 2)])
    assert (one.calls, other.calls) == ([("ready", 1)], [("ready", 2)])
    watchers.change(3, 2)
    watchers.neglect(4)
    watchers.neglect(4)
    watchers.release(3)
    watchers.tell([(3, 1), (4, 1)])
    assert (len(one.calls), len(other.calls)) == (1, 1)
    assert site.poller.interests == {3: 2}, "what is released stays registered"
    assert 3 not in watchers and 4 not in watchers


def test_the_agenda_runs_tasks_then_timers_and_survives_them(site, caplog):
    ended = []
    agenda = Agenda(7, site.clock, site.counters, site.inbox, site.logger, lambda: ended.append(1))
    ran = []
    assert agenda.put(ran.append, ("task",))
    agenda.put(lambda: 1 / 0, ())
    agenda.put(exit, ())
    agenda.add(agenda.call_at(site.clock.now + 2, ran.append, ("late",)))
    agenda.add(agenda.call_at(site.clock.now + 1, ran.append, ("soon",)))
    agenda.run_tasks()
    assert (ran, ended, agenda.next_time()) == (["task"], [1], site.clock.now + 1)
    assert "ZeroDivisionError" in caplog.text and "loop 7" in caplog.text
    site.clock.advance(5)
    agenda.run_timers()
    assert ran == ["task", "soon", "late"]
    assert (site.counters.tasks, site.counters.timers, site.counters.errors) == (3, 2, 2)
    agenda.put(ran.append, ("last",))
    agenda.end()
    assert ran[-1] == "last"
    assert not agenda.put(ran.append, ("too late",))


def test_the_agenda_checks_deadlines(site):
    agenda = Agenda(0, site.clock, site.counters, site.inbox, site.logger, int)
    missed = []
    deadlines = Deadlines(site.clock.now, missed.append)
    deadlines.set(Timeout.READ, 3, site.clock.now)
    agenda.watch(deadlines)
    assert 3 <= agenda.next_time() - site.clock.now < 3.1
    site.clock.advance(4)
    agenda.run_timers()
    assert missed == [Timeout.READ]


def test_the_aftermath_goes_on_until_nothing_is_left(site):
    order = []

    class Once:
        def __init__(self, name, then=None):
            self.name, self.then = name, then

        def settle(self):
            order.append(self.name)
            if self.then is not None:
                aftermath.unsettled[self.then] = None

    departures = Log(order)
    aftermath = Aftermath(site.outbox, departures, site.charge)
    aftermath.unsettled[Once("a", then=Once("b"))] = None
    aftermath.settle()
    assert order == ["a", ("bury",), "b", ("bury",)]
    aftermath.settle()
    assert len(order) == 4


class Gone:
    """A connection whose life is over."""

    def __init__(self, fd, reset=False, may_leave=False, leaves=False):
        self.fd = fd
        self.network = "tcp"
        self.interest = 1
        self.ending = Ending(CloseReason.LOCAL)
        self.ending.reset = reset
        self.may_leave_input = may_leave
        self.leaves_input = leaves
        self.told = 0

    shares_descriptor = False

    def remember_local_address(self):
        pass

    def ended(self):
        self.told += 1


def test_departures_close_in_one_batch_and_tell(site):
    gate = Gate(10, refuse=False)
    site.descriptors = Descriptors(site, gate)
    removed = []
    departures = Departures(site, SimpleNamespace(remove=removed.append))
    gone = [Gone(3), Gone(4, reset=True), Gone(5)]
    for conn in gone:
        site.descriptors.add(conn.fd)
        site.poller.register(conn.fd, 1)
        departures.retire(conn)
    assert (site.counters.parting, removed, site.poller.interests) == (3, gone, {})
    assert all(conn.interest == UNWATCHED and not conn.told for conn in gone)
    departures.bury()
    assert (site.sockets.closed, site.sockets.resets) == ([3, 5], [4])
    assert [conn.told for conn in gone] == [1, 1, 1]
    assert (site.counters.parting, gate._free) == (0, 10)
    assert site.counters.closed[CloseReason.LOCAL] == 3
    departures.bury()
    assert [conn.told for conn in gone] == [1, 1, 1]


def test_departures_linger_for_a_peer_that_still_sends(site):
    departures = Departures(site, Log())
    quiet, sending = Gone(3, may_leave=True), Gone(4, may_leave=True)
    site.sockets.feed(4, b"more")
    for conn in (quiet, sending):
        departures.retire(conn)
    departures.bury()
    assert (list(departures.lingering), site.sockets.closed, site.sockets.shut) == ([4], [3], [4])
    assert sending.told == 1
    departures.end_lingering()
    assert (departures.lingering, site.sockets.closed) == ({}, [3, 4])


class Stream:
    """As much of a stream connection as the intake touches before it delivers."""

    def __init__(self, fd, receiving=True):
        self.fd = fd
        self.receiving = receiving
        self.calls = []

    def refill(self):
        self.calls.append("refill")

    def troubled(self, readiness):
        self.calls.append(("troubled", readiness))

    def received_nothing(self, result):
        self.calls.append(result)


def test_the_intake_tells_apart_what_is_ready(site):
    watcher = Log()
    site.watchers.attend(9, watcher, 1)
    streams = {fd: Stream(fd) for fd in (3, 4, 5)}
    streams[5].receiving = False
    intake = Intake(site, streams)
    error = Readiness.ERROR
    site.sockets.feed_eof(3)
    for fd, readiness in ((3, 1), (4, 2), (5, error), (9, 1), (77, 1)):
        if fd != 9:
            site.poller.register(fd, 3)
        site.poller.set_ready(fd, Readiness(readiness))
    assert intake.wait(0) == 5
    intake.serve()
    assert streams[3].calls == [0]
    assert streams[4].calls == ["refill"]
    assert streams[5].calls == ["refill", ("troubled", error)]
    assert watcher.calls == [("ready", 1)]


def test_the_intake_receives_again_where_it_was_asked_to(site):
    streams = {3: Stream(3)}
    stranger = Stream(3)  # of the same number, and gone
    intake = Intake(site, streams)
    intake.again = {streams[3]: None, stranger: None}
    site.sockets.feed_eof(3)
    intake.serve()
    assert (streams[3].calls, stranger.calls, intake.again) == ([0], [], {})
    assert site.settling == [streams[3]]


@pytest.fixture
def turn(site):
    """A turn whose parts only remember that they had their say."""
    order = []

    class Part(Log):
        again = unsettled = pending = planned = ()

        def next_time(self):
            return site.clock.now + 4 if self.planned else None

        def wait(self, timeout):
            order.append(("wait", timeout))
            return len(site.poller.wait(timeout))

        turns = wait

    agenda, intake, aftermath = Part(order), Part(order), Part(order)
    agenda.pending, agenda.planned, intake.again, aftermath.unsettled = [], [], {}, {}
    made = Turn(site, agenda, intake, aftermath)
    order.clear()
    made.order, made.parts = order, SimpleNamespace(agenda=agenda, intake=intake, aftermath=aftermath)
    return made


def test_a_turn_lets_each_part_have_its_say_in_order(site, turn):
    turn.parts.agenda.pending.append(1)
    turn.parts.agenda.planned.append(1)
    turn.parts.aftermath.unsettled[1] = None
    site.poller.register(3, 1)
    site.poller.set_ready(3, Readiness.READABLE)
    turn.run()
    assert [call[0] for call in turn.order] == ["wait", "serve", "run_tasks", "run_timers", "settle"]
    assert (site.time, site.counters.turns, site.counters.events) == (site.clock.now, 1, 1)


def test_a_turn_waits_for_the_next_timer_and_no_longer_than_it_may(site, turn):
    turn.parts.agenda.planned.append(1)
    start = site.clock.now
    turn.run()
    assert site.clock.now - start == 4
    turn.run(1.5)
    assert site.clock.now - start == 5.5
    turn.run(60)
    assert site.clock.now - start == 9.5
    turn.parts.agenda.pending.append(1)
    turn.run()
    assert site.clock.now - start == 9.5


def test_a_turn_says_when_the_next_is_due(site, turn):
    assert turn.next_due() is None and turn.sleep is not None
    turn.parts.agenda.planned.append(1)
    assert turn.next_due() == site.clock.now + 4
    turn.parts.intake.again[1] = None
    assert turn.next_due() == site.clock.now


def test_the_reception_makes_connections_here_and_only_here(site):
    made, listener = [], Listener(50, Address("tcp", "192.0.2.1", 9), "tcp", None, int)
    connections = SimpleNamespace(arriving={}, welcome=lambda *args: made.append(args) or ())
    reception = Reception(site, connections, Log())
    reception.admit([(3, b"name"), (5, b"next")], listener)
    assert made == [([(3, b"name"), (5, b"next")], "tcp", None)]
    reception.hand_over(4, b"other", listener)
    assert (list(connections.arriving), len(made)) == ([4], 1)
    ((function, args),) = site.posted
    function(*args)
    assert made[1:] == [([(4, b"other")], "tcp", None)]


def test_the_reception_says_once_what_it_could_not_serve(site, caplog):
    def refuse(accepted, network, local):
        return [OSError(errno.ENOSPC, "no room") for _ in accepted]

    reception = Reception(site, SimpleNamespace(arriving={}, welcome=refuse), Log())
    listener = Listener(50, Address("tcp", "192.0.2.1", 9), "tcp", None, int)
    for fd in range(3, 30, 2):
        reception.admit([(fd, b"name"), (fd + 1, b"name")], listener)
    assert caplog.text.count("no room") == 1


def test_listeners_begin_and_end_together(site):
    taken, cleanups, doors = [], [], []
    here = SimpleNamespace(
        take_in=lambda listener, limit: taken.append(listener.fd) or (0, 0),
        open_door=lambda listener, acceptor: doors.append(listener.fd),
        close_door=lambda listener: doors.remove(listener.fd),
    )
    listeners = Listeners(site, here, Half(site.poller, site.sockets, debug=False).open_port, None)
    address = Address("tcp", "192.0.2.1", 9)
    for fd in (50, 51):
        listeners.add(Listener(fd, address, "tcp", None, lambda: cleanups.append(1)), None)
    listeners.add_datagrams(60, 2, Address("udp", "192.0.2.1", 9))
    assert site.poller.interests == {}
    listeners.start()
    assert set(site.poller.interests) == {50, 51, 60}
    site.sockets.connect(51)
    site.watchers.tell([(51, 1)])
    assert (taken, doors) == ([51], [50, 51])
    listeners.close()
    assert not doors
    assert (site.sockets.closed, cleanups, site.poller.interests) == ([50, 51, 60], [1, 1], {})


def test_an_inbox_takes_fresh_memory_only_when_somebody_looks_at_the_old(site):
    inbox = site.inbox
    arena = inbox.arena
    arena[:5] = b"hello"
    inbox.views.append(inbox.whole[:5])
    view = inbox.views[0]
    inbox.release_views()
    with pytest.raises(ValueError, match="released"):
        bytes(view)
    inbox.renew()
    assert inbox.arena is arena
    if not VIEWS_ARE_COUNTED:  # nobody is shown the arena there, nor would it be known who looks at it
        return
    kept = memoryview(inbox.whole[:5])
    inbox.views.append(inbox.whole[:5])
    exported = PickleBuffer(inbox.views[0])
    inbox.release_views()
    assert inbox.lent
    inbox.renew()
    assert inbox.arena is not arena and not inbox.lent
    inbox.arena[:5] = b"other"
    assert (bytes(kept), bytes(exported)) == (b"hello", b"hello")


def test_what_counters_count_is_what_metrics_show():
    names = {field for field in Counters.__slots__ if field not in ("closed", "meter", "parting")}
    assert names <= set(Metrics.__dataclass_fields__)
