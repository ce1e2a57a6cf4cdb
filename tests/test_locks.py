"""Locks: who is inside is seen from outside, and a fork begins anew."""

from __future__ import annotations

import threading

import pytest

from netcore._locks import WatchedLock, is_held_here


def test_callers_are_seen_while_they_are_inside():
    lock = WatchedLock()
    assert not lock.callers and not is_held_here(lock)
    with lock:
        assert lock.callers and is_held_here(lock)
        with lock:  # as of a signal handler
            assert len(lock.callers) == 2
        assert len(lock.callers) == 1
    assert not lock.callers and not is_held_here(lock)


def test_who_waits_is_seen_and_gets_in():
    lock = WatchedLock()
    order = []

    def work():
        with lock:
            order.append("other")

    with lock:
        thread = threading.Thread(target=work)
        thread.start()
        while len(lock.callers) < 2:
            pass
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"] and not lock.callers


def test_an_interrupted_wait_leaves_nothing_behind():
    class Interrupted:
        def acquire(self):
            raise KeyboardInterrupt

    lock = WatchedLock()
    lock._lock = Interrupted()
    with pytest.raises(KeyboardInterrupt), lock:
        pass
    assert not lock.callers
    lock.renew()
    with lock:
        assert lock.callers


def test_renewing_forgets_who_is_not_there_any_more():
    lock = WatchedLock()
    lock.acquire()
    lock.renew()
    assert not lock.callers and not is_held_here(lock)
    with lock:
        assert is_held_here(lock)
