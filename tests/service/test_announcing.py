"""When a watchdog is fed, and what is said of an engine; on a manual clock."""

from __future__ import annotations

import math

import pytest

from netcore import Address, Options
from netcore.engine.announcing import Announcements
from netcore.service import Notifier
from netcore.testing import ManualClock

pytestmark = pytest.mark.unix_sockets


class Engine:
    def __init__(self, **options):
        self.options = Options(**options)
        self.addresses = (Address.parse("tcp://127.0.0.1:80"), Address.parse("unix:///run/s"))
        self.connection_count = 2
        self.stuck = 0.0

    def stuck_for(self):
        return self.stuck


@pytest.fixture
def told(manager):
    """Makes announcements: ``told(engine, interval)``; closes the notifier."""
    made = []

    def make(engine, interval=None):
        clock = ManualClock()
        made.append(Notifier(manager.address, interval))
        return Announcements(engine, made[-1], clock), clock

    yield make
    for notifier in made:
        notifier.close()


def test_it_says_where_it_listens_and_how_long_the_end_may_take(told, manager):
    announcements, _ = told(Engine(shutdown_delay=5, shutdown_timeout=30))
    announcements.serves()
    announcements.ends()
    assert manager.heard() == [
        {"READY": "1", "STATUS": "listening on tcp://127.0.0.1:80, unix:///run/s"},
        {"STOPPING": "1", "STATUS": "stopping, 2 connections open"},
        {"EXTEND_TIMEOUT_USEC": "37000000"},
    ]


def test_an_end_without_limit_is_the_managers_to_limit(told, manager):
    engine = Engine(shutdown_timeout=math.inf)
    engine.connection_count = 1
    announcements, _ = told(engine)
    announcements.ends()
    assert manager.heard() == [{"STOPPING": "1", "STATUS": "stopping, 1 connection open"}]


def test_nobody_watches(told, manager):
    announcements, _ = told(Engine())
    assert announcements.lives() == 1
    assert manager.heard() == []


def test_what_has_found_no_room_is_sent_later(told, manager):
    announcements, _ = told(Engine())
    for _ in range(10_000):
        announcements.serves()
    assert manager.heard()
    announcements.lives()
    assert manager.heard()


@pytest.mark.parametrize(("interval", "naps"), [(0.5, [0.25] * 4), (3, [1, 0.5, 1, 0.5])])
def test_it_is_fed_at_half_of_the_time(told, manager, interval, naps):
    announcements, clock = told(Engine(), interval)
    fed = []
    for nap in naps:
        assert announcements.lives() == pytest.approx(nap)
        fed.append(len(manager.heard()))
        clock.advance(nap)
    assert fed == [1 if interval == 0.5 or i % 2 == 0 else 0 for i in range(4)]


def test_a_hang_is_told_by_silence_and_a_recovery_at_once(told, manager):
    engine = Engine()
    announcements, clock = told(engine, 2)
    assert announcements.lives() == 1
    assert manager.heard() == [{"WATCHDOG": "1"}]
    clock.advance(1)
    engine.stuck = 0.9  # it may still return in time
    assert announcements.lives() == 1
    assert manager.heard() == [{"WATCHDOG": "1"}]
    clock.advance(1)
    engine.stuck = 1.9
    nap = announcements.lives()
    assert nap == pytest.approx(0.2), "it is looked at more often: the time is running out"
    assert manager.heard() == []
    clock.advance(nap)
    engine.stuck = 0.0
    assert announcements.lives() == 1
    assert manager.heard() == [{"WATCHDOG": "1"}]
