"""Orders: from any thread and any signal handler, before, while and after somebody waits for them."""

from __future__ import annotations

import os
import select
import signal
import threading

import pytest

from netcore.supervisor.orders import Orders


def readable(orders: Orders) -> bool:
    return bool(select.select([orders], [], [], 0)[0])


def test_what_is_given_before_waits() -> None:
    orders = Orders()
    orders.give("SIGTERM")
    with orders:
        assert readable(orders)
        assert list(orders.take()) == ["SIGTERM"]
        assert not readable(orders)


def test_they_come_in_their_order_and_wake_who_waits() -> None:
    with Orders() as orders:
        list(orders.take())
        threads = [threading.Thread(target=orders.give, args=(name,)) for name in ("SIGHUP", "SIGTTIN")]
        for thread in threads:
            thread.start()
            thread.join()
        assert readable(orders)
        assert list(orders.take()) == ["SIGHUP", "SIGTTIN"]


def test_more_than_the_kernel_keeps_awake_are_all_there() -> None:
    with Orders() as orders:
        for _ in range(100_000):
            orders.give("SIGHUP")
        assert len(list(orders.take())) == 100_000
        assert not readable(orders)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="no such signal on this platform")
def test_signals_are_orders_within_the_block_only() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    with Orders() as orders:
        list(orders.take())
        with orders.taken(["SIGUSR2"]):
            os.kill(os.getpid(), signal.SIGUSR2)
            assert readable(orders)
            assert list(orders.take()) == ["SIGUSR2"]
        assert signal.getsignal(signal.SIGUSR2) is before


def test_who_gives_when_it_is_over_is_not_in_the_way() -> None:
    with Orders() as orders:
        pass
    orders.give("SIGTERM")
